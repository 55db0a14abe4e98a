/*-------------------------------------------------------------------------
 *
 * apply_sql.c
 *	  The same changes as three SQL statements: DELETE, UPDATE, INSERT.
 *
 * For tables whose changes somebody watches (triggers, foreign keys) and for
 * partitioned ones.  Changes are collected while rows are looked up, and reach
 * the statements as ephemeral named relations; a statement with nothing to do
 * is not run, so that its triggers stay silent.  Rows are addressed by heap and
 * ctid, which stay put because nobody else may write.
 *
 * What the statements did is counted: a trigger or a rule that keeps a row
 * from being written would leave a table that is not equal to its query.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"

#include "apply/apply_internal.h"

#define ATTR_HEAP	1
#define ATTR_TID	2
#define ATTR_FIRST	3			/* of the row: c3, c4, ... */

typedef enum ChangeKind
{
	CHANGE_DELETE,
	CHANGE_UPDATE,
	CHANGE_INSERT
} ChangeKind;

static const char *const relation_names[] = {
	[CHANGE_DELETE] = "__pgt_deletes",
	[CHANGE_UPDATE] = "__pgt_updates",
	[CHANGE_INSERT] = "__pgt_inserts"
};

typedef struct ApplyStatements
{
	TupleDesc	desc;			/* heap, ctid, columns that are not dropped */
	int			ncolumns;
	int		   *columns;		/* their offsets in the row */
	TupleTableSlot *slot;
	Tuplestorestate *stores[3];
	int64		nrows[3];
	EphemeralNamedRelationData relations[3];	/* SPI keeps pointers */
} ApplyStatements;

static bool
trigger_matters(const Trigger *trigger)
{
	if (trigger->tgenabled == TRIGGER_DISABLED)
		return false;
	if (!(trigger->tgtype &
		  (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)))
		return false;
	return !guard_is_trigger(trigger);
}

bool
statements_needed(Relation st)
{
	if (st->rd_rel->relkind != RELKIND_RELATION)
		return true;
	if (st->trigdesc == NULL)
		return false;
	for (int i = 0; i < st->trigdesc->numtriggers; i++)
	{
		if (trigger_matters(&st->trigdesc->triggers[i]))
			return true;
	}
	return false;
}

static void
check_row_security(Relation st)
{
	if (check_enable_rls(RelationGetRelid(st), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot refresh stream table \"%s\" under row-level security",
						RelationGetRelationName(st)),
				 errdetail("Its policies apply to its owner, who refreshes it, and it has triggers or partitions."),
				 errhint("Use ALTER TABLE ... NO FORCE ROW LEVEL SECURITY.")));
}

void
statements_init(ApplyState *state)
{
	ApplyStatements *sql = palloc0(sizeof(ApplyStatements));
	TupleDesc	st = state->desc;

	check_row_security(state->st);
	sql->columns = palloc(sizeof(int) * st->natts);
	for (int i = 0; i < st->natts; i++)
	{
		if (!TupleDescAttr(st, i)->attisdropped)
			sql->columns[sql->ncolumns++] = i;
	}
	sql->desc = CreateTemplateTupleDesc(sql->ncolumns + 2);
	TupleDescInitEntry(sql->desc, ATTR_HEAP, "heap", OIDOID, -1, 0);
	TupleDescInitEntry(sql->desc, ATTR_TID, "tid", TIDOID, -1, 0);
	for (int i = 0; i < sql->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(st, sql->columns[i]);
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i + ATTR_FIRST);
		TupleDescInitEntry(sql->desc, i + ATTR_FIRST, name, att->atttypid,
						   att->atttypmod, att->attndims);
		TupleDescInitEntryCollation(sql->desc, i + ATTR_FIRST, att->attcollation);
	}
	sql->slot = MakeSingleTupleTableSlot(sql->desc, &TTSOpsVirtual);
	state->statements = sql;
}

static void
collect(ApplyState *state, ChangeKind kind, Oid relid, ItemPointer tid,
		TupleTableSlot *row)
{
	ApplyStatements *sql = state->statements;
	TupleTableSlot *slot = sql->slot;

	if (sql->stores[kind] == NULL)
	{
		MemoryContext save = MemoryContextSwitchTo(state->context);

		sql->stores[kind] = tuplestore_begin_heap(false, false, work_mem);
		MemoryContextSwitchTo(save);
	}
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * sql->desc->natts);
	if (tid)
	{
		slot->tts_values[ATTR_HEAP - 1] = ObjectIdGetDatum(relid);
		slot->tts_isnull[ATTR_HEAP - 1] = false;
		slot->tts_values[ATTR_TID - 1] = PointerGetDatum(tid);
		slot->tts_isnull[ATTR_TID - 1] = false;
	}
	for (int i = 0; row && i < sql->ncolumns; i++)
	{
		slot->tts_values[i + ATTR_FIRST - 1] = row->tts_values[sql->columns[i]];
		slot->tts_isnull[i + ATTR_FIRST - 1] = row->tts_isnull[sql->columns[i]];
	}
	ExecStoreVirtualTuple(slot);
	tuplestore_puttupleslot(sql->stores[kind], slot);
	sql->nrows[kind]++;
}

void
statements_delete(ApplyState *state, Oid relid, ItemPointer tid)
{
	collect(state, CHANGE_DELETE, relid, tid, NULL);
}

void
statements_update(ApplyState *state, Oid relid, ItemPointer tid)
{
	collect(state, CHANGE_UPDATE, relid, tid, state->row);
}

void
statements_insert(ApplyState *state)
{
	collect(state, CHANGE_INSERT, InvalidOid, NULL, state->row);
}

static const char *
column_name(ApplyState *state, int i)
{
	ApplyStatements *sql = state->statements;

	return quote_identifier(NameStr(TupleDescAttr(state->desc,
												  sql->columns[i])->attname));
}

static char *
table_name(ApplyState *state)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(state->st)),
									  RelationGetRelationName(state->st));
}

static void
append_match(StringInfo text, ApplyState *state)
{
	appendStringInfoString(text, " WHERE t.ctid OPERATOR(pg_catalog.=) d.tid");
	if (state->st->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		appendStringInfoString(text, " AND t.tableoid OPERATOR(pg_catalog.=) d.heap");
}

static char *
statement_text(ApplyState *state, ChangeKind kind)
{
	ApplyStatements *sql = state->statements;
	const char *only = "ONLY ";
	StringInfoData text;

	initStringInfo(&text);
	if (state->st->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		only = "";
	switch (kind)
	{
		case CHANGE_DELETE:
			appendStringInfo(&text, "DELETE FROM %s%s AS t USING %s AS d",
							 only, table_name(state), relation_names[kind]);
			append_match(&text, state);
			break;
		case CHANGE_UPDATE:
			appendStringInfo(&text, "UPDATE %s%s AS t SET ", only, table_name(state));
			for (int i = 0; i < sql->ncolumns; i++)
				appendStringInfo(&text, "%s%s = d.c%d", i > 0 ? ", " : "",
								 column_name(state, i), i + ATTR_FIRST);
			appendStringInfo(&text, " FROM %s AS d", relation_names[kind]);
			append_match(&text, state);
			break;
		case CHANGE_INSERT:
			appendStringInfo(&text, "INSERT INTO %s (", table_name(state));
			for (int i = 0; i < sql->ncolumns; i++)
				appendStringInfo(&text, "%s%s", i > 0 ? ", " : "",
								 column_name(state, i));
			appendStringInfoString(&text, ") SELECT ");
			for (int i = 0; i < sql->ncolumns; i++)
				appendStringInfo(&text, "%sd.c%d", i > 0 ? ", " : "", i + ATTR_FIRST);
			appendStringInfo(&text, " FROM %s AS d", relation_names[kind]);
			break;
	}
	return text.data;
}

/*
 * The pass is taken back on every way out, so that an error that somebody
 * catches does not leave the table open.
 */
static int
execute_admitted(ApplyState *state, const char *text)
{
	int			result;

	guard_admit(RelationGetRelid(state->st));
	PG_TRY();
	{
		result = SPI_execute(text, false, 0);
	}
	PG_FINALLY();
	{
		guard_admit_none();
	}
	PG_END_TRY();
	return result;
}

static void
register_changes(ApplyStatements *sql, ChangeKind kind)
{
	EphemeralNamedRelation relation = &sql->relations[kind];
	int			result;

	relation->md.name = pstrdup(relation_names[kind]);
	relation->md.tupdesc = sql->desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = sql->nrows[kind];
	relation->reldata = sql->stores[kind];
	result = SPI_register_relation(relation);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the changes: %s",
			 SPI_result_code_string(result));
}

static void
run_statement(ApplyState *state, ChangeKind kind)
{
	static const int expected[] = {
		[CHANGE_DELETE] = SPI_OK_DELETE,
		[CHANGE_UPDATE] = SPI_OK_UPDATE,
		[CHANGE_INSERT] = SPI_OK_INSERT
	};
	ApplyStatements *sql = state->statements;
	int			result;

	if (sql->nrows[kind] == 0)
		return;
	register_changes(sql, kind);
	result = execute_admitted(state, statement_text(state, kind));
	if (result != expected[kind] || SPI_processed != (uint64) sql->nrows[kind])
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("stream table \"%s\" did not take all changes of its refresh",
						RelationGetRelationName(state->st)),
				 errdetail("Of %lld rows, %llu were written.",
						   (long long) sql->nrows[kind],
						   (unsigned long long) SPI_processed),
				 errhint("Drop the trigger or rule on it that suppresses changes.")));
}

void
statements_run(ApplyState *state)
{
	ApplyStatements *sql = state->statements;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	run_statement(state, CHANGE_DELETE);
	run_statement(state, CHANGE_UPDATE);
	run_statement(state, CHANGE_INSERT);
	SPI_finish();

	ExecDropSingleTupleTableSlot(sql->slot);
	for (int i = 0; i < lengthof(sql->stores); i++)
	{
		if (sql->stores[i])
			tuplestore_end(sql->stores[i]);
	}
}
