/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Prepare, keep and run the statements of a compiled query.
 *
 * Deltas enter SQL as ephemeral named relations.  A kept plan survives the
 * session of SPI in which it was prepared: the relations are registered anew
 * each time under the same names and descriptors.  The number of rows that the
 * planner sees is fixed at preparation, so small deltas share one plan made
 * for ten rows, and large ones are planned each time for what they are.
 *
 * Likewise arrays: a small one is a parameter of a kept plan, a large one is
 * planned with, as a constant, because only then the executor hashes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "delta/delta.h"
#include "tcop/dest.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"

#define TINY_ROWS 10
/* Array elements that comparing one after the other is still cheap for. */
#define TINY_ELEMENTS 64

typedef struct RowReceiver
{
	DestReceiver pub;
	const Statement *statement;
	RowCallback callback;
	void	   *arg;
} RowReceiver;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	receiver->callback(slot, receiver->arg);
	return true;
}

/* The text was made to yield the columns of a stage: did it? */
static void
receive_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	const Statement *statement = ((RowReceiver *) self)->statement;
	TupleDesc	expected = statement->desc;

	if (expected == NULL)
		return;
	if (desc->natts < expected->natts - 1)
		elog(ERROR, "stage %d has %d columns instead of %d",
			 statement->key.stage, desc->natts, expected->natts - 1);
	for (int i = 1; i < expected->natts; i++)
		if (TupleDescAttr(desc, i - 1)->atttypid != TupleDescAttr(expected, i)->atttypid)
			elog(ERROR, "column %d of stage %d has type %u instead of %u", i,
				 statement->key.stage, TupleDescAttr(desc, i - 1)->atttypid,
				 TupleDescAttr(expected, i)->atttypid);
}

static void
receive_nothing(DestReceiver *self)
{
}

static bool
is_bulk(int64 rows)
{
	if (pgt_debug_plan == DEBUG_PLAN_TINY)
		return false;
	return pgt_debug_plan == DEBUG_PLAN_BULK || rows > BULK_ROWS;
}

static bool
is_tiny(const Statement *statement)
{
	if (statement->key.kind == PLAN_FULL || is_bulk(statement->rows))
		return false;
	return statement->elements <= TINY_ELEMENTS ||
		pgt_debug_plan == DEBUG_PLAN_TINY;
}

void
program_register(const char *name, TupleDesc desc, Tuplestorestate *rows,
				 int64 nrows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	int			rc;

	enr->md.name = pstrdup(name);
	enr->md.reliddesc = InvalidOid;
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = is_bulk(nrows) ? nrows : TINY_ROWS;
	enr->reldata = rows;
	rc = SPI_register_relation(enr);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register relation \"%s\": %s", name,
			 SPI_result_code_string(rc));
}

static void
top_delta_sql(const DeltaProgram *program, SourceMask changed, StringInfo out)
{
	if (program->tree->aggregated)
		aggregate_delta_sql(program, changed, out);
	else
		branches_delta_sql(program, program->tree->branches, changed, out);
}

static void
stage_delta_sql(const DeltaProgram *program, const StatementKey *key,
				StringInfo out)
{
	const Stage *stage = program_stage(program, key->stage);

	branches_delta_sql(program, stage->branches, key->mask, out);
}

/*
 * The result of a whole query is that of its definition view, unless parts of
 * it are at hand.
 */
static bool
reads_definition(const DeltaProgram *program)
{
	return program->table == NULL && program->parts == NIL;
}

void
program_statement_sql(const DeltaProgram *program, const StatementKey *key,
					  StringInfo out)
{
	switch (key->kind)
	{
		case PLAN_DELTA:
			if (key->stage == 0)
				top_delta_sql(program, key->mask, out);
			else
				stage_delta_sql(program, key, out);
			break;
		case PLAN_RECOMPUTE:
			aggregate_state_sql(program, program->tree->nkeys > 0, key->nulls, out);
			break;
		case PLAN_REEVALUATE:
			if (reads_definition(program))
				appendStringInfo(out, "SELECT *, 1 AS w FROM %s",
								 sqlgen_relation(program->defview));
			else
				core_state_sql(program, false, 0, out);
			break;
		case PLAN_FULL:
			if (program->reason == NULL && program->tree->aggregated)
				aggregate_state_sql(program, false, 0, out);
			else if (reads_definition(program))
				appendStringInfo(out, "SELECT * FROM %s",
								 sqlgen_relation(program->defview));
			else
				core_state_sql(program, false, 0, out);
			break;
		case PLAN_SLICE_KEYS:
		case PLAN_SLICE_LEFT:
		case PLAN_SLICE_OUTSIDE:
		case PLAN_SLICE_INPUT:
		case PLAN_SLICE_INPUT_DELTA:
		case PLAN_SLICE_RESULT:
		case PLAN_SLICE_TOUCHED:
			slice_sql(program, key, out);
			break;
	}
}

/*
 * A whole result is stored in the order of its key, and many changes of groups
 * come in that order: so they visit each page of index and table once.
 */
static void
append_key_order(const DeltaProgram *program, const StatementKey *statement,
				 StringInfo out)
{
	bool		aggregated = program->reason == NULL && program->tree->aggregated;
	const char *separator = "\n ORDER BY ";

	if (statement->stage != 0 || program->identity.kind != IDENTITY_KEY)
		return;
	if (statement->kind != PLAN_FULL &&
		(statement->kind != PLAN_DELTA || !aggregated))
		return;
	for (int key = 0; key < program->identity.nkeys; key++)
	{
		appendStringInfo(out, "%s%d", separator,
						 aggregated ? key + 1 : program->identity.keys[key]);
		separator = ", ";
	}
}

static SPIPlanPtr
prepare(DeltaProgram *program, const Statement *statement, bool tiny)
{
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	program_statement_sql(program, &statement->key, &sql);
	if (!tiny)
		append_key_order(program, &statement->key, &sql);
	plan = SPI_prepare_cursor(sql.data, statement->nparams, statement->types,
							  tiny ? CURSOR_OPT_GENERIC_PLAN : CURSOR_OPT_CUSTOM_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql.data,
			 SPI_result_code_string(SPI_result));
	pfree(sql.data);
	return plan;
}

static bool
same_key(const StatementKey *a, const StatementKey *b)
{
	return a->kind == b->kind && a->stage == b->stage && a->step == b->step &&
		a->mask == b->mask && a->nulls == b->nulls;
}

static SPIPlanPtr
saved_plan(DeltaProgram *program, const Statement *statement)
{
	ListCell   *lc;
	MemoryContext old;
	SavedPlan  *saved;
	SPIPlanPtr	plan;

	foreach(lc, program->plans)
	{
		saved = lfirst(lc);
		if (same_key(&saved->key, &statement->key))
			return saved->plan;
	}

	plan = prepare(program, statement, true);
	SPI_keepplan(plan);
	old = MemoryContextSwitchTo(program->context);
	saved = palloc(sizeof(SavedPlan));
	saved->key = statement->key;
	saved->plan = plan;
	program->plans = lappend(program->plans, saved);
	MemoryContextSwitchTo(old);
	return plan;
}

static ParamListInfo
statement_params(const Statement *statement)
{
	ParamListInfo params;

	if (statement->nparams == 0)
		return NULL;
	params = makeParamList(statement->nparams);
	for (int i = 0; i < statement->nparams; i++)
	{
		params->params[i].value = statement->values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = statement->types[i];
	}
	return params;
}

void
program_execute(DeltaProgram *program, const Statement *statement,
				RowCallback callback, void *arg)
{
	bool		tiny = is_tiny(statement);
	SPIPlanPtr	plan = tiny ? saved_plan(program, statement) :
		prepare(program, statement, false);
	RowReceiver receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receive_startup,
			.rShutdown = receive_nothing,
			.rDestroy = receive_nothing,
			.mydest = DestNone
		},
		.statement = statement,
		.callback = callback,
		.arg = arg
	};
	SPIExecuteOptions options = {0};
	int			rc;

	/* read_only: every statement runs under the refresh's snapshot */
	options.read_only = true;
	options.params = statement_params(statement);
	options.dest = &receiver.pub;
	rc = SPI_execute_plan_extended(plan, &options);
	if (rc < 0)
		elog(ERROR, "could not run a statement of a refresh: %s",
			 SPI_result_code_string(rc));
	if (!tiny)
		SPI_freeplan(plan);
}
