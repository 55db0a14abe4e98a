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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "delta/delta.h"
#include "tcop/dest.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"

#define TINY_ROWS 10

typedef struct RowReceiver
{
	DestReceiver pub;
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

static void
receive_startup(DestReceiver *self, int operation, TupleDesc desc)
{
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
plan_sql(const DeltaProgram *program, PlanKind kind, uint64 mask,
		 StringInfo out)
{
	switch (kind)
	{
		case PLAN_DELTA:
			program_delta_sql(program, mask, out);
			break;
		case PLAN_RECOMPUTE:
			aggregate_state_sql(program, program->tree->nkeys > 0, mask, out);
			break;
		case PLAN_FULL:
			if (program->reason == NULL && program->tree->aggregated)
				aggregate_state_sql(program, false, 0, out);
			else
				appendStringInfo(out, "SELECT * FROM %s",
								 sqlgen_relation(program->defview));
			break;
	}
}

void
program_delta_sql(const DeltaProgram *program, SourceMask changed,
				  StringInfo out)
{
	if (program->tree->aggregated)
		aggregate_delta_sql(program, changed, out);
	else
		core_delta_sql(program, changed, out);
}

/*
 * A whole result is stored in the order of its key, and many changes of groups
 * come in that order: so they visit each page of index and table once.
 */
static void
append_key_order(const DeltaProgram *program, PlanKind kind, StringInfo out)
{
	bool		aggregated = program->reason == NULL && program->tree->aggregated;
	const char *separator = "\n ORDER BY ";

	if (program->identity.kind != IDENTITY_KEY ||
		(kind == PLAN_DELTA && !aggregated))
		return;
	for (int key = 0; key < program->identity.nkeys; key++)
	{
		appendStringInfo(out, "%s%d", separator,
						 aggregated ? key + 1 : program->identity.keys[key]);
		separator = ", ";
	}
}

static SPIPlanPtr
prepare(DeltaProgram *program, PlanKind kind, uint64 mask, bool bulk)
{
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	plan_sql(program, kind, mask, &sql);
	if (kind == PLAN_FULL || (kind == PLAN_DELTA && bulk))
		append_key_order(program, kind, &sql);
	plan = SPI_prepare(sql.data, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql.data,
			 SPI_result_code_string(SPI_result));
	pfree(sql.data);
	return plan;
}

static SPIPlanPtr
saved_plan(DeltaProgram *program, PlanKind kind, uint64 mask)
{
	ListCell   *lc;
	MemoryContext old;
	SavedPlan  *saved;
	SPIPlanPtr	plan;

	foreach(lc, program->plans)
	{
		saved = lfirst(lc);
		if (saved->kind == kind && saved->mask == mask)
			return saved->plan;
	}

	plan = prepare(program, kind, mask, false);
	SPI_keepplan(plan);
	old = MemoryContextSwitchTo(program->context);
	saved = palloc(sizeof(SavedPlan));
	saved->kind = kind;
	saved->mask = mask;
	saved->plan = plan;
	program->plans = lappend(program->plans, saved);
	MemoryContextSwitchTo(old);
	return plan;
}

void
program_execute(DeltaProgram *program, PlanKind kind, uint64 mask, int64 rows,
				RowCallback callback, void *arg)
{
	bool		keep = kind != PLAN_FULL && !is_bulk(rows);
	SPIPlanPtr	plan = keep ? saved_plan(program, kind, mask) :
		prepare(program, kind, mask, is_bulk(rows));
	RowReceiver receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receive_startup,
			.rShutdown = receive_nothing,
			.rDestroy = receive_nothing,
			.mydest = DestNone
		},
		.callback = callback,
		.arg = arg
	};
	SPIExecuteOptions options = {0};
	int			rc;

	/* read_only: every statement runs under the refresh's snapshot */
	options.read_only = true;
	options.dest = &receiver.pub;
	rc = SPI_execute_plan_extended(plan, &options);
	if (rc < 0)
		elog(ERROR, "could not run a statement of a refresh: %s",
			 SPI_result_code_string(rc));
	if (!keep)
		SPI_freeplan(plan);
}
