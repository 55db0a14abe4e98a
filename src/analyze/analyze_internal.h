/*-------------------------------------------------------------------------
 *
 * analyze_internal.h
 *	  What the files of analyze/ share.
 *
 * Every function that may meet something it has no rule for takes the analysis
 * and notes the reason there; its result means nothing then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_ANALYZE_INTERNAL_H
#define PGT_ANALYZE_INTERNAL_H

#include "analyze/analyze.h"

/* What the analyses of a query and of its stored parts share. */
typedef struct SharedStages
{
	List	   *all;			/* of Stage, by number; also given up ones */
	List	   *stored;			/* of Stage */
	List	   *queries;		/* of Query: what the stored ones stand for;
								 * NULL for a polled source */
	List	   *polled;			/* of PolledSource */
} SharedStages;

typedef struct Analysis
{
	SharedStages *shared;
	List	   *stages;			/* of Stage */
	const char *reason;			/* NULL as long as all is well */
	bool		whole;			/* it is about the query itself, whose text
								 * is at hand */
	bool		impossible;		/* there is no other form to try */
} Analysis;

/*
 * Expressions that become the columns of an input: exprs[i] is column i + 1,
 * in terms of the query below; readers refer to it by Var(varno, i + 1).
 */
typedef struct Columns
{
	int			varno;			/* of the input, in the reading query */
	List	   *exprs;			/* of Node, distinct */
	List	   *whole;			/* expressions to be taken as they are */
	List	   *rtindexes;		/* only Vars of these; NIL: of all */
	bool		grouped;		/* aggregates are columns too */
	bool		sublinks;		/* subqueries are columns too */
	bool		complete;		/* there are no more columns */
	int			depth;			/* run time: levels below the reader */
} Columns;

/* ---- stage.c ---- */
extern Stage *stage_sum(Analysis *an, List *branches);
/* The same, but never one that is among the inputs already. */
extern Stage *stage_sum_unshared(Analysis *an, List *branches, List *inputs);
extern Stage *stage_block(Analysis *an, StageRule rule, const char *what,
						  Query *query, List *inputs);
/* A closed query whose result is kept, also for others that ask for the same. */
extern Stage *stage_stored(Analysis *an, Query *query);
/* The stored stage of a query, if there is one already. */
extern Stage *find_stored(Analysis *an, Query *query);
/* Keep the result of a query, of which tree is the analysis. */
extern Stage *keep_stored(Analysis *an, Query *query, QueryTree *tree);
/* The stage that the step of a recursion reads; columns are of OutputColumn. */
extern Stage *stage_working(Analysis *an, List *columns);
extern Stage *stage_recursion(Analysis *an, Stage *working, List *branches,
							  List *step);
/* Forget the stages made since there were so many: nobody else has seen them. */
extern void forget_stages(Analysis *an, int nstages, int nstored);
/* An input of a block; it has no keys and no pairs yet. */
extern StageInput *stage_input(Stage *stage);
/* A range table entry that reads a stage under its name, and the way back. */
extern RangeTblEntry *stage_rte(const Stage *stage);
extern Stage *stage_of_rte(Analysis *an, const RangeTblEntry *rte);
/* The sum of one branch that has all columns of a stage. */
extern List *stage_branches(Stage *stage);
extern Var *stage_var(const Stage *stage, int varno, int column);
extern List *stage_vars(const Stage *stage, int varno);
/* Append a column to a block's select list. */
extern void add_target(Query *query, Node *expr);
/* Columns of the result that have the given origins, all of them or NIL. */
extern List *unique_outputs(const Stage *stage, const List *origins);
/* Columns that are a key of a sum, or NIL. */
extern List *branches_unique(List *branches);
/* c1, c2, ... */
extern Alias *numbered_alias(const char *name, int ncolumns);
/* SELECT, without columns yet, FROM the entry. */
extern Query *select_from(RangeTblEntry *rte);
/* SELECT all columns FROM the stage. */
extern Query *stage_query(const Stage *stage);
extern OutputColumn *make_output(const char *name, Node *expr);
extern void stage_set_key(Stage *stage, int i, Oid eqop, Oid collation);

/* ---- analyze.c ---- */
extern QueryTree *analyze_tree(Analysis *an, Query *query);

/* ---- columns.c ---- */
extern int	columns_add(Columns *columns, Node *expr);
/* The node in terms of the reading query; adds the columns it needs. */
extern Node *columns_map(Columns *columns, Node *node);
extern int	list_position(List *list, Node *node);

/* Something in FROM: a sum of branches, or a function. */
typedef struct FromItem
{
	List	   *branches;		/* of Branch; NIL: a function */
	int			rtindex;		/* its columns are the targets of the branches;
								 * or, without targets, the only factor's */
	List	   *columns;		/* of an outer join, rtindex 0: of Var, what
								 * the targets of the branches are */
} FromItem;

/* What collecting a join tree yields. */
typedef struct From
{
	Analysis   *an;
	Query	   *query;
	List	   *items;			/* of FromItem */
	List	   *laterals;		/* of int: LATERAL subqueries */
	List	   *quals;
	bool		store;			/* keep the results of grouped subqueries */
} From;

/* ---- level.c ---- */
/* The product of the items, selected and projected. */
extern List *from_products(From *from, List *quals, List *targets);
/* As normalize_query(), but gives up with a reason. */
extern List *normalize_level(Analysis *an, Query *query);
/* The sum of branches that a closed query stands for. */
extern List *normalize_query(Analysis *an, Query *query);
/*
 * FROM and WHERE of a query, projected to the given expressions, which have
 * neither aggregates nor window functions.
 */
extern List *normalize_core(Analysis *an, Query *query, List *targets);
/* The same of a part of the join tree, with conditions of its own. */
extern List *normalize_from(Analysis *an, Query *query, Node *jointree,
							List *quals, List *targets);
/* Why a table cannot be read, or NULL. */
extern const char *relation_reason(const Analysis *an, const RangeTblEntry *rte);
extern List *visible_targets(Query *query);
extern void flatten_aliases(Query *query);
extern List *level_vars(Query *query);

/* ---- membership.c ---- */
/*
 * Conditions of WHERE in which x IN (subquery) has become a join, where no x is
 * in the subquery twice; adds items to FROM.
 */
extern List *join_memberships(From *from, List *quals);

/* ---- polled.c ---- */
extern bool is_polled(const Analysis *an, Oid relid);
/*
 * The sum of one branch that stands for a polled source: its targets are the
 * attributes of the relation, NULL where the query uses none.
 */
extern List *polled_branches(Analysis *an, Oid relid);

/* ---- union.c ---- */
extern List *normalize_setop(Analysis *an, Query *query);
/* The branches of one arm of a query's set operation, with its types. */
extern List *setop_arm(Analysis *an, Query *query, Node *arm,
					   SetOperationStmt *setop);

/* ---- recursion.c ---- */
extern List *normalize_recursion(Analysis *an, Query *query);

/* ---- upper.c ---- */
extern bool query_is_grouped(const Query *query);
extern List *normalize_limit(Analysis *an, Query *query);
extern List *normalize_distinct(Analysis *an, Query *query);
extern List *normalize_windows(Analysis *an, Query *query);
extern List *normalize_groups(Analysis *an, Query *query);

/* ---- outer_join.c ---- */
/*
 * The stage of an outer join; *columns gets the Vars of the query that its
 * columns are.
 */
extern Stage *outer_join_stage(Analysis *an, Query *query, JoinExpr *join,
							   List **columns);
/*
 * The range table entry of entry 1 JOIN entry 2, given their columns, as
 * printing needs it.
 */
extern RangeTblEntry *join_rte(JoinType jointype, const List *left,
							   const List *right);
/* The sides of an equality that values can be looked up by; false if none. */
extern bool equality_sides(Node *qual, Node **left, Node **right);
/* Add the pair "left op right", whose operands were swapped if so. */
extern void input_add_pair(StageInput *input, const OpExpr *op, bool swapped,
						   int left, int right);

/* ---- lateral_join.c ---- */
/* L LEFT JOIN R ON quals, where R or quals look at each row of L. */
typedef struct LateralJoin
{
	Node	   *left;			/* join trees */
	Node	   *right;
	List	   *left_rtindexes;
	List	   *right_rtindexes;
	List	   *left_columns;	/* of Var, those that the query uses */
	List	   *right_columns;
	Node	   *quals;
} LateralJoin;

/* Its stage, whose columns are those of the left side, then of the right. */
extern Stage *lateral_join_stage(Analysis *an, Query *query,
								 const LateralJoin *join);

/* The making of a block that is linear in L; see subquery.c. */
typedef struct Subqueries
{
	Analysis   *an;
	From	   *from;
	int			nrte;			/* range table entries of the level */
	Columns		left;			/* L's columns, as entry nrte + 1 */
	List	   *inputs;			/* of StageInput: the R's */
	int			level;			/* run time: levels between here and L */
} Subqueries;

/* ---- subquery.c ---- */
/* A level with subqueries in its expressions, or LATERAL ones in FROM. */
extern List *normalize_subqueries(From *from, List *quals, List *targets);
/*
 * A block of jointree LEFT JOIN LATERAL, of which the one subquery in
 * from->laterals is the nullable side; rtindexes are those below jointree.
 */
extern Stage *left_lateral_stage(From *from, Node *jointree, List *rtindexes,
								 Node *quals, List *targets);
/*
 * A copy of a subquery whose FROM and WHERE look at no outer query any more,
 * the conditions that did being in *outer_quals; NULL if they cannot be parted.
 */
extern Query *part_subquery(Query *query, List **outer_quals);
extern bool has_outer_references(Query *query);
extern bool expr_has_outer_references(Node *expr);
/* Does the query always have exactly one row, whoever reads it? */
extern bool query_is_single_row(Query *query);
/* Has it at most one, whoever reads it? */
extern bool has_at_most_one_row(Query *query);
/* Take scalar subqueries that have exactly one row into FROM. */
extern void pull_up_scalars(Query *query, bool targets);

/* ---- grouping_sets.c ---- */
/* Sets without a common key as a sum of groups; NIL if that cannot be. */
extern List *normalize_grouping_sets(Analysis *an, Query *query);

/* ---- operators.c ---- */
/* Is the operator found by its name alone, in pg_catalog? */
extern bool operator_prints_safely(Oid opno);

/* ---- order.c ---- */
/*
 * Rid a query, which is scribbled upon, of what ORDER BY, LIMIT and OFFSET are
 * there for without choosing rows.
 */
extern void settle_order(Query *query);

/* ---- whole_row.c ---- */
/* The ROW(...) that an expression is, also by way of named_row(), or NULL. */
extern RowExpr *row_of_columns(Node *expr);

/* ---- printable.c ---- */
/* What keeps a query from being printed as what it is, or NULL. */
extern const char *unprintable_reason(Query *query);

/* ---- subquery.c, for the making of blocks ---- */
/* The input that an entry reads, or NULL. */
extern StageInput *input_of_rte(Subqueries *sub, const RangeTblEntry *rte);
/* Is it one aggregation of all rows, and nothing after that? */
extern bool aggregates_all(const Query *query);
/* Does it do nothing with its rows but select columns? */
extern bool selects_only(const Query *query);

/* ---- group_lookup.c ---- */
/* Turn aggregates that are looked up by equality into a join with groups. */
extern void join_group_lookups(Subqueries *sub, Query *block);

/* ---- opaque.c ---- */
/*
 * A whole query as one part, its tables as inputs; whole: it will not be
 * printed.
 */
extern List *normalize_opaque(Analysis *an, Query *query, const char *what,
							  bool whole);
/* Replace every table below a query by an input; appends to *inputs. */
extern void read_inputs_raw(Analysis *an, Query *query, List **inputs);

/* ---- cte.c ---- */
extern Query *inline_ctes(Query *query);
/*
 * The form in which that leaves a recursive WITH query: it selects all of it,
 * and does nothing else.
 */
extern bool is_recursive_query(const Query *query);
/* Put a query where one of WITH is read; depth: levels from that WITH to node. */
extern void replace_cte(Node *node, CommonTableExpr *cte, Query *standing,
						int depth);

/* ---- clock.c ---- */
/* Is it a comparison with a function of the clock that has a delta? */
extern bool is_clock_bound(Node *node);

/* ---- pinned.c ---- */
/*
 * Does a call of the function by the node depend on nothing but its arguments
 * and pinned settings?  queries are the levels around, the innermost first.
 */
extern bool call_is_pinned(Node *call, Oid funcid, List *queries);
/* The same of a function in FROM whose columns the query declares. */
extern bool record_call_is_pinned(const RangeTblFunction *function);
/* The same of showing an expression as text, or as JSON. */
extern bool output_is_pinned(Node *expr, List *queries, bool json);
/* The same of reading a type from text; never true of a domain. */
extern bool type_input_is_pinned(Oid type);

/* ---- determined.c ---- */
/* Do all rows that tie with one have the frame that it has? */
extern bool frame_has_peers(int frameOptions);
/* Why the result of a block is not a function of its inputs, or NULL. */
extern const char *undetermined_reason(Analysis *an, Query *query);
/*
 * Is the result one but for which of several equal values a column shows that is
 * the minimum or maximum of a subquery, or in which order one shows what a
 * subquery gathers?
 */
extern bool is_equal_again(Analysis *an, Query *query);

#endif							/* PGT_ANALYZE_INTERNAL_H */
