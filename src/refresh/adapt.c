/*-------------------------------------------------------------------------
 *
 * adapt.c
 *	  Change the table of a stream table to what its query needs by now.
 *
 * The hidden columns of a stream table, and the index that finds its rows, follow
 * from its query and from what the catalog says of the query's sources.  A key
 * that is dropped, or ceases to be one because its table got a child, a new one, a
 * policy, a function that is replaced by a volatile one: each may ask for other
 * ones.  The query's own columns stay.
 *
 * The table stays the same relation, so rights, comments, indexes, triggers and
 * policies, and whatever reads it, stay as well.  Its rows are deleted, as
 * apply deletes rows: older snapshots go on to see them, and stream tables above
 * learn of it.  The refresh fills it again.
 *
 * Columns that the user has added, dropped, renamed or given another type are an
 * error: he can undo that, or give the query again.
 *
 * Another query changes the query's own columns, too, in the same way, if that
 * leads to its columns in its order: columns can go anywhere, but come only last.
 *
 * Locks:  AccessExclusiveLock on the table, to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "refresh/refresh.h"
#include "refresh/storage.h"

static bool
is_hidden(const char *column)
{
	return strncmp(column, PGT_HIDDEN_PREFIX, strlen(PGT_HIDDEN_PREFIX)) == 0;
}

static const LayoutColumn *
layout_column(const DeltaProgram *program, const char *name)
{
	ListCell   *lc;

	foreach(lc, program_layout(program))
		if (strcmp(((LayoutColumn *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

static Form_pg_attribute
table_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return TupleDescAttr(desc, i);
	return NULL;
}

static bool
same_column(const Form_pg_attribute att, const LayoutColumn *column)
{
	return att->atttypid == column->type && att->atttypmod == column->typmod &&
		att->attcollation == column->collation && !att->attgenerated;
}

/* ---- what does not fit ---- */

/* A column that the user has changed, and how, or NULL. */
static char *
foreign_column(TupleDesc desc, const DeltaProgram *program)
{
	AttrNumber	last = 0;
	ListCell   *lc;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && !is_hidden(NameStr(att->attname)) &&
			layout_column(program, NameStr(att->attname)) == NULL)
			return psprintf("The query has no column \"%s\".", NameStr(att->attname));
	}
	foreach(lc, program_layout(program))
	{
		const LayoutColumn *column = lfirst(lc);
		Form_pg_attribute att = table_column(desc, column->name);

		if (column->hidden)
			return NULL;
		if (att == NULL)
			return psprintf("The table has no column \"%s\".", column->name);
		if (!same_column(att, column))
			return psprintf("Column \"%s\" is of type %s in the table, and of type %s in the query.",
							column->name,
							format_type_with_typemod(att->atttypid, att->atttypmod),
							format_type_with_typemod(column->type, column->typmod));
		if (att->attnum < last)
			return psprintf("Column \"%s\" does not stand where it does in the query.",
							column->name);
		last = att->attnum;
	}
	return NULL;
}

static void
refuse_foreign_columns(Relation rel, const DeltaProgram *program)
{
	char	   *detail = foreign_column(RelationGetDescr(rel), program);

	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of stream table \"%s\" do not fit its query any more",
						RelationGetRelationName(rel)),
				 errdetail("%s", detail),
				 errhint("Undo the change of the table's columns, or give a query that has them to pgtrickle.create_or_replace_stream_table() or pgtrickle.alter_stream_table().")));
}

/* Rows of a child would show in the stream table. */
static void
refuse_children(Relation rel)
{
	List	   *children = rel->rd_rel->relhassubclass ?
		find_inheritance_children(RelationGetRelid(rel), NoLock) : NIL;

	if (children != NIL && rel->rd_rel->relkind == RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" inherits from stream table \"%s\"",
						get_rel_name(linitial_oid(children)),
						RelationGetRelationName(rel)),
				 errdetail("Its rows show in the stream table."),
				 errhint("Run ALTER TABLE ... NO INHERIT on it.")));
}

/* The columns of an index as the list in which it would be created. */
static char *
index_columns(Relation rel, Oid indexrelid)
{
	Relation	index = index_open(indexrelid, AccessShareLock);
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < index->rd_index->indnatts; i++)
	{
		AttrNumber	attno = index->rd_index->indkey.values[i];

		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "", attno == 0 ? "" :
						 quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel),
																attno - 1)->attname)));
	}
	index_close(index, NoLock);
	return columns.data;
}

static bool
has_index_on(Relation rel, const char *columns)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
		if (strcmp(index_columns(rel, lfirst_oid(lc)), columns) == 0)
			return true;
	return false;
}

static bool
serves(Relation rel, DeltaProgram *program)
{
	return program_place(program, RelationGetDescr(rel)) &&
		apply_index_exists(rel, program_placed_identity(program));
}

bool
storage_serves(Oid relid, DeltaProgram *program)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		result = serves(rel, program);

	table_close(rel, NoLock);
	return result;
}

/* ---- making it fit ---- */

static void
delete_rows(Oid relid, ApplyCounts *counts)
{
	Identity	none = {.kind = IDENTITY_SINGLE};
	Relation	rel = table_open(relid, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ApplyState *apply = apply_begin(rel, &none, snapshot);

	apply_delete_stored(apply);
	apply_end(apply, counts);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* Statements that drop the indexes that we have made. */
static List *
drop_index_statements(Relation rel)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, apply_indexes_made(rel))
		result = lappend(result,
						 psprintf("DROP INDEX %s",
								  quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
															 get_rel_name(lfirst_oid(lc)))));
	return result;
}

static void
append_clause(StringInfo clauses, const char *clause)
{
	appendStringInfo(clauses, "%s%s", clauses->len > 0 ? ", " : "", clause);
}

static bool
adds_visible(TupleDesc desc, const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program_layout(program))
	{
		const LayoutColumn *column = lfirst(lc);
		Form_pg_attribute att = table_column(desc, column->name);

		if (!column->hidden && (att == NULL || !same_column(att, column)))
			return true;
	}
	return false;
}

/* May the table's column stay?  Hidden ones come last. */
static bool
stays(const Form_pg_attribute att, const LayoutColumn *column, bool visible_follow)
{
	return att != NULL && column != NULL && same_column(att, column) &&
		!(column->hidden && visible_follow);
}

/* What ALTER TABLE has to do to the columns, or NULL. */
static char *
column_clauses(TupleDesc desc, const DeltaProgram *program)
{
	bool		visible_follow = adds_visible(desc, program);
	StringInfoData clauses;
	ListCell   *lc;

	initStringInfo(&clauses);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *name = NameStr(att->attname);

		if (!att->attisdropped && !stays(att, layout_column(program, name), visible_follow))
			append_clause(&clauses, psprintf("DROP COLUMN %s", quote_identifier(name)));
	}
	foreach(lc, program_layout(program))
	{
		const LayoutColumn *column = lfirst(lc);

		if (!stays(table_column(desc, column->name), column, visible_follow))
			append_clause(&clauses, psprintf("ADD COLUMN %s", storage_column_sql(column)));
	}
	return clauses.len > 0 ? clauses.data : NULL;
}

/* What goes. */
static void
take_away(Oid relid, const DeltaProgram *program)
{
	Relation	rel = table_open(relid, NoLock);
	List	   *statements = drop_index_statements(rel);
	char	   *clauses = column_clauses(RelationGetDescr(rel), program);
	char	   *table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel));
	ListCell   *lc;

	table_close(rel, NoLock);
	foreach(lc, statements)
		run_sql(lfirst(lc));
	if (clauses != NULL)
		run_sql(psprintf("ALTER TABLE %s %s", table, clauses));
}

/* What comes, of indexes. */
static void
add_indexes(Oid relid, DeltaProgram *program)
{
	Relation	rel = table_open(relid, NoLock);
	bool		placed = program_place(program, RelationGetDescr(rel));
	const char *columns = program_index(program);
	char	   *table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel));
	char	   *statement;

	if (!placed)
		elog(ERROR, "columns of \"%s\" are not those of its query",
			 RelationGetRelationName(rel));
	if (columns != NULL && has_index_on(rel, columns))
		columns = NULL;
	table_close(rel, NoLock);
	statement = apply_index_ddl(relid, program_placed_identity(program));
	if (statement != NULL)
		run_sql(statement);
	if (columns != NULL)
		run_sql(psprintf("CREATE INDEX ON %s (%s)", table, columns));
}

static void
adapt_error_callback(void *arg)
{
	if (geterrcode() == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST)
		errhint("%s", (const char *) arg);
}

/* hint: for who uses a column that goes. */
static void
change_table(Oid relid, DeltaProgram *program, const char *hint, ApplyCounts *counts)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = adapt_error_callback,
		.arg = unconstify(char *, hint)
	};

	LockRelationOid(relid, AccessExclusiveLock);
	error_context_stack = &callback;
	delete_rows(relid, counts);
	take_away(relid, program);
	add_indexes(relid, program);
	error_context_stack = callback.previous;
	CommandCounterIncrement();
}

bool
storage_adapt(Oid relid, DeltaProgram *program, uint64 row_ids, ApplyCounts *counts)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		fits = serves(rel, program);

	refuse_children(rel);
	if (!fits)
		refuse_foreign_columns(rel, program);
	table_close(rel, NoLock);
	if (fits)
	{
		if (row_ids == 0 || row_ids == program_row_ids(program))
			return false;
		delete_rows(relid, counts);
		return true;
	}

	change_table(relid, program,
				 "Its query needs other hidden columns by now: drop what uses the present ones, and create it again without them.",
				 counts);
	return true;
}

/* ---- another query ---- */

/* Is there anything on the table, or made of it, that a new table would lack? */
bool
storage_is_used(Oid relid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	Relation	rel = table_open(relid, AccessShareLock);
	bool		used = rel->rd_rel->relrowsecurity ||
		list_length(RelationGetIndexList(rel)) > list_length(apply_indexes_made(rel)) ||
		(rel->trigdesc != NULL && rel->trigdesc->numtriggers > 2);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (!used && (tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		used = form->deptype == DEPENDENCY_NORMAL && form->classid != TriggerRelationId;
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	table_close(depend, AccessShareLock);
	return used;
}

bool
storage_can_change(Oid relid, const DeltaProgram *program)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	last = 0;
	bool		result = true;
	ListCell   *lc;

	foreach(lc, program_layout(program))
	{
		const LayoutColumn *column = lfirst(lc);
		Form_pg_attribute att = table_column(desc, column->name);

		if (column->hidden)
			break;
		if (att == NULL || !same_column(att, column))
			last = desc->natts + 1;
		else if (att->attnum < last)
			result = false;
		else
			last = att->attnum;
	}
	table_close(rel, NoLock);
	return result;
}

void
storage_change(Oid relid, DeltaProgram *program, Oid owner)
{
	ApplyCounts counts = {0};
	OwnerContext ctx;

	owner_context_enter(&ctx, owner);
	change_table(relid, program,
				 "The new query has not all columns of the present one: drop what uses them first.",
				 &counts);
	owner_context_leave(&ctx);
}
