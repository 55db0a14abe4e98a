/*-------------------------------------------------------------------------
 *
 * whole_row.c
 *	  Whole rows as values, in terms of columns.
 *
 *		t  =  pgtrickle.typed_row(ROW(t.c1, t.c2, ...)::type of t)
 *
 * where the row is there, which it is unless an outer join may have put NULL
 * in its place.  There the value is taken below the join,
 *
 *		A LEFT JOIN t  =  A LEFT JOIN (SELECT *, t FROM t)
 *
 * so that it is NULL, and not a row of NULLs, just where the join says so.  The
 * row of a join with an alias is made of the join's columns.  Below an outer join
 * PostgreSQL 15 does the same; where later ones put NULL, the query is recomputed.
 *
 * A row of a subquery or join has no type but record; its columns have names,
 * which to_jsonb() and the like show, and which are lost when ROW(...) is
 * printed.  So it is
 *
 *		pgtrickle.named_row(ROW(c1, c2, ...), '{name1,name2,...}')
 *
 * typed_row() is its argument.  It keeps the parser from taking ROW(...) IN
 * (SELECT t ...) for a comparison of columns, and the planner from taking the NULL
 * that stands for a dropped column for one that IS NOT NULL asks about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---- what cannot be NULL ---- */

static void
add_nullable(Node *jointree, bool nullable, Bitmapset **result)
{
	if (IsA(jointree, RangeTblRef))
	{
		if (nullable)
			*result = bms_add_member(*result, ((RangeTblRef *) jointree)->rtindex);
	}
	else if (IsA(jointree, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) jointree)->fromlist)
			add_nullable(lfirst(lc), nullable, result);
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, jointree);

		add_nullable(join->larg, nullable || join->jointype == JOIN_RIGHT ||
					 join->jointype == JOIN_FULL, result);
		add_nullable(join->rarg, nullable || join->jointype == JOIN_LEFT ||
					 join->jointype == JOIN_FULL, result);
	}
}

/* References to the whole row of one entry, from its level and those below. */
typedef struct References
{
	int			varno;
	int			level;
	int			column;			/* what they become, or 0 */
	Var		   *found;
} References;

static bool
references_walker(Node *node, References *refs)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == refs->varno && var->varlevelsup == refs->level &&
			var->varattno == 0)
		{
			refs->found = var;
			if (refs->column != 0)
				var->varattno = var->varattnosyn = refs->column;
		}
		return false;
	}
	if (IsA(node, Query))
	{
		refs->level++;
		(void) query_tree_walker((Query *) node, references_walker, refs, 0);
		refs->level--;
		return false;
	}
	return expression_tree_walker(node, references_walker, refs);
}

/* One of them, of a level's own entry; with a column, all are made that. */
static Var *
row_references(Query *query, int rtindex, int column)
{
	References	refs = {.varno = rtindex,.column = column};

	(void) query_tree_walker(query, references_walker, &refs, 0);
	return refs.found;
}

/* ---- below outer joins ---- */

/* SELECT *, row FROM entry */
static Query *
select_with_row(const Query *level, RangeTblEntry *rte, int rtindex, const Var *row)
{
	RangeTblEntry *inner = copyObject(rte);
	Query	   *query = select_from(inner);
	List	   *policies = inner->securityQuals;
	List	   *columns;
	ListCell   *lc;

	/* all that the entry looks at is one level up now, but for itself */
	inner->securityQuals = NIL;
	IncrementVarSublevelsUp_rtable(query->rtable, 1, 0);
	ChangeVarNodes((Node *) policies, rtindex, 1, 0);
	inner->securityQuals = policies;
	pgt_share_selected_columns(query, level);
	expandRTE(inner, 1, 0, VAR_RETURNING_DEFAULT, -1, true, NULL, &columns);
	columns = lappend(columns, makeVar(1, 0, row->vartype, row->vartypmod,
									   row->varcollid, 0));
	foreach(lc, columns)
		add_target(query, lfirst(lc));
	return query;
}

static void
take_row_below(Query *query, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	RangeTblEntry *result;
	Var		   *row;

	if (rte->rtekind == RTE_JOIN ||
		(row = row_references(query, rtindex, 0)) == NULL)
		return;
	result = makeNode(RangeTblEntry);
	result->rtekind = RTE_SUBQUERY;
	result->subquery = select_with_row(query, rte, rtindex, row);
	result->lateral = rte->lateral;
	result->inFromCl = rte->inFromCl;
	result->eref = numbered_alias(rte->eref->aliasname,
								  list_length(result->subquery->targetList));
	(void) row_references(query, rtindex, list_length(result->eref->colnames));
	*rte = *result;
}

static void
take_rows_below(Query *query)
{
	Bitmapset  *nullable = NULL;
	int			rtindex = -1;

	add_nullable((Node *) query->jointree, false, &nullable);
	while ((rtindex = bms_next_member(nullable, rtindex)) >= 0)
		take_row_below(query, rtindex);
}

/* ---- rows as columns ---- */

typedef struct Expansion
{
	List	   *queries;		/* the levels around, innermost first */
	const char *reason;
} Expansion;

static bool
are_default_names(const List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(strVal(lfirst(lc)),
				   psprintf("f%d", foreach_current_index(lc) + 1)) != 0)
			return false;
	return true;
}

static Const *
names_const(const List *names)
{
	Datum	   *datums = palloc(sizeof(Datum) * list_length(names));
	ArrayType  *array;
	ListCell   *lc;

	foreach(lc, names)
		datums[foreach_current_index(lc)] = CStringGetTextDatum(strVal(lfirst(lc)));
	array = construct_array(datums, list_length(names), TEXTOID, -1, false, TYPALIGN_INT);
	return makeConst(TEXTARRAYOID, -1, DEFAULT_COLLATION_OID, -1,
					 PointerGetDatum(array), false, false);
}

static Oid
row_function(const char *name, int nargs, const Oid *argtypes)
{
	return LookupFuncName(list_make2(makeString("pgtrickle"), makeString(pstrdup(name))),
						  nargs, argtypes, false);
}

static Oid
named_row_oid(void)
{
	Oid			argtypes[] = {RECORDOID, TEXTARRAYOID};

	return row_function("named_row", lengthof(argtypes), argtypes);
}

static Oid
typed_row_oid(void)
{
	Oid			argtypes[] = {ANYELEMENTOID};

	return row_function("typed_row", lengthof(argtypes), argtypes);
}

RowExpr *
row_of_columns(Node *expr)
{
	if (IsA(expr, FuncExpr) && type_is_rowtype(exprType(expr)) &&
		(((FuncExpr *) expr)->funcid == named_row_oid() ||
		 ((FuncExpr *) expr)->funcid == typed_row_oid()))
		expr = linitial(((FuncExpr *) expr)->args);
	return IsA(expr, RowExpr) ? (RowExpr *) expr : NULL;
}

static Node *
row_expr(List *columns, Oid type)
{
	RowExpr    *row = makeNode(RowExpr);

	row->args = columns;
	row->row_typeid = type;
	row->row_format = type == RECORDOID ? COERCE_EXPLICIT_CALL : COERCE_EXPLICIT_CAST;
	row->location = -1;
	return (Node *) row;
}

/* A record whose columns have these names. */
static Node *
record_expr(List *columns, const List *names)
{
	Node	   *row = row_expr(columns, RECORDOID);

	return (Node *) makeFuncExpr(named_row_oid(), RECORDOID,
								 list_make2(row, names_const(names)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Node *
composite_expr(List *columns, Oid type)
{
	Node	   *row = row_expr(columns, type);

	return (Node *) makeFuncExpr(typed_row_oid(), type, list_make1(row),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Number of columns of a table's, view's or CREATE TYPE's type, else -1. */
static int
composite_natts(Oid type)
{
	TupleDesc	desc;
	int			natts;

	if (get_typtype(type) != TYPTYPE_COMPOSITE)
		return -1;
	desc = lookup_rowtype_tupdesc(type, -1);
	natts = desc->natts;
	ReleaseTupleDesc(desc);
	return natts;
}

static Node *
row_value(const Var *var, Expansion *x)
{
	Query	   *query = list_nth(x->queries, var->varlevelsup);
	RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
	bool		is_record = var->vartype == RECORDOID;
	List	   *names;
	List	   *columns;

	if (rte->rtekind == RTE_JOIN && pgt_is_nulled(var))
	{
		/* nothing is made of it */
		x->reason = "it uses the row of a join below an outer join as a value";
		return (Node *) makeNullConst(var->vartype, var->vartypmod, var->varcollid);
	}
	expandRTE(rte, var->varno, var->varlevelsup, VAR_RETURNING_DEFAULT, -1, !is_record,
			  &names, &columns);
	if (is_record)
		return record_expr(columns, names);
	if (list_length(columns) == composite_natts(var->vartype))
		return composite_expr(columns, var->vartype);
	x->reason = "it uses a whole row as a value whose columns are not known";
	return copyObject((Node *) var);
}

/* The column of a row that is made of columns, or NULL. */
static Node *
selected_column(const FieldSelect *select)
{
	RowExpr    *row = row_of_columns((Node *) select->arg);

	return row == NULL || select->fieldnum > list_length(row->args) ? NULL :
		list_nth(row->args, select->fieldnum - 1);
}

/* The tables' rows are columns now. */
static void
select_columns(Query *query)
{
	const int	whole = 0 - FirstLowInvalidHeapAttributeNumber;
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		Bitmapset  *selected;
		List	   *columns;
		ListCell   *lv;

		if (rte->rtekind != RTE_RELATION ||
			!bms_is_member(whole, pgt_selected_columns(query, rte)))
			continue;
		selected = bms_del_member(bms_copy(pgt_selected_columns(query, rte)), whole);
		expandRTE(rte, 1, 0, VAR_RETURNING_DEFAULT, -1, false, NULL, &columns);
		foreach(lv, columns)
			selected = bms_add_member(selected, ((Var *) lfirst(lv))->varattno -
									  FirstLowInvalidHeapAttributeNumber);
		pgt_forget_selected_columns(rte);
		pgt_select_columns(query, rte, selected);
	}
}

static Node *
row_mutator(Node *node, Expansion *x)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varattno == 0)
		return row_value((Var *) node, x);
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		select_columns(query);
		take_rows_below(query);
		x->queries = lcons(query, x->queries);
		query = query_tree_mutator(query, row_mutator, x, 0);
		x->queries = list_delete_first(x->queries);
		return (Node *) query;
	}
	node = expression_tree_mutator(node, row_mutator, x);
	if (IsA(node, RowExpr) && ((RowExpr *) node)->row_typeid == RECORDOID &&
		!are_default_names(((RowExpr *) node)->colnames))
		return record_expr(((RowExpr *) node)->args, ((RowExpr *) node)->colnames);
	if (IsA(node, FieldSelect))
	{
		Node	   *column = selected_column((FieldSelect *) node);

		if (column != NULL && exprType(column) == exprType(node))
			return column;
	}
	return node;
}

const char *
analyze_expand_rows(Query **query)
{
	Expansion	x = {0};

	*query = (Query *) row_mutator((Node *) *query, &x);
	return x.reason;
}
