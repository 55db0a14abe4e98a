/*-------------------------------------------------------------------------
 *
 * join_steps.c
 *	  The delta of a join that many rows have changed, one changed factor after
 *	  the other.
 *
 * Let the factors of a branch fall into groups G_1, ..., G_g, each with one
 * factor that has changed and maybe some that have not; G_i also stands for
 * their join, by the quals that refer to nothing else.  It is linear in the
 * factor that has changed, so its delta D_i is that factor's delta joined with
 * the others.  Let P_i = G_1 x ... x G_i by all quals among them.  Then
 *
 *	dP_1 = D_1
 *	dP_i = P_i - (P_(i-1) - dP_(i-1)) x (G_i - D_i)
 *		 = dP_(i-1) x G_i  -  dP_(i-1) x D_i  +  P_(i-1) x D_i
 *
 * with new states throughout, and dP_g, projected, is the delta of the branch.
 * This is the telescoped sum of op_join.c with what its terms have in common
 * computed once: three small joins for each changed factor instead of 2^g - 1
 * large ones.  Each D_i and dP_i is a relation whose size is known when the
 * next statement is planned.  What was said about rows that never existed
 * together holds for every dP_i.
 *
 * A changed factor whose delta is empty after the quals that refer to it alone
 * has, for the branch, not changed; what window_filter.c has applied need not be
 * applied again.  Quals are those of join_quals.c.
 *
 * The order of the groups matters for speed only; join_run.c chooses it.
 *
 * Text and order are apart: a text follows from the StatementKey alone, whose
 * order says which factors have changed and in which order they are taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/join_steps.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

/* Relations: what a factor's quals leave of its delta, D_i, and dP_i. */
#define NARROWED_NAME	"__pgt_n%d"
#define CHANGES_NAME	"__pgt_g%d"
#define PREFIX_NAME		"__pgt_p%d"

static int
order_length(uint64 order)
{
	int			n = 0;

	for (; order != 0; order >>= ORDER_BITS)
		n++;
	return n;
}

/* i from 1 */
static int
order_factor(uint64 order, int i)
{
	return (order >> (ORDER_BITS * (i - 1))) & MAX_STEP_FACTORS;
}

/* Quals within some factors that neither of two parts of them can decide. */
static List *
quals_within(const StepJoin *join, const Bitmapset *all, const Bitmapset *left,
			 const Bitmapset *right)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, join->quals)
	{
		const JoinQual *qual = lfirst(lc);

		if (bms_is_subset(qual->factors, all) &&
			(left == NULL || !bms_is_subset(qual->factors, left)) &&
			(right == NULL || !bms_is_subset(qual->factors, right)))
			result = lappend(result, qual->expr);
	}
	return result;
}

/* Has the window of the factor been read through the qual? */
static bool
is_applied(const StepJoin *join, int factor, const JoinQual *qual)
{
	Oid			relid = ((Factor *) list_nth(join->branch->factors, factor - 1))->relid;

	return OidIsValid(relid) && bms_is_member(factor, qual->factors) &&
		window_is_filtered(join->program, relid, qual->expr);
}

/* Have the quals that refer to a factor alone, or to none, still to be applied? */
bool
is_narrowed(const StepJoin *join, int factor)
{
	Bitmapset  *self = bms_make_singleton(factor);
	ListCell   *lc;

	foreach(lc, join->quals)
	{
		const JoinQual *qual = lfirst(lc);

		if (bms_is_subset(qual->factors, self) && !is_applied(join, factor, qual))
			return true;
	}
	return false;
}

bool
has_quals(const StepJoin *join, int factor)
{
	return quals_within(join, bms_make_singleton(factor), NULL, NULL) != NIL;
}

static int
compare_vars(const ListCell *a, const ListCell *b)
{
	const Var  *x = lfirst(a);
	const Var  *y = lfirst(b);

	return x->varno != y->varno ? x->varno - y->varno : x->varattno - y->varattno;
}

/*
 * The columns of a join of some factors that are still needed when all quals
 * within it have been applied: of Var, in terms of the branch.
 */
static List *
needed_columns(const StepJoin *join, const Bitmapset *factors)
{
	List	   *vars = pull_var_clause((Node *) join->branch->targets, 0);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, join->quals)
	{
		const JoinQual *qual = lfirst(lc);

		if (!bms_is_subset(qual->factors, factors))
			vars = list_concat(vars, pull_var_clause(qual->expr, 0));
	}
	list_sort(vars, compare_vars);
	foreach(lc, vars)
	{
		Var		   *var = lfirst(lc);
		Var		   *last = result == NIL ? NULL : llast(result);

		if (bms_is_member(var->varno, factors) &&
			(last == NULL || last->varno != var->varno ||
			 last->varattno != var->varattno))
			result = lappend(result, var);
	}
	return result;
}

/* ---- groups ---- */

Bitmapset *
add_neighbours(List *equalities, Bitmapset *of, const Bitmapset *among)
{
	Bitmapset  *result = NULL;
	ListCell   *lc;

	foreach(lc, equalities)
	{
		const ColumnEquality *e = lfirst(lc);

		if (bms_is_member(e->factor, of) && bms_is_member(e->other, among))
			result = bms_add_member(result, e->other);
	}
	return result;
}

/* Add to a set what equalities connect with it, by way of others of the kind. */
Bitmapset *
add_connected(List *equalities, Bitmapset *set, const Bitmapset *among)
{
	for (;;)
	{
		Bitmapset  *more = bms_difference(add_neighbours(equalities, set, among), set);

		if (bms_is_empty(more))
			return set;
		set = bms_add_members(set, more);
	}
}

StepJoin *
begin_join(const DeltaProgram *program, const Branch *branch)
{
	StepJoin   *join = palloc0(sizeof(StepJoin));

	join->program = program;
	join->branch = branch;
	join->quals = join_quals(branch);
	return join;
}

/*
 * Every unchanged factor joins the last group that equalities connect it with;
 * what they connect with none joins the last one.
 */
StepJoin *
divide_join(const DeltaProgram *program, const Branch *branch, uint64 order)
{
	StepJoin   *join = begin_join(program, branch);
	List	   *equalities = branch_equalities(branch);
	Bitmapset  *rest = bms_add_range(NULL, 1, list_length(branch->factors));

	join->ngroups = order_length(order);
	for (int i = 1; i <= join->ngroups; i++)
	{
		join->changed[i] = order_factor(order, i);
		rest = bms_del_member(rest, join->changed[i]);
	}
	for (int i = join->ngroups; i > 0; i--)
	{
		join->groups[i] = add_connected(equalities,
										bms_make_singleton(join->changed[i]), rest);
		rest = bms_del_members(rest, join->groups[i]);
	}
	join->groups[join->ngroups] = bms_add_members(join->groups[join->ngroups], rest);
	for (int i = 1; i <= join->ngroups; i++)
		join->prefix[i] = bms_union(join->prefix[i - 1], join->groups[i]);
	return join;
}

/* ---- text ---- */

typedef struct PieceTerm
{
	const StepJoin *join;
	List	   *pieces;			/* of Piece; the first factors of the term */
	Bitmapset  *members;		/* then these of the branch, as they are now */
} PieceTerm;

/* Position among the columns of a piece, or 0. */
static int
piece_column(const Piece *piece, const Var *var)
{
	int			column = 0;
	ListCell   *lc;

	if (piece->window > 0)
		return piece->window == var->varno ? var->varattno : 0;
	foreach(lc, piece->columns)
	{
		const Var  *have = lfirst(lc);

		column++;
		if (have->varno == var->varno && have->varattno == var->varattno)
			return column;
	}
	return 0;
}

/* The number that a member of the branch has in the term. */
static int
member_number(const PieceTerm *term, int factor)
{
	int			number = list_length(term->pieces);
	int			member = -1;

	while ((member = bms_next_member(term->members, member)) >= 0)
	{
		number++;
		if (member == factor)
			return number;
	}
	elog(ERROR, "factor %d is not in the term", factor);
}

/* The same column of the branch as a column of the term. */
static Node *
move_var(const PieceTerm *term, const Var *var)
{
	int			number = 0;
	ListCell   *lc;

	foreach(lc, term->pieces)
	{
		int			column = piece_column(lfirst(lc), var);

		number++;
		if (column > 0)
			return (Node *) makeVar(number, column, var->vartype, var->vartypmod,
									var->varcollid, 0);
	}
	return (Node *) makeVar(member_number(term, var->varno), var->varattno,
							var->vartype, var->vartypmod, var->varcollid, 0);
}

static Node *
move_vars(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return move_var(context, (Var *) node);
	return expression_tree_mutator(node, move_vars, context);
}

/* A stage that has the columns of a relation, for those who print them. */
Stage *
columns_stage(List *vars)
{
	Stage	   *stage = palloc0(sizeof(Stage));
	ListCell   *lc;

	stage->rule = STAGE_STORED;
	foreach(lc, vars)
	{
		const Var  *var = lfirst(lc);
		OutputColumn *column = palloc0(sizeof(OutputColumn));

		column->type = var->vartype;
		column->typmod = var->vartypmod;
		column->collation = var->varcollid;
		stage->columns = lappend(stage->columns, column);
	}
	return stage;
}

static Factor *
piece_factor(const StepJoin *join, const Piece *piece)
{
	Factor	   *factor;

	if (piece->window > 0)
		return list_nth(join->branch->factors, piece->window - 1);
	factor = palloc0(sizeof(Factor));
	factor->stage = columns_stage(piece->columns);
	return factor;
}

static void
append_piece_term(const PieceTerm *term, List *quals, List *targets, int sign,
				  StringInfo out)
{
	const StepJoin *join = term->join;
	Branch	   *branch = palloc0(sizeof(Branch));
	const char **deltas = palloc0(sizeof(char *) *
								  (list_length(term->pieces) +
								   list_length(join->branch->factors) + 1));
	int			member = -1;
	ListCell   *lc;

	foreach(lc, term->pieces)
	{
		const Piece *piece = lfirst(lc);

		deltas[list_length(branch->factors)] = piece->name;
		branch->factors = lappend(branch->factors, piece_factor(join, piece));
	}
	while ((member = bms_next_member(term->members, member)) >= 0)
		branch->factors = lappend(branch->factors,
								  list_nth(join->branch->factors, member - 1));
	branch->quals = (List *) move_vars((Node *) quals, unconstify(PieceTerm *, term));
	branch->targets = (List *) move_vars((Node *) targets, unconstify(PieceTerm *, term));
	branch_term_sql(branch, deltas, sign, out);
}

static Piece *
make_piece(const char *name, List *columns)
{
	Piece	   *piece = palloc0(sizeof(Piece));

	piece->name = name;
	piece->columns = columns;
	return piece;
}

static Piece *
window_piece(const StepJoin *join, int factor)
{
	Piece	   *piece = palloc0(sizeof(Piece));

	piece->name = psprintf(SQLGEN_DELTA_NAME,
						   factor_input(join->program,
										list_nth(join->branch->factors, factor - 1)) + 1);
	piece->window = factor;
	return piece;
}

Piece *
narrowed_piece(const StepJoin *join, int factor)
{
	if (!is_narrowed(join, factor))
		return window_piece(join, factor);
	return make_piece(psprintf(NARROWED_NAME, factor),
					  needed_columns(join, bms_make_singleton(factor)));
}

/* D_i, which is the narrowed delta itself if the group has no other factors */
Piece *
changes_piece(const StepJoin *join, int i)
{
	if (bms_membership(join->groups[i]) == BMS_SINGLETON)
		return narrowed_piece(join, join->changed[i]);
	return make_piece(psprintf(CHANGES_NAME, i),
					  needed_columns(join, join->groups[i]));
}

/* dP_i */
Piece *
prefix_piece(const StepJoin *join, int i)
{
	if (i == 1)
		return changes_piece(join, 1);
	return make_piece(psprintf(PREFIX_NAME, i),
					  needed_columns(join, join->prefix[i]));
}

static void
narrow_sql(const StepJoin *join, int factor, StringInfo out)
{
	Bitmapset  *self = bms_make_singleton(factor);
	PieceTerm	term = {.join = join, .pieces = list_make1(window_piece(join, factor))};

	append_piece_term(&term, quals_within(join, self, NULL, NULL),
					  needed_columns(join, self), 1, out);
}

static void
changes_sql(const StepJoin *join, int i, List *targets, StringInfo out)
{
	Bitmapset  *self = bms_make_singleton(join->changed[i]);
	PieceTerm	term = {
		.join = join,
		.pieces = list_make1(narrowed_piece(join, join->changed[i])),
		.members = bms_difference(join->groups[i], self)
	};

	append_piece_term(&term, quals_within(join, join->groups[i], self, NULL),
					  targets, 1, out);
}

static void
step_sql(const StepJoin *join, int i, List *targets, StringInfo out)
{
	const Bitmapset *before = join->prefix[i - 1];
	const Bitmapset *group = join->groups[i];
	const Bitmapset *all = join->prefix[i];
	Piece	   *prefix = prefix_piece(join, i - 1);
	Piece	   *changes = changes_piece(join, i);
	PieceTerm	with_new = {
		.join = join,
		.pieces = list_make1(prefix),
		.members = bms_copy(group)
	};
	PieceTerm	with_changes = {.join = join, .pieces = list_make2(prefix, changes)};
	PieceTerm	entry = {
		.join = join,
		.pieces = list_make1(changes),
		.members = bms_copy(before)
	};

	append_piece_term(&with_new, quals_within(join, all, before, NULL),
					  targets, 1, out);
	append_piece_term(&with_changes, quals_within(join, all, before, group),
					  targets, -1, out);
	append_piece_term(&entry, quals_within(join, all, group, NULL), targets, 1, out);
}

void
join_steps_sql(const DeltaProgram *program, List *branches,
			   const StatementKey *key, StringInfo out)
{
	const Branch *branch = linitial(branches);
	StepJoin   *join = divide_join(program, branch, key->order);
	StringInfoData terms;

	initStringInfo(&terms);
	switch (key->kind)
	{
		case PLAN_JOIN_NARROW:
			narrow_sql(join, key->step, &terms);
			break;
		case PLAN_JOIN_CHANGES:
			changes_sql(join, key->step,
						needed_columns(join, join->groups[key->step]), &terms);
			break;
		case PLAN_JOIN_STEP:
			step_sql(join, key->step,
					 needed_columns(join, join->prefix[key->step]), &terms);
			break;
		default:
			if (join->ngroups == 1)
				changes_sql(join, 1, branch->targets, &terms);
			else
				step_sql(join, join->ngroups, branch->targets, &terms);
			break;
	}
	appendBinaryStringInfo(out, terms.data, terms.len);
}
