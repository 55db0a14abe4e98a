/*-------------------------------------------------------------------------
 *
 * outer_join.c
 *	  Outer joins as stages.
 *
 *		L LEFT JOIN R ON p and q(R)  =  L LEFT JOIN sigma_q(R) ON p
 *
 * A left join is linear in L: each row of L yields its own rows, which depend
 * on the rows of R that match it; a condition l = r among p names those.  If p is
 * nothing but such conditions, all of these are joined.  A right join is a left
 * join with its sides exchanged.  A full join falls apart by the values that its
 * equalities compare: rows of L and R with different values never meet, and rows
 * with NULL meet nobody.
 *
 * A nullable side or a condition that looks at each row of L by itself is
 * lateral_join.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* One side of the join. */
typedef struct Side
{
	Node	   *jointree;
	List	   *rtindexes;		/* below it, joins as well */
	List	   *quals;			/* conditions that only this side sees */
	Columns		columns;
	Stage	   *stage;
} Side;

static void
collect_rtindexes(Node *node, List **result)
{
	if (IsA(node, RangeTblRef))
		*result = lappend_int(*result, ((RangeTblRef *) node)->rtindex);
	else if (IsA(node, JoinExpr))
	{
		collect_rtindexes(((JoinExpr *) node)->larg, result);
		collect_rtindexes(((JoinExpr *) node)->rarg, result);
		*result = lappend_int(*result, ((JoinExpr *) node)->rtindex);
	}
	else if (IsA(node, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) node)->fromlist)
			collect_rtindexes(lfirst(lc), result);
	}
}

Node *
strip_relabel(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/* The sides of an equality that can be looked up; false if it is none. */
bool
equality_sides(Node *qual, Node **left, Node **right)
{
	OpExpr	   *op = (OpExpr *) qual;

	if (!IsA(op, OpExpr) || list_length(op->args) != 2 ||
		!op_strict(op->opno) || !OidIsValid(get_commutator(op->opno)))
		return false;
	*left = linitial(op->args);
	*right = lsecond(op->args);
	return op_mergejoinable(op->opno, exprType(*left)) ||
		op_hashjoinable(op->opno, exprType(*left));
}

/* Are all columns in the expression, and at least one, of these entries? */
static bool
is_of_side(Node *expr, const List *rtindexes)
{
	List	   *vars = pull_vars_of_level(expr, 0);
	ListCell   *lc;

	foreach(lc, vars)
		if (!list_member_int(rtindexes, ((Var *) lfirst(lc))->varno))
			return false;
	return vars != NIL && !checkExprHasSubLink(expr);
}

/* left op right, with the sides as the inputs have them. */
void
input_add_pair(StageInput *input, const OpExpr *op, bool swapped, int left,
			   int right)
{
	StagePair  *pair = palloc(sizeof(StagePair));

	pair->left = left;
	pair->right = right;
	pair->opno = swapped ? get_commutator(op->opno) : op->opno;
	pair->collation = op->inputcollid;
	input->pairs = lappend(input->pairs, pair);
}

/* Record which columns of both sides an equality compares. */
static void
find_pair(Node *qual, Side *left, Side *right, StageInput *input)
{
	Node	   *a,
			   *b;

	if (!equality_sides(qual, &a, &b))
		return;
	if (is_of_side(a, left->rtindexes) && is_of_side(b, right->rtindexes))
		input_add_pair(input, (OpExpr *) qual, false,
					   columns_add(&left->columns, strip_relabel(a)),
					   columns_add(&right->columns, strip_relabel(b)));
	else if (is_of_side(b, left->rtindexes) && is_of_side(a, right->rtindexes))
		input_add_pair(input, (OpExpr *) qual, true,
					   columns_add(&left->columns, strip_relabel(b)),
					   columns_add(&right->columns, strip_relabel(a)));
}

/*
 * Columns that a query uses outside of the sides of a join, of whose own
 * condition just these quals are left: what the sides have decided already,
 * nobody asks again.
 */
static List *
vars_beside(Query *query, JoinExpr *join, List *quals)
{
	JoinExpr	whole = *join;
	List	   *vars;

	join->larg = NULL;
	join->rarg = NULL;
	join->quals = (Node *) quals;
	vars = level_vars(query);
	*join = whole;
	return vars;
}

/* Those of them that are a side's. */
static void
find_columns(List *vars, Side *side, int varno)
{
	ListCell   *lc;

	side->columns.varno = varno;
	side->columns.rtindexes = side->rtindexes;
	foreach(lc, vars)
	{
		Var		   *var = lfirst(lc);

		/* it may have been found in a subquery, levels below */
		if (list_member_int(side->rtindexes, var->varno))
			(void) columns_add(&side->columns, (Node *)
							   makeVar(var->varno, var->varattno, var->vartype,
									   var->vartypmod, var->varcollid, 0));
	}
}

static void
make_side(Analysis *an, Query *query, Side *side, List *others)
{
	List	   *branches;

	if (side->columns.exprs == NIL)
		(void) columns_add(&side->columns, makeBoolConst(true, false));
	branches = normalize_from(an, query, side->jointree, side->quals,
							  side->columns.exprs);
	if (an->reason == NULL)
		side->stage = stage_sum_unshared(an, branches, others);
}

RangeTblEntry *
join_rte(JoinType jointype, const List *left, const List *right)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	rte->rtekind = RTE_JOIN;
	rte->jointype = jointype;
	rte->eref = makeAlias("unnamed_join", NIL);
	rte->joinaliasvars = list_concat_copy(left, right);
	foreach(lc, rte->joinaliasvars)
	{
		Var		   *var = lfirst(lc);
		List	  **columns = var->varno == 1 ? &rte->joinleftcols : &rte->joinrightcols;

		*columns = lappend_int(*columns, var->varattno);
		rte->eref->colnames =
			lappend(rte->eref->colnames,
					makeString(psprintf("%c%d", var->varno == 1 ? 'l' : 'r', var->varattno)));
	}
	return rte;
}

/* SELECT all columns of both FROM left JOIN right ON quals */
static Query *
join_query(Side *left, Side *right, JoinType jointype, List *quals)
{
	Query	   *query = stage_query(left->stage);
	RangeTblRef *ref = makeNode(RangeTblRef);
	JoinExpr   *join = makeNode(JoinExpr);
	List	   *right_vars = stage_vars(right->stage, 2);
	ListCell   *lc;

	query->rtable = lappend(query->rtable, stage_rte(right->stage));
	query->rtable = lappend(query->rtable,
							join_rte(jointype, stage_vars(left->stage, 1), right_vars));
	ref->rtindex = 2;
	join->rtindex = 3;
	join->jointype = jointype;
	join->larg = linitial(query->jointree->fromlist);
	join->rarg = (Node *) ref;
	join->quals = (Node *) make_ands_explicit(quals);
	query->jointree->fromlist = list_make1(join);
	foreach(lc, right_vars)
		add_target(query, lfirst(lc));
	return query;
}

/* The stage's columns are the columns of its first input, then the others'. */
static void
set_left_origins(Stage *stage, const Side *left)
{
	for (int i = 0; i < list_length(left->stage->columns); i++)
		stage->origins[i] = i + 1;
}

/*
 * The pairs are keys of a full join where both sides compare by the default
 * equality of one type.
 */
static void
set_full_keys(Stage *stage, StageInput *left, StageInput *right)
{
	int			n = list_length(right->pairs);
	ListCell   *lc;

	left->keys = palloc0(sizeof(int) * (n + 1));
	right->keys = palloc0(sizeof(int) * (n + 1));
	foreach(lc, right->pairs)
	{
		StagePair  *pair = lfirst(lc);
		OutputColumn *a = list_nth(left->stage->columns, pair->left - 1);
		OutputColumn *b = list_nth(right->stage->columns, pair->right - 1);
		int			i = stage->nkeys;

		if (a->type != b->type ||
			lookup_type_cache(a->type, TYPECACHE_EQ_OPR)->eq_opr != pair->opno)
			continue;
		left->keys[i] = pair->left;
		right->keys[i] = pair->right;
		stage_set_key(stage, i, pair->opno, pair->collation);
	}
	right->pairs = NIL;
}

/* At most one row of the right side for each of the left? */
static bool
right_is_unique(const StageInput *right)
{
	ListCell   *lu,
			   *lp;

	foreach(lu, right->stage->unique)
	{
		bool		found = false;

		foreach(lp, right->pairs)
			if (((StagePair *) lfirst(lp))->right == lfirst_int(lu))
				found = true;
		if (!found)
			return false;
	}
	return right->stage->unique != NIL;
}

/* Conditions of ON that only the nullable side sees move below the join. */
static List *
push_right_quals(List *quals, Side *right)
{
	List	   *kept = NIL;
	ListCell   *lc;

	foreach(lc, quals)
		if (is_of_side(lfirst(lc), right->rtindexes))
			right->quals = lappend(right->quals, lfirst(lc));
		else
			kept = lappend(kept, lfirst(lc));
	return kept;
}

/* Does a function or LATERAL subquery of the right side use another table? */
static bool
right_looks_outside(Query *query, const Side *right)
{
	ListCell   *lc,
			   *lv;

	foreach(lc, right->rtindexes)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), query->rtable);
		List	   *vars = rte->rtekind == RTE_SUBQUERY ?
			pull_vars_of_level((Node *) rte->subquery, 1) :
			list_concat(list_concat(pull_vars_of_level((Node *) rte->functions, 0),
									pull_vars_of_level((Node *) rte->values_lists, 0)),
						pull_vars_of_level((Node *) rte->tablefunc, 0));

		foreach(lv, vars)
			if (!list_member_int(right->rtindexes, ((Var *) lfirst(lv))->varno))
				return true;
	}
	return false;
}

static Stage *
join_stage(Analysis *an, Side *left, Side *right, bool full, List *quals,
		   StageInput *right_input)
{
	StageInput *left_input = stage_input(left->stage);
	Query	   *block = join_query(left, right, full ? JOIN_FULL : JOIN_LEFT, quals);
	Stage	   *stage;

	right_input->stage = right->stage;
	stage = stage_block(an, full ? STAGE_PARTITION : STAGE_LINEAR,
						full ? "FULL JOIN" : "LEFT JOIN", block,
						list_make2(left_input, right_input));
	/* the stage may have been made before */
	if (full && linitial(stage->inputs) == left_input)
		set_full_keys(stage, left_input, right_input);
	else if (!full)
	{
		set_left_origins(stage, left);
		if (right_is_unique(right_input))
			stage->unique = left->stage->unique;
	}
	return stage;
}

static Stage *
dependent_join(Analysis *an, Query *query, Side *left, Side *right, List *quals,
			   List **columns)
{
	LateralJoin join = {
		.left = left->jointree,
		.left_rtindexes = left->rtindexes,
		.left_columns = left->columns.exprs,
		.right = right->jointree,
		.right_rtindexes = right->rtindexes,
		.right_columns = right->columns.exprs,
		.quals = quals == NIL ? NULL : (Node *) make_ands_explicit(quals)
	};

	*columns = list_concat_copy(left->columns.exprs, right->columns.exprs);
	return lateral_join_stage(an, query, &join);
}

Stage *
outer_join_stage(Analysis *an, Query *query, JoinExpr *join, List **columns)
{
	bool		right_join = join->jointype == JOIN_RIGHT;
	bool		full = join->jointype == JOIN_FULL;
	int			nrte = list_length(query->rtable);
	Side		left = {.jointree = right_join ? join->rarg : join->larg};
	Side		right = {.jointree = right_join ? join->larg : join->rarg};
	StageInput *input = palloc0(sizeof(StageInput));
	List	   *quals = make_ands_implicit((Expr *) copyObject(join->quals));
	List	   *vars;
	bool		dependent;
	ListCell   *lc;

	collect_rtindexes(left.jointree, &left.rtindexes);
	collect_rtindexes(right.jointree, &right.rtindexes);
	dependent = checkExprHasSubLink((Node *) quals) || right_looks_outside(query, &right);
	if (!full && !dependent)
		quals = push_right_quals(quals, &right);
	vars = vars_beside(query, join, quals);
	/* numbers that no range table entry of the query has */
	find_columns(vars, &left, nrte + 1);
	find_columns(vars, &right, nrte + 2);
	if (dependent)
	{
		if (full)
			an->reason = "the condition of a FULL JOIN has a subquery";
		else
			return dependent_join(an, query, &left, &right, quals, columns);
		return NULL;
	}
	foreach(lc, quals)
		find_pair(lfirst(lc), &left, &right, input);
	input->alike = !full && quals != NIL &&
		list_length(input->pairs) == list_length(quals);
	quals = (List *) columns_map(&left.columns, (Node *) quals);
	quals = (List *) columns_map(&right.columns, (Node *) quals);
	ChangeVarNodes((Node *) quals, nrte + 1, 1, 0);
	ChangeVarNodes((Node *) quals, nrte + 2, 2, 0);
	make_side(an, query, &left, NIL);
	if (an->reason == NULL)
		make_side(an, query, &right, list_make1(stage_input(left.stage)));
	if (an->reason != NULL)
		return NULL;
	*columns = list_concat_copy(left.columns.exprs, right.columns.exprs);
	return join_stage(an, &left, &right, full, quals, input);
}
