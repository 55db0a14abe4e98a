/*-------------------------------------------------------------------------
 *
 * op_agg.c
 *	  Delta rule for GROUP BY, aggregates without GROUP BY, and DISTINCT:
 *	  which state a group keeps, and the SQL that yields its change.
 *
 * A group g keeps the number of its rows n(g) and, for each distinct argument
 * x that needs it,
 *
 *		nonnull(g, x)	rows whose x is not NULL		d = sum of w over them
 *		true(g, x)		rows whose x is true			d = sum of w over them
 *		sum(g, x)		sum of x						d = sum of x * w
 *		min(g, x), max(g, x)
 *
 * Counts and sums are linear in the weights, so d is their exact change for
 * any delta of the core, netted or not.  For min and max the delta yields the
 * least x among rows that came and among rows that went; agg_merge.c says when
 * they decide.  A group with n = 0 is gone, except that an aggregate without
 * GROUP BY always has its one row.
 *
 * The values of the query follow from the state:
 *
 *		count(*) = n		count(x) = nonnull
 *		sum(x)   = sum if nonnull > 0, else NULL
 *		avg(x)   = sum / nonnull, by the division that avg() itself uses
 *		bool_and(x) = (true = nonnull), bool_or(x) = (true > 0), or NULL if
 *		nonnull = 0
 *
 * Every other aggregate is its own state.  It has no change: its groups are
 * computed afresh when the delta names them, which it does whenever a row of
 * theirs comes, goes or changes.
 *
 * Where the values of a numeric argument may differ in their decimal places,
 * the sum has a companion that counts them, see scale_units.c.
 *
 * An interval cannot be multiplied by a weight exactly (it goes through
 * floating point), so its sums add rows of weight 1 and subtract rows of
 * weight -1, and the windows are asked for unit weights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static int
add_state(DeltaProgram *program, StateKind kind, int arg, Oid type,
		  int32 typmod, Oid collation, const AggregateCall *call)
{
	StateColumn *state;

	for (int i = 0; i < program->nstates; i++)
	{
		state = &program->states[i];
		if (state->kind == kind && state->arg == arg &&
			(kind != STATE_VALUE || state->call == call))
			return i;
	}
	state = &program->states[program->nstates];
	memset(state, 0, sizeof(StateColumn));
	state->kind = kind;
	state->arg = arg;
	state->type = type;
	state->typmod = typmod;
	state->collation = collation;
	state->call = call;
	state->scales = -1;
	return program->nstates++;
}

static Oid
sum_type(Oid argtype)
{
	switch (argtype)
	{
		case INT2OID:
		case INT4OID:
			return INT8OID;
		case INT8OID:
			return NUMERICOID;
		default:
			return argtype;
	}
}

static int
add_int8_state(DeltaProgram *program, StateKind kind, int arg)
{
	return add_state(program, kind, arg, INT8OID, -1, InvalidOid, NULL);
}

/* Do the values of a core column all have the same number of decimal places? */
static bool
scale_is_fixed(const DeltaProgram *program, int arg)
{
	int			common = -1;
	ListCell   *lc;

	foreach(lc, program->tree->branches)
	{
		int			scale = expression_scale(list_nth(((Branch *) lfirst(lc))->targets, arg - 1));

		if (scale < 0 || (common >= 0 && scale != common))
			return false;
		common = scale;
	}
	return true;
}

static int
add_sum_state(DeltaProgram *program, const AggregateCall *call)
{
	int			sum = add_state(program, STATE_SUM, call->arg,
								sum_type(call->argtype), -1, InvalidOid, NULL);

	if (call->argtype == NUMERICOID && !scale_is_fixed(program, call->arg))
		program->states[sum].scales = add_state(program, STATE_SCALES, call->arg,
												NUMERICOID, -1, InvalidOid, NULL);
	return sum;
}

/* The states that a call needs, in the order agg_merge.c expects. */
static int *
plan_call(DeltaProgram *program, const AggregateCall *call)
{
	int		   *states = palloc0(sizeof(int) * 2);

	switch (call->kind)
	{
		case AGGREGATE_COUNT:
			if (call->arg != 0)
				states[0] = add_int8_state(program, STATE_NONNULL, call->arg);
			break;
		case AGGREGATE_SUM:
		case AGGREGATE_AVG:
			states[0] = add_sum_state(program, call);
			states[1] = add_int8_state(program, STATE_NONNULL, call->arg);
			if (call->argtype == INTERVALOID)
				program->unit_weights = true;
			break;
		case AGGREGATE_MIN:
		case AGGREGATE_MAX:
			states[0] = add_state(program,
								  call->kind == AGGREGATE_MIN ? STATE_MIN : STATE_MAX,
								  call->arg, call->resulttype,
								  call->resulttypmod, call->resultcollid, call);
			break;
		case AGGREGATE_BOOL_AND:
		case AGGREGATE_BOOL_OR:
			states[0] = add_int8_state(program, STATE_TRUE, call->arg);
			states[1] = add_int8_state(program, STATE_NONNULL, call->arg);
			break;
		case AGGREGATE_RECOMPUTE:
			states[0] = add_state(program, STATE_VALUE, 0,
								  call->resulttype, call->resulttypmod,
								  call->resultcollid, call);
			break;
	}
	return states;
}

void
aggregate_plan_states(DeltaProgram *program)
{
	int			ncalls = list_length(program->tree->calls);
	int			i = 0;
	ListCell   *lc;

	program->states = palloc0(sizeof(StateColumn) * (3 * ncalls + 1));
	program->call_states = palloc0(sizeof(int *) * (ncalls + 1));
	(void) add_int8_state(program, STATE_ROWS, 0);
	foreach(lc, program->tree->calls)
		program->call_states[i++] = plan_call(program, lfirst(lc));
}

static void
append_keys(int nkeys, StringInfo out)
{
	for (int key = 1; key <= nkeys; key++)
		appendStringInfo(out, "c%d, ", key);
}

/*
 * IS NOT NULL asks of a row value whether any of its fields is NULL, which is
 * not what count() asks.
 */
static const char *
nonnull_test(const DeltaProgram *program, int arg)
{
	Branch	   *branch = linitial(program->tree->branches);
	Node	   *expr = list_nth(branch->targets, arg - 1);

	return type_is_rowtype(exprType(expr)) ?
		psprintf("num_nulls(c%d) = 0", arg) : psprintf("c%d IS NOT NULL", arg);
}

static void
append_state_delta(const DeltaProgram *program, const StateColumn *state,
				   StringInfo out)
{
	int			x = state->arg;

	switch (state->kind)
	{
		case STATE_ROWS:
			appendStringInfoString(out, "sum(w)");
			break;
		case STATE_NONNULL:
			appendStringInfo(out, ", coalesce(sum(w) FILTER (WHERE %s), 0)",
							 nonnull_test(program, x));
			break;
		case STATE_TRUE:
			appendStringInfo(out, ", coalesce(sum(w) FILTER (WHERE c%d), 0)", x);
			break;
		case STATE_SUM:
			if (state->type == INTERVALOID)
				appendStringInfo(out,
								 ", sum(c%d) FILTER (WHERE w > 0 AND isfinite(c%d))"
								 ", sum(c%d) FILTER (WHERE w < 0 AND isfinite(c%d))"
								 ", count(*) FILTER (WHERE NOT isfinite(c%d))",
								 x, x, x, x, x);
			else if (state->type == INT8OID)
				appendStringInfo(out, ", sum(c%d::int8 * w)::int8", x);
			else if (state->type == NUMERICOID)
				appendStringInfo(out, ", sum(c%d::numeric * w)", x);
			else
				appendStringInfo(out, ", sum(c%d * w)", x);
			break;
		case STATE_SCALES:
			appendStringInfo(out, ", sum(pgtrickle.scale_unit(c%d) * w)", x);
			break;
		case STATE_MIN:
			appendStringInfo(out, ", min(c%d) FILTER (WHERE w > 0), min(c%d) FILTER (WHERE w < 0)", x, x);
			break;
		case STATE_MAX:
			appendStringInfo(out, ", max(c%d) FILTER (WHERE w > 0), max(c%d) FILTER (WHERE w < 0)", x, x);
			break;
		case STATE_VALUE:
			break;
	}
}

static void
append_group_by(int first, int nkeys, StringInfo out)
{
	const char *separator = "\n GROUP BY ";

	for (int column = first; column <= nkeys; column++)
	{
		appendStringInfo(out, "%s%d", separator, column);
		separator = ", ";
	}
}

/* keys, change of n, changes of the other states */
void
aggregate_delta_sql(const DeltaProgram *program, const StatementKey *key,
					StringInfo out)
{
	int			nkeys = program->tree->nkeys;

	appendStringInfoString(out, "SELECT ");
	append_keys(nkeys, out);
	for (int i = 0; i < program->nstates; i++)
		append_state_delta(program, &program->states[i], out);
	appendStringInfoString(out, "\n FROM (");
	delta_sql(program, program->tree->branches, key, out);
	appendStringInfoString(out, ") d");
	append_group_by(1, nkeys, out);
}

static void
append_state(const StateColumn *state, List *context, StringInfo out)
{
	int			x = state->arg;

	switch (state->kind)
	{
		case STATE_ROWS:
			appendStringInfoString(out, "count(*)");
			break;
		case STATE_NONNULL:
			appendStringInfo(out, ", count(c%d)", x);
			break;
		case STATE_TRUE:
			appendStringInfo(out, ", count(*) FILTER (WHERE c%d)", x);
			break;
		case STATE_SUM:
			appendStringInfo(out, ", sum(c%d)", x);
			break;
		case STATE_SCALES:
			appendStringInfo(out, ", sum(pgtrickle.scale_unit(c%d))", x);
			break;
		case STATE_MIN:
			appendStringInfo(out, ", min(c%d)", x);
			break;
		case STATE_MAX:
			appendStringInfo(out, ", max(c%d)", x);
			break;
		case STATE_VALUE:
			appendStringInfo(out, ", %s",
							 sqlgen_expr((Node *) state->call->over, context));
			break;
	}
}

/* [ord,] keys, n, the other states */
void
aggregate_state_sql(const DeltaProgram *program, bool restricted,
					uint64 null_keys, StringInfo out)
{
	int			nkeys = program->tree->nkeys;
	const Branch *branch = linitial(program->tree->branches);
	List	   *context = sqlgen_relation_context("d", list_length(branch->targets));

	appendStringInfo(out, "SELECT %s", restricted ? "ord, " : "");
	append_keys(nkeys, out);
	for (int i = 0; i < program->nstates; i++)
		append_state(&program->states[i], context, out);
	appendStringInfoString(out, "\n FROM (");
	core_state_sql(program, restricted, null_keys, out);
	appendStringInfoString(out, ") d");
	append_group_by(1, nkeys + (restricted ? 1 : 0), out);
}
