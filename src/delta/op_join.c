/*-------------------------------------------------------------------------
 *
 * op_join.c
 *	  Delta rule for a sum of select-project-join branches.
 *
 * For a branch J = pi sigma (R_1 x ... x R_n), let C be the set of its factors
 * whose input has changed.  R_i is the state now, dR_i what changed, so the
 * state before was R_i - dR_i.  Since the product is linear in each factor,
 *
 *	dJ = J(R) - J(R - dR)
 *	   = sum over nonempty T of C of
 *			(-1)^(|T| + 1) pi sigma (x_{i in T} dR_i  x  x_{j not in T} R_j)
 *
 * by multiplying out J(R - dR): the term of T has the sign (-1)^|T|, and the
 * empty T gives J(R) itself.  Only new states and deltas are read, and a row
 * of a term weighs the sign times the product of its deltas' weights.  The
 * rule is exact for any mix of inserts and deletes, for self-joins (each
 * reference is a factor of its own), cross joins, any predicate, duplicates, and
 * functions of other factors, which have no delta.
 *
 * There are 2^|C| - 1 terms.  From six changed factors on, the telescoped sum
 * takes over, which has |C| terms but reads old states, and no index serves
 * an old state; the terms with several deltas, though many, are small:
 *
 *	dJ = sum over i in C of
 *			pi sigma (x_{j < i} R_j  x  dR_i  x  x_{j > i} (R_j - dR_j))
 *
 * After a large change join_steps.c computes the same in steps.
 *
 * Single terms hold pairs of rows that never existed together; they cancel in
 * the sum only.  So nobody may look at a term's rows before all terms are in,
 * and an expression may fail on such a pair although the query never would.
 * If one does, the program is changed to one in which that cannot happen, see
 * analyze/net_first.c.
 *
 * A branch that uses the clock has terms for that before these, which are then
 * taken at the instant of the last refresh: see op_clock.c.
 *
 * Reads:  the deltas, the tables, and what stages hold, all at the refresh's
 *		   snapshot.
 * Locks:  none; the refresh holds AccessShareLock on every source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#define MAX_INCLUSION_EXCLUSION 5

typedef enum FactorState
{
	FACTOR_NEW,					/* the relation now */
	FACTOR_DELTA,				/* what changed */
	FACTOR_OLD					/* the relation without what changed */
} FactorState;

int
program_source_index(const DeltaProgram *program, Oid relid)
{
	int			i = 0;
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		if (((ProgramSource *) lfirst(lc))->relid == relid)
			return i;
		i++;
	}
	elog(ERROR, "relation %u is no source of the query", relid);
}

int
factor_input(const DeltaProgram *program, const Factor *factor)
{
	if (factor->stage != NULL)
		return stage_input_index(program, factor->stage);
	if (factor->function != NULL)
		return -1;
	return program_source_index(program, factor->relid);
}

SourceMask
branches_inputs(const DeltaProgram *program, List *branches)
{
	SourceMask	mask = 0;
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			int			input = factor_input(program, lfirst(lf));

			if (input >= 0)
				mask |= INPUT_BIT(input);
		}
	foreach(lb, branches)
		if (((Branch *) lfirst(lb))->uses_clock)
			mask |= CLOCK_BIT;
	return mask;
}

/* A branch while its terms are printed. */
typedef struct TermContext
{
	const Branch *branch;
	List	   *expressions;	/* to print expressions of the branch */
	List	   *equalities;
	const char *const *deltas;	/* per factor, the relation of its delta, or NULL */
} TermContext;

static void
append_old_stage(const Stage *stage, const char *delta, int scan,
				 List *restrictions, StringInfo out)
{
	int			ncolumns = list_length(stage->columns);

	appendStringInfoString(out, "(SELECT 1 AS w");
	sqlgen_columns(out, ncolumns, ", ");
	appendStringInfoString(out, " FROM (");
	stage_state_sql(stage, restrictions, out);
	appendStringInfoString(out, ") q UNION ALL SELECT -w");
	sqlgen_columns(out, ncolumns, ", ");
	appendStringInfo(out, " FROM %s) s%d", delta, scan);
}

static void
append_factor(const TermContext *term, int scan, const FactorState *states,
			  StringInfo out)
{
	const Branch *branch = term->branch;
	const Factor *factor = list_nth(branch->factors, scan - 1);
	const char *delta = term->deltas[scan - 1];
	List	   *restrictions = NIL;

	if (states[scan - 1] == FACTOR_DELTA)
	{
		appendStringInfo(out, "%s s%d", delta, scan);
		return;
	}
	if (factor->stage != NULL)
	{
		int			nfactors = list_length(branch->factors);
		const char **deltas = palloc0(sizeof(char *) * nfactors);

		for (int i = 0; i < nfactors; i++)
			if (states[i] == FACTOR_DELTA)
				deltas[i] = term->deltas[i];
		restrictions = term_restrictions(branch, term->equalities, deltas, scan);
	}
	if (states[scan - 1] == FACTOR_NEW)
		factor_state_sql(branch, scan, restrictions, out);
	else if (factor->stage != NULL)
		append_old_stage(factor->stage, delta, scan, restrictions, out);
	else
		sqlgen_old_table(out, factor->relid, sqlgen_used_columns(branch, scan),
						 delta, scan);
}

static void
append_targets(const Branch *branch, List *context, int skip, StringInfo out)
{
	int			column = 0;
	ListCell   *lc;

	foreach(lc, branch->targets)
	{
		if (++column <= skip)
			continue;
		appendStringInfo(out, "%s AS c%d, ", sqlgen_expr(lfirst(lc), context),
						 column);
	}
}

static void
append_quals(List *quals, List *context, const char *keyword, StringInfo out)
{
	ListCell   *lc;

	foreach(lc, quals)
	{
		appendStringInfo(out, "%s(%s)", keyword, sqlgen_expr(lfirst(lc), context));
		keyword = " AND ";
	}
}

static bool
is_all_new(const FactorState *states, int nfactors)
{
	for (int i = 0; i < nfactors; i++)
		if (states[i] != FACTOR_NEW)
			return false;
	return true;
}

/* One term: SELECT targets, weight FROM factors WHERE quals. */
static void
append_term(const TermContext *term, const FactorState *states, int sign,
			StringInfo out)
{
	int			nfactors = list_length(term->branch->factors);
	const char *times = "";

	if (out->len > 0)
		appendStringInfoString(out, "\n  UNION ALL ");
	appendStringInfoString(out, "SELECT ");
	append_targets(term->branch, term->expressions, 0, out);

	if (sign < 0)
		appendStringInfoString(out, "-");
	for (int scan = 1; scan <= nfactors; scan++)
	{
		if (states[scan - 1] == FACTOR_NEW)
			continue;
		appendStringInfo(out, "%ss%d.w", times, scan);
		times = " * ";
	}
	appendStringInfo(out, "%s AS w", is_all_new(states, nfactors) ? "1" : "");

	for (int scan = 1; scan <= nfactors; scan++)
	{
		appendStringInfoString(out, scan == 1 ? " FROM " : ", ");
		append_factor(term, scan, states, out);
	}
	append_quals(term->branch->quals, term->expressions, " WHERE ", out);
}

static void
append_inclusion_exclusion(const TermContext *term, const int *changed,
						   int nchanged, StringInfo out)
{
	int			nfactors = list_length(term->branch->factors);

	for (int subset = 1; subset < (1 << nchanged); subset++)
	{
		FactorState *states = palloc0(sizeof(FactorState) * nfactors);
		int			size = 0;

		for (int i = 0; i < nchanged; i++)
			if (subset & (1 << i))
			{
				states[changed[i]] = FACTOR_DELTA;
				size++;
			}
		append_term(term, states, size % 2 == 1 ? 1 : -1, out);
	}
}

static void
append_telescope(const TermContext *term, const int *changed, int nchanged,
				 StringInfo out)
{
	int			nfactors = list_length(term->branch->factors);

	for (int i = 0; i < nchanged; i++)
	{
		FactorState *states = palloc0(sizeof(FactorState) * nfactors);

		states[changed[i]] = FACTOR_DELTA;
		for (int j = i + 1; j < nchanged; j++)
			states[changed[j]] = FACTOR_OLD;
		append_term(term, states, 1, out);
	}
}

static TermContext
term_over(const Branch *branch, const char *const *deltas)
{
	TermContext term = {
		.branch = branch,
		.expressions = sqlgen_branch_context(branch, 0),
		.equalities = branch_equalities(branch),
		.deltas = deltas
	};

	return term;
}

void
branch_term_sql(const Branch *branch, const char *const *deltas, int sign,
				StringInfo out)
{
	int			nfactors = list_length(branch->factors);
	FactorState *states = palloc0(sizeof(FactorState) * (nfactors + 1));
	TermContext term = term_over(branch, deltas);

	for (int i = 0; i < nfactors; i++)
		if (deltas[i] != NULL)
			states[i] = FACTOR_DELTA;
	append_term(&term, states, sign, out);
}

static TermContext
term_context(const DeltaProgram *program, const Branch *branch, SourceMask changed)
{
	int			nfactors = list_length(branch->factors);
	const char **deltas = palloc0(sizeof(char *) * (nfactors + 1));

	for (int i = 0; i < nfactors; i++)
	{
		int			input = factor_input(program, list_nth(branch->factors, i));

		if (input >= 0 && (changed & INPUT_BIT(input)))
			deltas[i] = psprintf(SQLGEN_DELTA_NAME, input + 1);
	}
	return term_over(branch, deltas);
}

/* All other factors are as they are now; see op_clock.c. */
static void
append_clock_terms(const DeltaProgram *program, const Branch *branch,
				   StringInfo out)
{
	FactorState *states = palloc0(sizeof(FactorState) * (list_length(branch->factors) + 1));
	ListCell   *lc;

	foreach(lc, clock_terms(branch))
	{
		const ClockTerm *clock = lfirst(lc);
		TermContext term = term_context(program, clock->branch, 0);

		append_term(&term, states, clock->sign, out);
	}
}

static void
append_branch_delta(const DeltaProgram *program, const Branch *branch,
					SourceMask mask, StringInfo out)
{
	int			nfactors = list_length(branch->factors);
	int		   *changed = palloc(sizeof(int) * (nfactors + 1));
	int			nchanged = 0;
	TermContext term;

	if ((mask & CLOCK_BIT) && branch->uses_clock)
	{
		append_clock_terms(program, branch, out);
		branch = branch_before(branch);
	}
	term = term_context(program, branch, mask);
	for (int i = 0; i < nfactors; i++)
		if (term.deltas[i] != NULL)
			changed[nchanged++] = i;
	if (nchanged <= MAX_INCLUSION_EXCLUSION)
		append_inclusion_exclusion(&term, changed, nchanged, out);
	else
		append_telescope(&term, changed, nchanged, out);
}

void
branches_delta_sql(const DeltaProgram *program, List *branches,
				   SourceMask mask, StringInfo out)
{
	StringInfoData terms;
	ListCell   *lc;

	initStringInfo(&terms);
	foreach(lc, branches)
		append_branch_delta(program, lfirst(lc), mask, &terms);
	appendBinaryStringInfo(out, terms.data, terms.len);
}

/* key = a.c<k>, by the equality that groups it, or key IS NULL */
static Node *
key_condition(const DeltaProgram *program, const Branch *branch, int key,
			  bool is_null)
{
	Node	   *expr = list_nth(branch->targets, key);
	Var		   *affected;

	if (is_null)
	{
		NullTest   *test = makeNode(NullTest);

		test->arg = (Expr *) expr;
		test->nulltesttype = IS_NULL;
		test->argisrow = false;
		test->location = -1;
		return (Node *) test;
	}
	affected = makeVar(list_length(branch->factors) + 1, key + 2, exprType(expr),
					   exprTypmod(expr), exprCollation(expr), 0);
	return (Node *) make_opclause(program->identity.eqops[key], BOOLOID, false,
								  (Expr *) expr, (Expr *) affected, InvalidOid,
								  program->identity.collations[key]);
}

/*
 * The keys as the affected relation spells them, but those whose spelling is
 * determined.
 */
static void
append_affected_keys(const DeltaProgram *program, const Branch *branch,
					 List *context, StringInfo out)
{
	appendStringInfoString(out, "a.ord, ");
	for (int key = 0; key < program->tree->nkeys; key++)
		if (program->fresh_keys & (UINT64CONST(1) << key))
			appendStringInfo(out, "%s AS c%d, ",
							 sqlgen_expr(list_nth(branch->targets, key), context),
							 key + 1);
		else
			appendStringInfo(out, "a.c%d AS c%d, ", key + 1, key + 1);
}

static void
append_affected_conditions(const DeltaProgram *program, const Branch *branch,
						   List *context, uint64 null_keys,
						   const char *keyword, StringInfo out)
{
	for (int key = 0; key < program->tree->nkeys; key++)
	{
		bool		is_null = (null_keys & (UINT64CONST(1) << key)) != 0;

		append_quals(list_make1(key_condition(program, branch, key, is_null)),
					 context, keyword, out);
		keyword = " AND ";
	}
}

/* Restrictions of the stages that a branch reads to the affected keys. */
static List **
affected_restrictions(const DeltaProgram *program, const Branch *branch,
					  uint64 null_keys)
{
	List	  **pushed = palloc0(sizeof(List *) * (list_length(branch->factors) + 1));
	List	   *equalities = branch_equalities(branch);

	for (int key = 0; key < program->tree->nkeys; key++)
	{
		Var		   *var = (Var *) strip_relabel(list_nth(branch->targets, key));
		Restriction r = {
			.opno = program->identity.eqops[key],
			.collation = program->identity.collations[key]
		};

		if ((null_keys & (UINT64CONST(1) << key)) != 0 || !IsA(var, Var) ||
			!restriction_fits(r.opno, var->vartype))
			continue;
		restriction_to_rows(&r, exprType(list_nth(branch->targets, key)), key + 1,
							SQLGEN_AFFECTED_NAME);
		branch_restrict(branch, equalities, var->varno, var->varattno, &r, pushed);
	}
	return pushed;
}

static void
append_branch_state(const DeltaProgram *program, const Branch *branch,
					bool restricted, uint64 null_keys, StringInfo out)
{
	int			nkeys = restricted ? program->tree->nkeys : 0;
	int			nfactors = list_length(branch->factors);
	List	   *context = sqlgen_branch_context(branch, nkeys);
	List	  **pushed = NULL;
	const char *separator = " FROM ";

	appendStringInfoString(out, "SELECT ");
	if (restricted)
	{
		append_affected_keys(program, branch, context, out);
		pushed = affected_restrictions(program, branch, null_keys);
	}
	append_targets(branch, context, nkeys, out);
	appendStringInfoString(out, "1 AS w");

	for (int scan = 1; scan <= nfactors; scan++)
	{
		appendStringInfoString(out, separator);
		factor_state_sql(branch, scan, pushed ? pushed[scan - 1] : NIL, out);
		separator = ", ";
	}
	if (restricted)
		appendStringInfo(out, "%s" SQLGEN_AFFECTED_NAME " a", separator);

	append_quals(branch->quals, context, " WHERE ", out);
	if (restricted)
		append_affected_conditions(program, branch, context, null_keys,
								   branch->quals != NIL ? " AND " : " WHERE ", out);
}

void
core_state_sql(const DeltaProgram *program, bool restricted, uint64 null_keys,
			   StringInfo out)
{
	const char *separator = "";
	ListCell   *lc;

	foreach(lc, program->tree->branches)
	{
		appendStringInfoString(out, separator);
		append_branch_state(program, lfirst(lc), restricted, null_keys, out);
		separator = "\n  UNION ALL ";
	}
}
