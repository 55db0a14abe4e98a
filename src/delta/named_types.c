/*-------------------------------------------------------------------------
 *
 * named_types.c
 *	  Which types the statements of a query may name.
 *
 * Every table comes with a row type, so types come and go all the time.  A
 * compiled query must be forgotten when one of its own changes, and ought not
 * to be when a temporary table is created.
 *
 * A statement is made of the query's expressions, whose types it names where
 * there is a cast or a constant, and of comparisons of its columns.  So a type
 * that it names is
 *
 *		the type of an expression of the query, or of a column of a function
 *		or VALUES in it;
 *		what an operator takes that the query names, or sorts or groups by, or
 *		that is the default equality of such a type;
 *		the base, the element or the array type of one of these;
 *		or a type of PostgreSQL's own, which nobody changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct TypeWalk
{
	List	   *types;			/* oids */
	bool		complete;
} TypeWalk;

static void note_type(Oid type, TypeWalk *walk);

static void
note_operator(Oid opno, TypeWalk *walk)
{
	Oid			left,
				right;

	if (!OidIsValid(opno))
		return;
	op_input_types(opno, &left, &right);
	note_type(left, walk);
	note_type(right, walk);
}

static void
note_type(Oid type, TypeWalk *walk)
{
	if (!OidIsValid(type) || list_member_oid(walk->types, type))
		return;
	walk->types = lappend_oid(walk->types, type);
	note_type(getBaseType(type), walk);
	note_type(get_element_type(type), walk);
	note_type(get_array_type(type), walk);
	if (get_typtype(type) != TYPTYPE_PSEUDO)
		note_operator(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr, walk);
}

static void
note_types(List *types, TypeWalk *walk)
{
	ListCell   *lc;

	foreach(lc, types)
		note_type(lfirst_oid(lc), walk);
}

static void
note_range(RangeTblEntry *rte, TypeWalk *walk)
{
	ListCell   *lc;

	note_types(rte->coltypes, walk);
	foreach(lc, rte->functions)
		note_types(((RangeTblFunction *) lfirst(lc))->funccoltypes, walk);
	if (rte->tablefunc != NULL)
		note_types(rte->tablefunc->coltypes, walk);
}

static bool
type_walker(Node *node, TypeWalk *walk)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			foreach(lc, ((Query *) node)->rtable)
				note_range(lfirst(lc), walk);
			return query_tree_walker((Query *) node, type_walker, walk,
									 QTW_EXAMINE_SORTGROUP);
		case T_SortGroupClause:
			note_operator(((SortGroupClause *) node)->eqop, walk);
			note_operator(((SortGroupClause *) node)->sortop, walk);
			return false;
		case T_SetOperationStmt:
			note_types(((SetOperationStmt *) node)->colTypes, walk);
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			note_operator(((OpExpr *) node)->opno, walk);
			note_type(exprType(node), walk);
			break;
		case T_ScalarArrayOpExpr:
			note_operator(((ScalarArrayOpExpr *) node)->opno, walk);
			break;
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
				note_operator(lfirst_oid(lc), walk);
			break;
		case T_Var:
		case T_Const:
		case T_Param:
		case T_Aggref:
		case T_WindowFunc:
		case T_SubscriptingRef:
		case T_FuncExpr:
		case T_NamedArgExpr:
		case T_SubLink:
		case T_FieldSelect:
		case T_FieldStore:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_SQLValueFunction:
		case T_XmlExpr:
		case T_CoerceToDomain:
		case T_CoerceToDomainValue:
		case T_CaseExpr:
			note_type(exprType(node), walk);
			break;
		case T_List:
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_RangeTblFunction:
		case T_TableFunc:
		case T_TableSampleClause:
		case T_CommonTableExpr:
		case T_WindowClause:
		case T_GroupingSet:
		case T_GroupingFunc:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_CollateExpr:
		case T_CaseWhen:
			break;
		default:
			walk->complete = false;
			break;
	}
	return expression_tree_walker(node, type_walker, walk);
}

bool
query_named_types(Query *query, List **types)
{
	TypeWalk	walk = {.complete = true};

	(void) type_walker((Node *) query, &walk);
	*types = walk.types;
	return walk.complete;
}
