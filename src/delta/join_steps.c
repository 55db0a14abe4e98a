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
 * applied again.  A qual that is an OR of ANDs implies, for
 * each factor that all its arms test, the OR of those tests; such implied quals
 * are applied to deltas too.
 *
 * The order of the groups matters for speed only: first the largest delta,
 * then those that promise to take the most off dP for the least work.  What
 * part of its changes a table's quals let through, they will let through of dP.
 *
 * Text and order are apart: a text follows from the StatementKey alone, whose
 * order says which factors have changed and in which order they are taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "buffer/consolidate.h"
#include "catalog/pg_class.h"
#include "delta/delta.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"
#include "port/pg_bitutils.h"
#include "utils/syscache.h"

/* Relations: what a factor's quals leave of its delta, D_i, and dP_i. */
#define NARROWED_NAME	"__pgt_n%d"
#define CHANGES_NAME	"__pgt_g%d"
#define PREFIX_NAME		"__pgt_p%d"

/* order: four bits for each group, the number of the factor that has changed */
#define ORDER_BITS		4
#define MAX_STEP_FACTORS	15

/* Time of a lookup by an index and of a row that is merely read, in a unit. */
#define LOOKUP_COST		2.0
#define SCAN_COST		0.12
/* Rows of what has not been counted. */
#define UNKNOWN_ROWS	1000000.0

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

/* ---- quals and columns ---- */

typedef struct JoinQual
{
	Node	   *expr;
	Bitmapset  *factors;
} JoinQual;

/* The part of an arm of an OR that refers to one factor only; NULL if none. */
static Node *
arm_part(Node *arm, int factor)
{
	List	   *part = NIL;
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) arm))
	{
		int			member;

		if (bms_get_singleton_member(pull_varnos(NULL, lfirst(lc)), &member) &&
			member == factor)
			part = lappend(part, lfirst(lc));
	}
	return part == NIL ? NULL : (Node *) make_ands_explicit(part);
}

/* What an OR over several factors implies for one of them, or NULL. */
static Node *
implied_qual(Node *qual, int factor)
{
	List	   *parts = NIL;
	ListCell   *lc;

	if (!is_orclause(qual))
		return NULL;
	foreach(lc, ((BoolExpr *) qual)->args)
	{
		Node	   *part = arm_part(lfirst(lc), factor);

		if (part == NULL)
			return NULL;
		parts = lappend(parts, part);
	}
	return (Node *) make_orclause(parts);
}

static List *
add_qual(List *quals, Node *expr, Bitmapset *factors)
{
	JoinQual   *qual = palloc(sizeof(JoinQual));

	qual->expr = expr;
	qual->factors = factors;
	return lappend(quals, qual);
}

/* What all arms of an OR say is said once, beside it. */
static List *
canonical_quals(const Branch *branch)
{
	Expr	   *quals = make_ands_explicit(copyObject(branch->quals));

	return make_ands_implicit(canonicalize_qual(quals, false));
}

static List *
join_quals(const Branch *branch)
{
	List	   *quals = NIL;
	ListCell   *lc;

	foreach(lc, canonical_quals(branch))
	{
		Bitmapset  *factors = pull_varnos(NULL, lfirst(lc));
		int			factor = -1;

		quals = add_qual(quals, lfirst(lc), factors);
		if (bms_membership(factors) != BMS_MULTIPLE)
			continue;
		while ((factor = bms_next_member(factors, factor)) >= 0)
		{
			Node	   *implied = implied_qual(lfirst(lc), factor);

			if (implied != NULL)
				quals = add_qual(quals, implied, bms_make_singleton(factor));
		}
	}
	return quals;
}

List *
factor_quals(const Branch *branch, int factor)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, join_quals(branch))
	{
		const JoinQual *qual = lfirst(lc);
		int			member;

		if (bms_get_singleton_member(qual->factors, &member) && member == factor)
			result = lappend(result, qual->expr);
	}
	return result;
}

/* The branch, taken apart for one order. */
typedef struct StepJoin
{
	const DeltaProgram *program;
	const Branch *branch;
	List	   *quals;			/* of JoinQual */
	int			ngroups;
	int			changed[MAX_STEP_FACTORS + 1];	/* per group, from 1 */
	Bitmapset  *groups[MAX_STEP_FACTORS + 1];
	Bitmapset  *prefix[MAX_STEP_FACTORS + 1];	/* factors of P_i */
} StepJoin;

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
static bool
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

static bool
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

static Bitmapset *
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
static Bitmapset *
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

static StepJoin *
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
static StepJoin *
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

/* A relation in a statement that stands for the delta of some factors. */
typedef struct Piece
{
	const char *name;
	int			window;			/* it is the window of this factor, or 0 */
	List	   *columns;		/* else its columns: of Var */
} Piece;

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
static Stage *
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

static Piece *
narrowed_piece(const StepJoin *join, int factor)
{
	if (!is_narrowed(join, factor))
		return window_piece(join, factor);
	return make_piece(psprintf(NARROWED_NAME, factor),
					  needed_columns(join, bms_make_singleton(factor)));
}

/* D_i, which is the narrowed delta itself if the group has no other factors */
static Piece *
changes_piece(const StepJoin *join, int i)
{
	if (bms_membership(join->groups[i]) == BMS_SINGLETON)
		return narrowed_piece(join, join->changed[i]);
	return make_piece(psprintf(CHANGES_NAME, i),
					  needed_columns(join, join->groups[i]));
}

/* dP_i */
static Piece *
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

/* ---- run ---- */

/* A relation that a step has made. */
typedef struct JoinRelation
{
	char	   *name;
	ChangeWindow window;
} JoinRelation;

typedef struct StepRun
{
	DeltaRun   *run;
	const Branch *branch;
	int			stage;
	int64		narrowed[MAX_STEP_FACTORS + 1]; /* rows, per factor, from 1 */
	/* while the order is chosen */
	StepJoin   *join;
	List	   *equalities;
	Bitmapset  *unchanged;		/* factors */
	Bitmapset  *reached;		/* factors taken, and what comes with them */
} StepRun;

static int64
factor_changes(const StepRun *s, int factor)
{
	int			input = factor_input(s->run->program,
									 list_nth(s->branch->factors, factor - 1));

	if (input < 0 || (s->run->changed & INPUT_BIT(input)) == 0)
		return 0;
	return s->run->deltas[input].nrows;
}

/* Run a statement and keep its rows, netted, as a relation. */
static int64
keep_relation(StepRun *s, Statement *statement, const char *name, List *columns)
{
	DeltaRun   *run = s->run;
	MemoryContext old = MemoryContextSwitchTo(run->context);
	JoinRelation *relation = palloc0(sizeof(JoinRelation));
	TupleDesc	desc = window_descriptor(columns_stage(columns));
	Consolidation *c = consolidate_begin(desc, run->program->unit_weights);
	RelationOrigin *origin = input_origin(run->program, 0);

	origin->branch = s->branch;
	origin->columns = columns;
	relation->name = pstrdup(name);
	statement->desc = desc;
	statement->bulk = true;
	statement->key.stage = s->stage;
	program_execute(run->program, statement, receive_weighted, c);
	consolidate_end(c, &relation->window);
	if (relation->window.rows == NULL)
		relation->window.rows = tuplestore_begin_heap(false, false, work_mem);
	program_register(relation->name, desc, relation->window.rows,
					 relation->window.nrows, origin);
	run->joins = lappend(run->joins, relation);
	MemoryContextSwitchTo(old);
	return relation->window.nrows;
}

static int
magnitude(int64 rows)
{
	return rows > 0 ? pg_leftmost_one_pos64(rows) : 0;
}

static uint64
sizes_of(int64 a, int64 b)
{
	return sizes_add(sizes_add(0, 0, a), 1, b);
}

static void
narrow(StepRun *s)
{
	for (int factor = 1; factor <= list_length(s->branch->factors); factor++)
	{
		Statement	statement = {.key = {.kind = PLAN_JOIN_NARROW, .step = factor}};
		Piece	   *piece;

		s->narrowed[factor] = factor_changes(s, factor);
		if (s->narrowed[factor] == 0 || !is_narrowed(s->join, factor))
			continue;
		piece = narrowed_piece(s->join, factor);
		statement.sizes = sizes_of(s->narrowed[factor], 0);
		s->narrowed[factor] = keep_relation(s, &statement, piece->name, piece->columns);
	}
}

/*
 * How much less a group leaves of what it is joined with, in powers of two: by
 * what quals have left of the factor's changes, and by guess for each factor
 * that would come with it and has quals of its own.
 */
static int
selectivity(const StepRun *s, int factor)
{
	const ChangeWindow *window = &s->run->deltas[factor_input(s->run->program,
															  list_nth(s->branch->factors, factor - 1))];
	Bitmapset  *company = add_connected(s->equalities, bms_make_singleton(factor),
										s->unchanged);
	int			result = magnitude(window->nchanges) - magnitude(window->npassed) +
		magnitude(window->nrows) - magnitude(s->narrowed[factor]);
	int			member = -1;

	company = bms_difference(bms_intersect(company, s->unchanged), s->reached);
	while ((member = bms_next_member(company, member)) >= 0)
		if (has_quals(s->join, member))
			result += 2;
	return Max(result, 0);
}

/* Rows of the table that a factor is, as they were counted last. */
static double
factor_rows(const StepRun *s, int factor)
{
	Oid			relid = ((Factor *) list_nth(s->branch->factors, factor - 1))->relid;
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	double		rows = 0;

	if (HeapTupleIsValid(tuple))
	{
		rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows > 0 ? rows : UNKNOWN_ROWS;
}

/*
 * What joining a group takes off a prefix of that many rows, by what it costs:
 * the rank by which filters are best applied.
 */
static double
rank(const StepRun *s, int factor, double prefix)
{
	double		passing = 1.0 / (1 << Min(selectivity(s, factor), 30));
	double		lookups = Min(prefix * LOOKUP_COST, factor_rows(s, factor) * SCAN_COST);

	return (1 - passing) / (lookups + prefix * SCAN_COST);
}

/* Should factor a be taken before b?  prefix: rows of what was taken, 0: none */
static bool
comes_before(const StepRun *s, int a, int b, double prefix)
{
	int			by_size = magnitude(s->narrowed[a]) - magnitude(s->narrowed[b]);
	double		by_rank = prefix > 0 ? rank(s, a, prefix) - rank(s, b, prefix) : 0;

	if (by_rank != 0)
		return by_rank > 0;
	return by_size != 0 ? by_size > 0 : a < b;
}

static int
next_factor(const StepRun *s, const Bitmapset *candidates, double prefix)
{
	int			best = -1;
	int			factor = -1;

	while ((factor = bms_next_member(candidates, factor)) >= 0)
		if (best < 0 || comes_before(s, factor, best, prefix))
			best = factor;
	return best;
}

static uint64
choose_order(StepRun *s)
{
	Bitmapset  *rest = NULL;
	uint64		order = 0;
	double		prefix = 0;

	for (int factor = 1; factor <= list_length(s->branch->factors); factor++)
		if (s->narrowed[factor] > 0)
			rest = bms_add_member(rest, factor);
		else
			s->unchanged = bms_add_member(s->unchanged, factor);
	for (int i = 0; !bms_is_empty(rest); i++)
	{
		Bitmapset  *candidates = add_neighbours(s->equalities, s->reached, rest);
		int			factor = next_factor(s, bms_is_empty(candidates) ? rest : candidates,
										 prefix);

		order |= (uint64) factor << (ORDER_BITS * i);
		if (i == 0)
			prefix = 2 << magnitude(s->narrowed[factor]);
		else
			prefix = Max(prefix / (1 << Min(selectivity(s, factor), 30)), 1);
		rest = bms_del_member(rest, factor);
		s->reached = bms_add_member(s->reached, factor);
		s->reached = add_connected(s->equalities, s->reached, s->unchanged);
	}
	return order;
}

/* D_i for all i, and dP_i for all but the last; the sizes that that will meet. */
static uint64
take_steps(StepRun *s, const StepJoin *join, uint64 order)
{
	int64		changes[MAX_STEP_FACTORS + 1] = {0};
	int64		before;

	for (int i = 1; i <= join->ngroups; i++)
	{
		Statement	statement = {.key = {.kind = PLAN_JOIN_CHANGES, .step = i, .order = order}};
		Piece	   *piece = changes_piece(join, i);

		changes[i] = s->narrowed[join->changed[i]];
		if (join->ngroups == 1 || bms_membership(join->groups[i]) == BMS_SINGLETON)
			continue;
		statement.sizes = sizes_of(changes[i], 0);
		changes[i] = keep_relation(s, &statement, piece->name, piece->columns);
	}
	before = changes[1];
	for (int i = 2; i < join->ngroups; i++)
	{
		Statement	statement = {.key = {.kind = PLAN_JOIN_STEP, .step = i, .order = order}};
		Piece	   *piece = prefix_piece(join, i);

		statement.sizes = sizes_of(before, changes[i]);
		before = keep_relation(s, &statement, piece->name, piece->columns);
	}
	return sizes_of(before, changes[join->ngroups]);
}

static bool
has_other_reference(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno <= 0;
	if (IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, has_other_reference, context);
}

/* Are all its expressions over plain columns of tables and stages? */
static bool
is_plain_join(const Branch *branch)
{
	ListCell   *lc;

	if (list_length(branch->factors) > MAX_STEP_FACTORS)
		return false;
	foreach(lc, branch->factors)
		if (((Factor *) lfirst(lc))->function != NULL)
			return false;
	return !has_other_reference((Node *) branch->quals, NULL) &&
		!has_other_reference((Node *) branch->targets, NULL);
}

static bool
takes_steps(const StepRun *s, const Statement *statement, List *branches)
{
	int			nchanged = 0;

	if (!is_bulk(statement->rows) || list_length(branches) != 1 ||
		(statement->key.mask & CLOCK_BIT) || !is_plain_join(s->branch))
		return false;
	for (int factor = 1; factor <= list_length(s->branch->factors); factor++)
		nchanged += factor_changes(s, factor) > 0;
	return nchanged > 1;
}

bool
join_steps_begin(DeltaRun *run, List *branches, Statement *statement)
{
	StepRun		s = {
		.run = run,
		.branch = linitial(branches),
		.stage = statement->key.stage
	};
	StepJoin   *join;

	if (!takes_steps(&s, statement, branches))
		return true;
	s.join = begin_join(run->program, s.branch);
	s.equalities = branch_equalities(s.branch);
	narrow(&s);
	statement->key.order = choose_order(&s);
	if (statement->key.order == 0)
		return false;
	join = divide_join(run->program, s.branch, statement->key.order);
	statement->sizes = take_steps(&s, join, statement->key.order);
	statement->key.mask = 0;	/* the text follows from the order */
	statement->bulk = true;
	return true;
}

void
join_steps_end(DeltaRun *run)
{
	ListCell   *lc;

	foreach(lc, run->joins)
	{
		JoinRelation *relation = lfirst(lc);

		program_unregister(relation->name);
		tuplestore_end(relation->window.rows);
	}
	run->joins = NIL;
}
