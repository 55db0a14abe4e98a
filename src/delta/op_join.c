/*-------------------------------------------------------------------------
 *
 * op_join.c
 *	  Delta rule for a sum of select-project-join branches.
 *
 * For a branch J = pi sigma (R_1 x ... x R_n), let C be the set of its scans
 * whose source has changed.  R_i is the state now, dR_i what changed, so the
 * state before was R_i - dR_i.  Since the product is linear in each factor,
 *
 *	dJ = J(R) - J(R - dR)
 *	   = sum over nonempty T of C of
 *			(-1)^(|T| + 1) pi sigma (x_{i in T} dR_i  x  x_{j not in T} R_j)
 *
 * by multiplying out J(R - dR): the term of T has the sign (-1)^|T|, and the
 * empty T gives J(R) itself.  Only new states and deltas are read, and a row
 * of a term weighs the sign times the product of its deltas' weights.  The
 * rule is exact for any mix of inserts and deletes, for self-joins (each scan
 * is a factor of its own), cross joins, any predicate, and duplicates.
 *
 * There are 2^|C| - 1 terms.  From four changed scans on, the telescoped sum
 * takes over, which has |C| terms but reads old states:
 *
 *	dJ = sum over i in C of
 *			pi sigma (x_{j < i} R_j  x  dR_i  x  x_{j > i} (R_j - dR_j))
 *
 * Single terms hold pairs of rows that never existed together; they cancel in
 * the sum only.  So nobody may look at a term's rows before all terms are in,
 * and an expression may fail on such a pair although the query never would.
 *
 * Reads:  the change windows and the tables, all at the refresh's snapshot.
 * Locks:  none; the refresh holds AccessShareLock on every source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#define MAX_INCLUSION_EXCLUSION 3

typedef enum FactorState
{
	FACTOR_NEW,					/* the table now */
	FACTOR_DELTA,				/* what changed */
	FACTOR_OLD					/* the table without what changed */
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

static void
append_factor(const DeltaProgram *program, Oid relid, int scan,
			  FactorState state, StringInfo out)
{
	int			source = program_source_index(program, relid);
	Bitmapset  *columns = program_source(program, source)->columns;

	switch (state)
	{
		case FACTOR_NEW:
			sqlgen_table(out, relid, columns, scan);
			break;
		case FACTOR_DELTA:
			sqlgen_delta(out, source + 1, scan);
			break;
		case FACTOR_OLD:
			sqlgen_old_table(out, relid, columns, source + 1, scan);
			break;
	}
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

/* One term: SELECT targets, weight FROM factors WHERE quals. */
static void
append_term(const DeltaProgram *program, const Branch *branch,
			const FactorState *states, int sign, StringInfo out)
{
	List	   *context = sqlgen_branch_context(branch, 0);
	const char *times = "";
	int			scan = 0;
	ListCell   *lc;

	if (out->len > 0)
		appendStringInfoString(out, "\n  UNION ALL ");
	appendStringInfoString(out, "SELECT ");
	append_targets(branch, context, 0, out);

	if (sign < 0)
		appendStringInfoString(out, "-");
	foreach(lc, branch->relids)
	{
		if (states[scan++] == FACTOR_NEW)
			continue;
		appendStringInfo(out, "%ss%d.w", times, scan);
		times = " * ";
	}
	appendStringInfoString(out, " AS w FROM ");

	scan = 0;
	foreach(lc, branch->relids)
	{
		if (scan > 0)
			appendStringInfoString(out, ", ");
		append_factor(program, lfirst_oid(lc), scan + 1, states[scan], out);
		scan++;
	}
	append_quals(branch->quals, context, " WHERE ", out);
}

static void
append_inclusion_exclusion(const DeltaProgram *program, const Branch *branch,
						   const int *changed, int nchanged, StringInfo out)
{
	int			nscans = list_length(branch->relids);

	for (int subset = 1; subset < (1 << nchanged); subset++)
	{
		FactorState *states = palloc0(sizeof(FactorState) * nscans);
		int			size = 0;

		for (int i = 0; i < nchanged; i++)
			if (subset & (1 << i))
			{
				states[changed[i]] = FACTOR_DELTA;
				size++;
			}
		append_term(program, branch, states, size % 2 == 1 ? 1 : -1, out);
	}
}

static void
append_telescope(const DeltaProgram *program, const Branch *branch,
				 const int *changed, int nchanged, StringInfo out)
{
	int			nscans = list_length(branch->relids);

	for (int i = 0; i < nchanged; i++)
	{
		FactorState *states = palloc0(sizeof(FactorState) * nscans);

		states[changed[i]] = FACTOR_DELTA;
		for (int j = i + 1; j < nchanged; j++)
			states[changed[j]] = FACTOR_OLD;
		append_term(program, branch, states, 1, out);
	}
}

void
core_delta_sql(const DeltaProgram *program, SourceMask mask, StringInfo out)
{
	StringInfoData terms;
	ListCell   *lb;

	initStringInfo(&terms);
	foreach(lb, program->tree->branches)
	{
		Branch	   *branch = lfirst(lb);
		int		   *changed = palloc(sizeof(int) * list_length(branch->relids));
		int			nchanged = 0;
		int			scan = 0;
		ListCell   *lc;

		foreach(lc, branch->relids)
		{
			int			source = program_source_index(program, lfirst_oid(lc));

			if (mask & (UINT64CONST(1) << source))
				changed[nchanged++] = scan;
			scan++;
		}
		if (nchanged <= MAX_INCLUSION_EXCLUSION)
			append_inclusion_exclusion(program, branch, changed, nchanged, &terms);
		else
			append_telescope(program, branch, changed, nchanged, &terms);
	}
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
	affected = makeVar(list_length(branch->relids) + 1, key + 2, exprType(expr),
					   exprTypmod(expr), exprCollation(expr), 0);
	return (Node *) make_opclause(program->identity.eqops[key], BOOLOID, false,
								  (Expr *) expr, (Expr *) affected, InvalidOid,
								  program->identity.collations[key]);
}

void
core_state_sql(const DeltaProgram *program, bool restricted, uint64 null_keys,
			   StringInfo out)
{
	int			nkeys = restricted ? program->tree->nkeys : 0;
	ListCell   *lb;
	bool		first = true;

	foreach(lb, program->tree->branches)
	{
		Branch	   *branch = lfirst(lb);
		List	   *context = sqlgen_branch_context(branch, nkeys);
		int			scan = 0;
		const char *keyword = " WHERE ";
		ListCell   *lc;

		appendStringInfoString(out, first ? "SELECT " : "\n  UNION ALL SELECT ");
		first = false;
		if (restricted)
			appendStringInfoString(out, "a.ord, ");
		for (int key = 0; key < nkeys; key++)
			if (program->fresh_keys & (UINT64CONST(1) << key))
				appendStringInfo(out, "%s AS c%d, ",
								 sqlgen_expr(list_nth(branch->targets, key), context),
								 key + 1);
			else
				appendStringInfo(out, "a.c%d AS c%d, ", key + 1, key + 1);
		append_targets(branch, context, nkeys, out);
		appendStringInfoString(out, "1 AS w FROM ");

		foreach(lc, branch->relids)
		{
			if (scan > 0)
				appendStringInfoString(out, ", ");
			append_factor(program, lfirst_oid(lc), ++scan, FACTOR_NEW, out);
		}
		if (restricted)
			appendStringInfoString(out, ", " SQLGEN_AFFECTED_NAME " a");
		if (branch->quals != NIL)
		{
			append_quals(branch->quals, context, keyword, out);
			keyword = " AND ";
		}
		for (int key = 0; key < nkeys; key++)
		{
			bool		is_null = (null_keys & (UINT64CONST(1) << key)) != 0;

			append_quals(list_make1(key_condition(program, branch, key, is_null)),
						 context, keyword, out);
			keyword = " AND ";
		}
	}
}
