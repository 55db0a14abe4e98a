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
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "sqlgen/sqlgen.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

static RangeTblEntry *
named_rte(const char *name, List *colnames)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_NAMEDTUPLESTORE;
	rte->alias = rte->eref = makeAlias(name, colnames);
	rte->inFromCl = true;
	return rte;
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

List *
sqlgen_branch_context(const Branch *branch, int nkeys)
{
	PlannedStmt *stmt = makeNode(PlannedStmt);
	List	   *names = NIL;
	int			scan = 0;
	ListCell   *lc;

	foreach(lc, branch->relids)
	{
		char	   *name = psprintf("s%d", ++scan);
		int			natts = relation_natts(lfirst_oid(lc));
		List	   *colnames = NIL;

		for (int attno = 1; attno <= natts; attno++)
			colnames = lappend(colnames, makeString(psprintf("c%d", attno)));
		stmt->rtable = lappend(stmt->rtable, named_rte(name, colnames));
		names = lappend(names, name);
	}
	if (nkeys > 0)
	{
		List	   *colnames = list_make1(makeString("ord"));

		for (int key = 1; key <= nkeys; key++)
			colnames = lappend(colnames, makeString(psprintf("c%d", key)));
		stmt->rtable = lappend(stmt->rtable, named_rte("a", colnames));
		names = lappend(names, "a");
	}
	return deparse_context_for_plan_tree(stmt, names);
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
sqlgen_table(StringInfo out, Oid relid, const Bitmapset *columns, int scan)
{
	appendStringInfoString(out, "(SELECT ");
	append_columns(out, relid, columns);
	appendStringInfo(out, " FROM %s) s%d", sqlgen_relation(relid), scan);
}

void
sqlgen_delta(StringInfo out, int source, int scan)
{
	appendStringInfo(out, SQLGEN_DELTA_NAME " s%d", source, scan);
}

void
sqlgen_old_table(StringInfo out, Oid relid, const Bitmapset *columns,
				 int source, int scan)
{
	int			attno = -1;

	appendStringInfoString(out, "(SELECT 1 AS w");
	if (!bms_is_empty(columns))
		appendStringInfoString(out, ", ");
	append_columns(out, relid, columns);
	appendStringInfo(out, " FROM %s UNION ALL SELECT -w", sqlgen_relation(relid));
	while ((attno = bms_next_member(columns, attno)) >= 0)
		appendStringInfo(out, ", c%d", attno);
	appendStringInfo(out, " FROM " SQLGEN_DELTA_NAME ") s%d", source, scan);
}
