/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  The statements of a refresh for which every source has changed.
 *
 * The order is that of poll.c, parts.c, stages.c and op_slice.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "delta/explain.h"
#include "utils/lsyscache.h"

typedef struct StatementList
{
	const DeltaProgram *program;
	int			stage;			/* by which the statements are listed */
	List	   *statements;		/* of ExplainedStatement */
} StatementList;

static void
add_statement(StatementList *list, const char *step, StatementKey key)
{
	ExplainedStatement *statement = palloc0(sizeof(ExplainedStatement));
	StringInfoData sql;

	initStringInfo(&sql);
	program_statement_sql(list->program, &key, &sql);
	statement->stage = list->stage;
	statement->step = step;
	statement->sql = sql.data;
	list->statements = lappend(list->statements, statement);
}

static void
add_sum(StatementList *list, const Stage *stage)
{
	add_statement(list, "delta", (StatementKey) {
		.kind = PLAN_DELTA,
		.stage = stage->number,
		.mask = stage_reads(list->program, stage)
	});
}

/* Is the input the same as one before it? */
static bool
is_repeated(const Stage *stage, int input)
{
	for (int i = 0; i < input; i++)
		if (stage_input_at(stage, i)->stage == stage_input_at(stage, input)->stage)
			return true;
	return false;
}

static char *
input_step(const Stage *stage, int i, const char *what)
{
	return psprintf("%s of input %d (stage %d)", what, i + 1,
					stage_input_at(stage, i)->stage->number);
}

/* Every input of the stage has changed. */
static uint64
all_inputs(const Stage *stage)
{
	int			ninputs = list_length(stage->inputs);

	return ninputs >= 64 ? PG_UINT64_MAX : (UINT64CONST(1) << ninputs) - 1;
}

static void
add_keys(StatementList *list, const Stage *stage, uint64 changed)
{
	if (slice_keys(stage, changed) != NIL)
		add_statement(list, "values by which changes are looked up", (StatementKey) {
			.kind = PLAN_SLICE_KEYS,
			.stage = stage->number,
			.mask = changed
		});
}

static void
add_partition(StatementList *list, const Stage *stage, uint64 changed)
{
	StatementKey key = {.kind = PLAN_SLICE_INPUT, .stage = stage->number};

	add_keys(list, stage, changed);
	for (key.step = 0; key.step < list_length(stage->inputs); key.step++)
		if (!is_repeated(stage, key.step))
			add_statement(list, input_step(stage, key.step, "slice"), key);
}

/* "input 2", or "inputs 2, 3" */
static char *
touching_inputs(const Stage *stage, uint64 changed, int first)
{
	StringInfoData numbers;
	bool		several = false;

	initStringInfo(&numbers);
	appendStringInfo(&numbers, "%d", first + 1);
	for (int i = first + 1; i < list_length(stage->inputs); i++)
		if (slice_touched_as(stage, changed, i) == first)
		{
			appendStringInfo(&numbers, ", %d", i + 1);
			several = true;
		}
	return psprintf("input%s %s", several ? "s" : "", numbers.data);
}

/* Rows of the first input that changes touch. */
static void
add_left(StatementList *list, const Stage *stage, uint64 changed)
{
	StatementKey key = {.stage = stage->number, .mask = changed};

	if (slice_is_whole(stage, changed))
	{
		key.kind = PLAN_SLICE_LEFT;
		add_statement(list, input_step(stage, 0, "all"), key);
		return;
	}
	add_keys(list, stage, changed);
	key.kind = PLAN_SLICE_LEFT;
	for (key.step = 1; key.step < list_length(stage->inputs); key.step++)
		if (slice_touched_as(stage, changed, key.step) == key.step)
			add_statement(list, psprintf("rows of input 1 that changes of %s touch",
										 touching_inputs(stage, changed, key.step)), key);
	key.kind = PLAN_SLICE_OUTSIDE;
	key.step = 0;
	add_statement(list, "rows that came to input 1 beside those", key);
}

static void
add_linear(StatementList *list, const Stage *stage, uint64 changed)
{
	StatementKey key = {.stage = stage->number, .mask = changed};

	add_left(list, stage, changed);
	for (key.step = 1; key.step < list_length(stage->inputs); key.step++)
	{
		if (is_repeated(stage, key.step))
			continue;
		key.kind = PLAN_SLICE_INPUT;
		add_statement(list, input_step(stage, key.step, "slice"), key);
		key.kind = PLAN_SLICE_INPUT_DELTA;
		add_statement(list, input_step(stage, key.step, "changes"), key);
	}
}

static void
add_slice(StatementList *list, const Stage *stage)
{
	uint64		changed = all_inputs(stage);

	if (stage->rule == STAGE_PARTITION)
		add_partition(list, stage, changed);
	else
		add_linear(list, stage, changed);
	add_statement(list, "result over the slices, before and after", (StatementKey) {
		.kind = PLAN_SLICE_RESULT,
		.stage = stage->number,
		.mask = stage->rule == STAGE_PARTITION ? 0 : changed
	});
}

static void
add_recursion(StatementList *list, const Stage *stage)
{
	StatementKey key = {.kind = PLAN_RECURSION_WHOLE, .stage = stage->number};

	if (stage->whole)
	{
		add_statement(list, "result now, and what is stored", key);
		return;
	}
	key.kind = PLAN_RECURSION_SEEDS;
	key.mask = recursion_reads(list->program, stage);
	add_statement(list, "changes of the inputs, by the round they enter", key);
	key.kind = PLAN_RECURSION_STEP;
	key.mask = INPUT_BIT(stage_input_index(list->program, stage->working));
	add_statement(list, "what a round changes in the next", key);
}

/* Is there state that a change may leave no other way to know? */
static bool
may_recompute(const DeltaProgram *program)
{
	for (int i = 0; i < program->nstates; i++)
		switch (program->states[i].kind)
		{
			case STATE_ROWS:
			case STATE_NONNULL:
			case STATE_TRUE:
			case STATE_SCALES:
				break;
			case STATE_SUM:
				if (program->states[i].type != INT8OID)
					return true;
				break;
			case STATE_MIN:
			case STATE_MAX:
			case STATE_VALUE:
				return true;
		}
	return program->fresh_keys != 0 || program->tree->having != NULL;
}

/* A stage that is computed only now. */
static void
add_reevaluated(StatementList *list, const Stage *stage)
{
	if (stage->nkeys == 0)
	{
		add_statement(list, "result now", (StatementKey) {.kind = PLAN_REEVALUATE});
		return;
	}
	add_keys(list, stage, all_inputs(stage));
	add_statement(list, "result now, and what is stored", (StatementKey) {
		.kind = PLAN_SLICE_TOUCHED,
		.stage = stage->number
	});
}

static void
add_top(StatementList *list)
{
	const DeltaProgram *program = list->program;
	const Stage *reevaluated = tree_reevaluated(program->tree);

	if (reevaluated != NULL)
	{
		add_reevaluated(list, reevaluated);
		return;
	}
	add_statement(list, "delta", (StatementKey) {
		.kind = PLAN_DELTA,
		.mask = branches_inputs(program, program->tree->branches)
	});
	if (program->tree->aggregated && may_recompute(program))
		add_statement(list, "groups to be computed afresh",
					  (StatementKey) {.kind = PLAN_RECOMPUTE});
}

/* number: under which the top is listed */
static void
add_program(StatementList *list, const DeltaProgram *program, int number)
{
	ListCell   *lc;

	list->program = program;
	foreach(lc, program->tree->stages)
	{
		const Stage *stage = lfirst(lc);

		list->stage = stage->number;
		if (stage == tree_reevaluated(program->tree))
			continue;
		if (stage->rule == STAGE_SUM)
			add_sum(list, stage);
		else if (stage->rule == STAGE_RECURSION)
			add_recursion(list, stage);
		else if (stage->rule != STAGE_WORKING)
			add_slice(list, stage);
	}
	list->stage = number;
	add_top(list);
}

static void
add_poll(StatementList *list, const DeltaProgram *copy, int number)
{
	list->program = copy;
	list->stage = number;
	add_statement(list, "rows to be compared with the copy",
				  (StatementKey) {.kind = PLAN_FULL});
}

List *
program_statements(DeltaProgram *program, Oid relid)
{
	StatementList list = {.program = program};
	Oid			namespace = get_namespace_oid(PGT_DEFS_SCHEMA, false);
	ListCell   *ls,
			   *lp;

	program->relid = relid;
	foreach(lp, program->parts)
	{
		DeltaProgram *part = lfirst(lp);

		part->relid = get_relname_relid(part->table, namespace);
	}

	if (program->reason != NULL)
	{
		add_statement(&list, "whole result", (StatementKey) {.kind = PLAN_FULL});
		return list.statements;
	}
	forboth(ls, program->stored, lp, program->parts)
	{
		const Stage *stage = lfirst(ls);

		if (OidIsValid(stage->polled))
			add_poll(&list, lfirst(lp), stage->number);
		else
			add_program(&list, lfirst(lp), stage->number);
	}
	add_program(&list, program, 0);
	return list.statements;
}
