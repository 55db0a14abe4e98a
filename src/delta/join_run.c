/*-------------------------------------------------------------------------
 *
 * join_run.c
 *	  Take the steps to the delta of a join, see join_steps.c, in an order that
 *	  is chosen by what has changed.
 *
 * First comes the largest delta, then those groups that promise to take the most
 * off dP for the least work.  What part of its changes a table's quals let
 * through, they will let through of dP.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "buffer/consolidate.h"
#include "catalog/pg_class.h"
#include "delta/join_steps.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "port/pg_bitutils.h"
#include "utils/syscache.h"

/* Time of a lookup by an index and of a row that is merely read, in a unit. */
#define LOOKUP_COST		2.0
#define SCAN_COST		0.12
/* Rows of what has not been counted. */
#define UNKNOWN_ROWS	1000000.0

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
