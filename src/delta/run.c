/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Prepare, keep and run the statements of a compiled query.
 *
 * Deltas enter SQL as ephemeral named relations.  A kept plan survives the
 * session of SPI in which it was prepared: the relations are registered anew
 * each time under the same names and descriptors.  The number of rows that the
 * planner sees is fixed at preparation, so small deltas share one plan made
 * for ten rows, and large ones have plans by their orders of magnitude.  What
 * has parameters is planned with their values when they are many.
 *
 * Likewise arrays: a small one is a parameter of a kept plan, a large one is
 * planned with, as a constant, because only then the executor hashes it.  That
 * costs the more, the larger it is, so what can read a relation instead does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "delta/delta.h"
#include "port/pg_bitutils.h"
#include "tcop/dest.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"

#define TINY_ROWS 10
#define TINY_PAGE_COST "0.1"

/* Plans for large deltas that one query keeps. */
#define MAX_LARGE_PLANS 64
/* Comparisons of rows with the elements of an array that cost less than to plan. */
#define TINY_COMPARISONS 20000

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

bool
is_bulk(int64 rows)
{
	if (pgt_debug_plan == DEBUG_PLAN_TINY)
		return false;
	return pgt_debug_plan == DEBUG_PLAN_BULK || rows > BULK_ROWS;
}

bool
is_tiny(const Statement *statement)
{
	if (statement->key.kind == PLAN_FULL || statement->bulk ||
		is_bulk(statement->rows))
		return false;
	return statement->elements * Max(statement->rows, 1) <= TINY_COMPARISONS ||
		pgt_debug_plan == DEBUG_PLAN_TINY;
}

/* Relations that statements can name now, with the rows they really have. */
typedef struct Registered
{
	EphemeralNamedRelation enr;
	int64		nrows;
	const RelationOrigin *origin;
} Registered;

/*
 * They live as long as a run; whoever begins to use statements forgets those
 * of the last one first.
 */
static List *registered = NIL;

/* Does a statement run that is planned for what there is? */
static bool running_large = false;

void
program_register_none(void)
{
	registered = NIL;
}

void
program_register(const char *name, TupleDesc desc, Tuplestorestate *rows,
				 int64 nrows, const RelationOrigin *origin)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	Registered *r = palloc(sizeof(Registered));
	int			rc;

	enr->md.name = pstrdup(name);
	enr->md.reliddesc = InvalidOid;
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = TINY_ROWS;
	enr->reldata = rows;
	r->enr = enr;
	r->nrows = nrows;
	r->origin = origin;
	registered = lappend(registered, r);
	rc = SPI_register_relation(enr);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register relation \"%s\": %s", name,
			 SPI_result_code_string(rc));
}

void
program_unregister(const char *name)
{
	ListCell   *lc;

	(void) SPI_unregister_relation(name);
	foreach(lc, registered)
		if (strcmp(((Registered *) lfirst(lc))->enr->md.name, name) == 0)
			registered = foreach_delete_current(registered, lc);
}

RelationOrigin *
input_origin(const DeltaProgram *program, int input)
{
	RelationOrigin *origin = palloc0(sizeof(RelationOrigin));

	origin->program = program;
	origin->input = input;
	return origin;
}

const RelationOrigin *
program_relation_origin(const char *name)
{
	ListCell   *lc;

	if (!running_large)
		return NULL;
	foreach(lc, registered)
		if (strcmp(((Registered *) lfirst(lc))->enr->md.name, name) == 0)
			return ((Registered *) lfirst(lc))->origin;
	return NULL;
}

/* The planner sees few rows in each, or what there is. */
static void
show_row_counts(bool tiny)
{
	ListCell   *lc;

	foreach(lc, registered)
	{
		Registered *r = lfirst(lc);

		r->enr->md.enrtuples = tiny ? TINY_ROWS : r->nrows;
	}
}

void
delta_sql(const DeltaProgram *program, List *branches, const StatementKey *key,
		  StringInfo out)
{
	if (key->order != 0)
		join_steps_sql(program, branches, key, out);
	else
		branches_delta_sql(program, branches, key->mask, out);
}

static List *
statement_branches(const DeltaProgram *program, const StatementKey *key)
{
	return key->stage == 0 ? program->tree->branches :
		program_stage(program, key->stage)->branches;
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
			if (key->stage == 0 && program->tree->aggregated)
				aggregate_delta_sql(program, key, out);
			else
				delta_sql(program, statement_branches(program, key), key, out);
			break;
		case PLAN_JOIN_NARROW:
		case PLAN_JOIN_CHANGES:
		case PLAN_JOIN_STEP:
			join_steps_sql(program, statement_branches(program, key), key, out);
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
		case PLAN_RECURSION_SEEDS:
		case PLAN_RECURSION_STEP:
		case PLAN_RECURSION_WHOLE:
			recursion_sql(program, key, out);
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
	show_row_counts(tiny);
	plan = SPI_prepare_cursor(sql.data, statement->nparams, statement->types,
							  tiny ? CURSOR_OPT_GENERIC_PLAN : CURSOR_OPT_CUSTOM_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql.data,
			 SPI_result_code_string(SPI_result));
	pfree(sql.data);
	return plan;
}

/*
 * Plan for a small delta, now rather than at the first run, as if every page
 * were in memory: what a small delta meets has been written just now, or is the
 * upper part of an index.  At the usual costs the planner would rather read a
 * table that is not large, or what a filter leaves of it, than look some of its
 * rows up; and the cost of a refresh would grow with that table.
 */
static void
plan_lookups(SPIPlanPtr plan)
{
	static const char *const costs[] = {"seq_page_cost", "random_page_cost"};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(costs); i++)
		(void) set_config_option(costs[i], TINY_PAGE_COST, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	ReleaseCachedPlan(SPI_plan_get_cached_plan(plan), CurrentResourceOwner);
	AtEOXact_GUC(false, level);
}

uint64
sizes_add(uint64 sizes, int position, int64 rows)
{
	int			shift = 4 * (position % 16);
	uint64		size = rows > 0 ? 1 + Min(14, pg_leftmost_one_pos64(rows) / 2) : 1;
	uint64		old = (sizes >> shift) & 15;

	return (sizes & ~(UINT64CONST(15) << shift)) | Max(size, old) << shift;
}

/* None differs by much more than the step from one size to the next. */
static bool
sizes_are_close(uint64 a, uint64 b)
{
	for (; a != 0 || b != 0; a >>= 4, b >>= 4)
		if (((a & 15) == 0) != ((b & 15) == 0) || abs((int) (a & 15) - (int) (b & 15)) > 1)
			return false;
	return true;
}

static bool
same_key(const StatementKey *a, const StatementKey *b)
{
	return a->kind == b->kind && a->stage == b->stage && a->step == b->step &&
		a->mask == b->mask && a->nulls == b->nulls && a->values == b->values &&
		a->order == b->order &&
		sizes_are_close(a->sizes, b->sizes);
}

/* Large deltas come in many sizes: of their plans only the last are kept. */
static void
forget_large_plan(DeltaProgram *program)
{
	int			nlarge = 0;
	ListCell   *lc;

	foreach(lc, program->plans)
		nlarge += ((SavedPlan *) lfirst(lc))->key.sizes != 0;
	if (nlarge < MAX_LARGE_PLANS)
		return;
	foreach(lc, program->plans)
	{
		SavedPlan  *saved = lfirst(lc);

		if (saved->key.sizes == 0)
			continue;
		SPI_freeplan(saved->plan);
		program->plans = list_delete_cell(program->plans, lc);
		pfree(saved);
		return;
	}
}

static SPIPlanPtr
saved_plan(DeltaProgram *program, const Statement *statement, bool tiny)
{
	StatementKey key = statement->key;
	ListCell   *lc;
	MemoryContext old;
	SavedPlan  *saved;
	SPIPlanPtr	plan;

	if (!tiny)
		key.sizes = statement->sizes;
	foreach(lc, program->plans)
	{
		saved = lfirst(lc);
		if (same_key(&saved->key, &key))
			return saved->plan;
	}

	plan = prepare(program, statement, tiny);
	SPI_keepplan(plan);
	if (tiny)
		plan_lookups(plan);
	else
		forget_large_plan(program);
	old = MemoryContextSwitchTo(program->context);
	saved = palloc(sizeof(SavedPlan));
	saved->key = key;
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
	bool		keep = tiny || statement->sizes != 0;
	SPIPlanPtr	plan = keep ? saved_plan(program, statement, tiny) :
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
	bool		outer = running_large;
	int			rc;

	/* read_only: every statement runs under the refresh's snapshot */
	options.read_only = true;
	options.params = statement_params(statement);
	options.dest = &receiver.pub;
	running_large = !tiny;
	PG_TRY();
	{
		rc = SPI_execute_plan_extended(plan, &options);
	}
	PG_FINALLY();
	{
		running_large = outer;
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "could not run a statement of a refresh: %s",
			 SPI_result_code_string(rc));
	if (!keep)
		SPI_freeplan(plan);
}
