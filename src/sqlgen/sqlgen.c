/*-------------------------------------------------------------------------
 *
 * sqlgen.c
 *	  Names and expressions as SQL text.
 *
 * Expressions are printed by PostgreSQL's own deparser, which is told that the
 * range table consists of relations with made-up column names c1, c2, ...: a
 * column is known by its number, so no user's name can be mistaken for another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "sqlgen/sqlgen.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

static RangeTblEntry *
named_rte(const char *name, List *colnames)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_CTE;
	rte->ctename = pstrdup(name);
	rte->alias = rte->eref = makeAlias(name, colnames);
	rte->inFromCl = true;
	return rte;
}

static List *
numbered_names(List *names, int n)
{
	for (int i = 1; i <= n; i++)
		names = lappend(names, makeString(psprintf("c%d", i)));
	return names;
}

static int
relation_natts(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			natts;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	return natts;
}

/* Vars for the columns of a function factor, NULL for what was dropped. */
static List *
function_columns(RangeTblEntry *function, int scan)
{
	List	   *names;
	List	   *columns;

	expandRTE(function, scan, 0, VAR_RETURNING_DEFAULT, -1, true,
			  &names, &columns);
	return columns;
}

static int
factor_natts(const Factor *factor)
{
	if (factor->stage != NULL)
		return list_length(factor->stage->columns);
	if (factor->function != NULL)
		return list_length(function_columns(factor->function, 1));
	return relation_natts(factor->relid);
}

/* What a factor is to somebody who prints references to it. */
static RangeTblEntry *
factor_rte(const Factor *factor, int scan)
{
	return named_rte(psprintf("s%d", scan),
					 numbered_names(NIL, factor_natts(factor)));
}

List *
sqlgen_branch_context(const Branch *branch, int nkeys)
{
	PlannedStmt *stmt = makeNode(PlannedStmt);
	List	   *names = NIL;
	int			scan = 0;
	ListCell   *lc;

	foreach(lc, branch->factors)
	{
		scan++;
		stmt->rtable = lappend(stmt->rtable, factor_rte(lfirst(lc), scan));
		names = lappend(names, psprintf("s%d", scan));
	}
	if (nkeys > 0)
	{
		List	   *colnames = list_make1(makeString("ord"));

		stmt->rtable = lappend(stmt->rtable,
							   named_rte("a", numbered_names(colnames, nkeys)));
		names = lappend(names, "a");
	}
	return deparse_context_for_plan_tree(stmt, names);
}

List *
sqlgen_relation_context(const char *name, int ncolumns)
{
	PlannedStmt *stmt = makeNode(PlannedStmt);

	stmt->rtable = list_make1(named_rte(name, numbered_names(NIL, ncolumns)));
	return deparse_context_for_plan_tree(stmt, list_make1(pstrdup(name)));
}

char *
sqlgen_expr(Node *expr, List *context)
{
	/* Implicit casts are printed: the text must have the very same types. */
	return deparse_expression(expr, context, true, true);
}

char *
sqlgen_relation(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/*
 * The table itself.  Its children are other factors, also those that come after
 * the text was made.
 */
static void
append_from(StringInfo out, Oid relid)
{
	appendStringInfo(out, " FROM %s%s",
					 get_rel_relkind(relid) == RELKIND_RELATION ? "ONLY " : "",
					 sqlgen_relation(relid));
}

static void
append_columns(StringInfo out, Oid relid, const Bitmapset *columns)
{
	int			attno = -1;
	const char *separator = "";

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		appendStringInfo(out, "%s%s AS c%d", separator,
						 quote_identifier(get_attname(relid, attno, false)),
						 attno);
		separator = ", ";
	}
}

void
sqlgen_columns(StringInfo out, int ncolumns, const char *separator)
{
	for (int column = 1; column <= ncolumns; column++)
		appendStringInfo(out, "%sc%d", separator, column);
}

void
sqlgen_column_aliases(StringInfo out, int ncolumns)
{
	for (int column = 1; column <= ncolumns; column++)
		appendStringInfo(out, "%sc%d", column == 1 ? "(" : ", ", column);
	if (ncolumns > 0)
		appendStringInfoChar(out, ')');
}

Bitmapset *
sqlgen_used_columns(const Branch *branch, int scan)
{
	Bitmapset  *offset = NULL;
	Bitmapset  *result = NULL;
	int			member = -1;
	ListCell   *lc;

	pull_varattnos((Node *) branch->quals, scan, &offset);
	pull_varattnos((Node *) branch->targets, scan, &offset);
	foreach(lc, branch->factors)
	{
		RangeTblEntry *function = ((Factor *) lfirst(lc))->function;

		if (function == NULL)
			continue;
		pull_varattnos((Node *) function->functions, scan, &offset);
		pull_varattnos((Node *) function->tablefunc, scan, &offset);
		pull_varattnos((Node *) function->values_lists, scan, &offset);
	}
	while ((member = bms_next_member(offset, member)) >= 0)
		result = bms_add_member(result,
								member + FirstLowInvalidHeapAttributeNumber);
	return result;
}

void
sqlgen_table(StringInfo out, Oid relid, const Bitmapset *columns, int scan)
{
	appendStringInfoString(out, "(SELECT ");
	append_columns(out, relid, columns);
	append_from(out, relid);
	appendStringInfo(out, ") s%d", scan);
}

/* SELECT columns FROM function, in a query where the factors have their numbers. */
static Query *
function_query(const Branch *branch, int scan)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	RangeTblEntry *function;
	int			column = 0;
	ListCell   *lc;

	for (int i = 1; i < scan; i++)
		query->rtable = lappend(query->rtable,
								factor_rte(list_nth(branch->factors, i - 1), i));
	function = copyObject(((Factor *) list_nth(branch->factors, scan - 1))->function);
	function->inFromCl = true;
	query->rtable = lappend(query->rtable, function);
	ref->rtindex = scan;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	foreach(lc, function_columns(function, scan))
	{
		column++;
		query->targetList =
			lappend(query->targetList,
					makeTargetEntry(lfirst(lc), column, psprintf("c%d", column),
									false));
	}
	return query;
}

void
sqlgen_function(StringInfo out, const Branch *branch, int scan)
{
	Query	   *query = function_query(branch, scan);

	appendStringInfo(out, "LATERAL (%s) s%d", pg_get_querydef(query, false), scan);
	sqlgen_column_aliases(out, list_length(query->targetList));
}

void
sqlgen_old_table(StringInfo out, Oid relid, const Bitmapset *columns,
				 const char *delta, int scan)
{
	int			attno = -1;

	appendStringInfoString(out, "(SELECT 1 AS w");
	if (!bms_is_empty(columns))
		appendStringInfoString(out, ", ");
	append_columns(out, relid, columns);
	append_from(out, relid);
	appendStringInfoString(out, " UNION ALL SELECT -w");
	while ((attno = bms_next_member(columns, attno)) >= 0)
		appendStringInfo(out, ", c%d", attno);
	appendStringInfo(out, " FROM %s) s%d", delta, scan);
}
