/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  A query over stream tables does not mean their hidden columns.
 *
 * SELECT *, NATURAL JOIN and a reference to a whole row take in every column
 * of a table.  In a query that has one of them, each stream table with hidden
 * columns is replaced by
 *
 *		(SELECT visible columns FROM stream table) AS its name
 *
 * before names are looked up; PostgreSQL does the rest.  Columns that a query
 * names are found as ever, also hidden ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/rel.h"

#include "api/api.h"

typedef struct HideColumns
{
	bool		everywhere;		/* * or NATURAL occurs */
	List	   *names;			/* char *: one-part references */
	List	   *ctes;			/* char *: names that WITH defines */
	List	   *replaced;		/* oids of those that have no alias */
	List	   *made;			/* SelectStmt */
} HideColumns;

static bool
list_has_name(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* What in the query may mean all columns, and what is no table at all. */
static bool
collect_walker(Node *node, HideColumns *hide)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		List	   *fields = ((ColumnRef *) node)->fields;

		if (IsA(llast(fields), A_Star))
			hide->everywhere = true;
		else if (list_length(fields) == 1)
			hide->names = lappend(hide->names, strVal(linitial(fields)));
		return false;
	}
	if (IsA(node, JoinExpr) && ((JoinExpr *) node)->isNatural)
		hide->everywhere = true;
	if (IsA(node, CommonTableExpr))
		hide->ctes = lappend(hide->ctes, ((CommonTableExpr *) node)->ctename);
	return raw_expression_tree_walker(node, collect_walker, hide);
}

/* SELECT of the visible columns; NULL if there are no others. */
static SelectStmt *
select_visible(Relation st)
{
	SelectStmt *select = makeNode(SelectStmt);
	bool		hidden = false;

	for (int i = 0; i < RelationGetNumberOfAttributes(st); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(st), i);
		ColumnRef  *column;
		ResTarget  *target;

		if (att->attisdropped)
			continue;
		if (attribute_is_hidden(att))
		{
			hidden = true;
			continue;
		}
		column = makeNode(ColumnRef);
		column->fields = list_make1(makeString(pstrdup(NameStr(att->attname))));
		column->location = -1;
		target = makeNode(ResTarget);
		target->val = (Node *) column;
		target->location = -1;
		select->targetList = lappend(select->targetList, target);
	}
	return hidden ? select : NULL;
}

static SelectStmt *
select_from_stream_table(const HideColumns *hide, RangeVar *table, Oid *relid)
{
	SelectStmt *select;
	Relation	rel;

	if (table->schemaname == NULL && list_has_name(hide->ctes, table->relname))
		return NULL;
	*relid = RangeVarGetRelid(table, AccessShareLock, true);
	if (!OidIsValid(*relid) || !stream_table_exists(*relid))
		return NULL;
	rel = table_open(*relid, NoLock);
	select = select_visible(rel);
	table_close(rel, NoLock);
	return select;
}

/* What stands in a FROM clause, or what stands for it. */
static Node *
hide_in_item(HideColumns *hide, Node *item)
{
	RangeVar   *table = (RangeVar *) item;
	RangeSubselect *result;
	SelectStmt *select;
	RangeVar   *inner;
	const char *name;
	Oid			relid;

	if (item == NULL || !IsA(item, RangeVar))
		return item;
	name = table->alias ? table->alias->aliasname : table->relname;
	if (!hide->everywhere && !list_has_name(hide->names, name))
		return item;
	select = select_from_stream_table(hide, table, &relid);
	if (select == NULL)
		return item;

	inner = copyObject(table);
	inner->alias = NULL;
	select->fromClause = list_make1(inner);
	result = makeNode(RangeSubselect);
	result->subquery = (Node *) select;
	result->alias = table->alias ? table->alias : makeAlias(name, NIL);
	hide->made = lappend(hide->made, select);
	if (table->alias == NULL)
		hide->replaced = lappend_oid(hide->replaced, relid);
	return (Node *) result;
}

static bool
replace_walker(Node *node, HideColumns *hide)
{
	ListCell   *lc;

	if (node == NULL || list_member_ptr(hide->made, node))
		return false;
	if (IsA(node, SelectStmt))
		foreach(lc, ((SelectStmt *) node)->fromClause)
			lfirst(lc) = hide_in_item(hide, lfirst(lc));
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		join->larg = hide_in_item(hide, join->larg);
		join->rarg = hide_in_item(hide, join->rarg);
	}
	return raw_expression_tree_walker(node, replace_walker, hide);
}

/* An alias has no schema: "s.t.c" becomes "t.c" where s.t was replaced. */
static bool
rename_walker(Node *node, HideColumns *hide)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		ColumnRef  *column = (ColumnRef *) node;
		RangeVar   *table;

		if (list_length(column->fields) != 3)
			return false;
		table = makeRangeVar(strVal(linitial(column->fields)),
							 strVal(lsecond(column->fields)), -1);
		if (list_member_oid(hide->replaced, RangeVarGetRelid(table, NoLock, true)))
			column->fields = list_delete_first(column->fields);
		return false;
	}
	return raw_expression_tree_walker(node, rename_walker, hide);
}

void
query_hide_columns(Node *statement)
{
	HideColumns hide = {0};

	(void) collect_walker(statement, &hide);
	(void) replace_walker(statement, &hide);
	if (hide.replaced != NIL)
		(void) rename_walker(statement, &hide);
}
