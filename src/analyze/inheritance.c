/*-------------------------------------------------------------------------
 *
 * inheritance.c
 *	  Read a table with inheritance children as the sum that it is.
 *
 *		P  =  ONLY P + ONLY C_1 + ... + ONLY C_n
 *
 * over all who inherit from P, at any depth, each once, their columns found by
 * the names of P's.  It is what PostgreSQL reads, and an identity of multisets,
 * so that such a table needs no rule: it is a subquery with UNION ALL, and each
 * member a source of its own.  Nothing that is unique in each of them is unique
 * in the sum.
 *
 * The policies of P, and no others, hold for all rows that are read through it:
 * its conditions go into each arm,
 *
 *		sigma_p(P)  =  sigma_p(ONLY P) + sigma_p(ONLY C_1) + ...
 *
 * A partitioned table has no rows of its own and stays as it is: its changes
 * come to one buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "analyze/analyze_internal.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct Expansion
{
	List	   *trees;			/* of List of oids */
	const char *reason;
} Expansion;

/* One table in a query's range table, to be replaced. */
typedef struct Inherited
{
	const RangeTblEntry *rte;
	int			rtindex;
	Bitmapset  *selected;		/* its columns that are read, offset */
	List	   *members;		/* oids, its own first */
} Inherited;

List *
inheritance_members(Oid relid, LOCKMODE lockmode)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, lockmode, NULL))
		if (get_rel_persistence(lfirst_oid(lc)) != RELPERSISTENCE_TEMP ||
			!isOtherTempNamespace(get_rel_namespace(lfirst_oid(lc))))
			result = lappend_oid(result, lfirst_oid(lc));
	return result;
}

/* The member's number of each column of the parent, 0 where it was dropped. */
static AttrMap *
member_columns(Oid parent, Oid member)
{
	Relation	rel = table_open(parent, NoLock);
	TupleDesc	desc = RelationGetDescr(rel);
	AttrMap    *map = make_attrmap(desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		map->attnums[i] = get_attnum(member, NameStr(att->attname));
		if (map->attnums[i] == InvalidAttrNumber)
			elog(ERROR, "relation %u lacks column \"%s\" of relation %u",
				 member, NameStr(att->attname), parent);
	}
	table_close(rel, NoLock);
	return map;
}

static bool
is_selected(const Inherited *in, AttrNumber attno)
{
	return bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, in->selected);
}

static AttrNumber
last_selected(const Bitmapset *selected)
{
	int			last = bms_prev_member(selected, -1);

	return last < 0 ? 0 : Max(last + FirstLowInvalidHeapAttributeNumber, 0);
}

/*
 * The columns that the query was written for and those that are read, the
 * others as NULL.
 */
static List *
arm_targets(const Inherited *in, const AttrMap *map)
{
	int			natts = Max(Max(list_length(in->rte->eref->colnames),
								last_selected(in->selected)), 1);
	List	   *targets = NIL;

	for (int attno = 1; attno <= natts; attno++)
	{
		Expr	   *expr = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);

		if (attno <= map->maplen && map->attnums[attno - 1] != InvalidAttrNumber &&
			is_selected(in, attno))
		{
			Oid			type;
			int32		typmod;
			Oid			collation;

			get_atttypetypmodcoll(in->rte->relid, attno, &type, &typmod, &collation);
			expr = (Expr *) makeVar(1, map->attnums[attno - 1], type, typmod,
									collation, 0);
		}
		targets = lappend(targets, makeTargetEntry(expr, attno, psprintf("c%d", attno), false));
	}
	return targets;
}

/* The conditions of row security, in terms of the member. */
static Node *
arm_quals(const Inherited *in, const AttrMap *map)
{
	Node	   *quals = (Node *) copyObject(in->rte->securityQuals);
	bool		whole_row;

	ChangeVarNodes(quals, in->rtindex, 1, 0);
	quals = map_variable_attnos(quals, 1, 0, map, InvalidOid, &whole_row);
	return (Node *) (quals == NULL ? NULL : make_ands_explicit((List *) quals));
}

static Bitmapset *
member_selected(const Inherited *in, const AttrMap *map)
{
	Bitmapset  *result = NULL;

	for (int attno = 1; attno <= map->maplen; attno++)
		if (map->attnums[attno - 1] != InvalidAttrNumber && is_selected(in, attno))
			result = bms_add_member(result, map->attnums[attno - 1] -
									FirstLowInvalidHeapAttributeNumber);
	return result;
}

/* SELECT columns FROM ONLY member WHERE conditions */
static Query *
arm_query(const Inherited *in, Oid member)
{
	AttrMap    *map = member_columns(in->rte->relid, member);
	Query	   *query;
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	Bitmapset  *selected = member_selected(in, map);

	rte->rtekind = RTE_RELATION;
	rte->relid = member;
	rte->relkind = get_rel_relkind(member);
	rte->rellockmode = AccessShareLock;
	rte->eref = numbered_alias("member", last_selected(selected));
	rte->inFromCl = true;
	query = select_from(rte);
	pgt_select_columns(query, rte, selected);
	query->jointree->quals = arm_quals(in, map);
	query->hasSubLinks = checkExprHasSubLink(query->jointree->quals);
	query->targetList = arm_targets(in, map);
	return query;
}

static Node *
add_arm(Query *sum, Query *arm)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = arm;
	rte->eref = numbered_alias("arm", list_length(arm->targetList));
	sum->rtable = lappend(sum->rtable, rte);
	ref->rtindex = list_length(sum->rtable);
	return (Node *) ref;
}

static Node *
union_all(Node *left, Node *right, const List *targets)
{
	SetOperationStmt *setop = makeNode(SetOperationStmt);
	ListCell   *lc;

	setop->op = SETOP_UNION;
	setop->all = true;
	setop->larg = left;
	setop->rarg = right;
	foreach(lc, targets)
	{
		Node	   *expr = (Node *) ((TargetEntry *) lfirst(lc))->expr;

		setop->colTypes = lappend_oid(setop->colTypes, exprType(expr));
		setop->colTypmods = lappend_int(setop->colTypmods, exprTypmod(expr));
		setop->colCollations = lappend_oid(setop->colCollations, exprCollation(expr));
	}
	return (Node *) setop;
}

static List *
first_columns(const List *targets)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, targets)
	{
		TargetEntry *tle = lfirst(lc);

		result = lappend(result,
						 makeTargetEntry((Expr *) makeVarFromTargetEntry(1, tle),
										 tle->resno, tle->resname, false));
	}
	return result;
}

static Query *
sum_query(const Inherited *in)
{
	Query	   *sum = makeNode(Query);
	ListCell   *lc;

	sum->commandType = CMD_SELECT;
	sum->canSetTag = true;
	sum->jointree = makeFromExpr(NIL, NULL);
	foreach(lc, in->members)
	{
		Query	   *arm = arm_query(in, lfirst_oid(lc));
		Node	   *ref = add_arm(sum, arm);

		if (sum->setOperations == NULL)
		{
			sum->setOperations = ref;
			sum->targetList = first_columns(arm->targetList);
		}
		else
			sum->setOperations = union_all(sum->setOperations, ref, arm->targetList);
	}
	return sum;
}

/*
 * The parser takes a primary key for a key even where children are read, too.
 * There it leaves open which row of a group is shown.
 */
static bool
groups_by_key_of(const Query *query, Oid relid)
{
	bool		result = false;
	ListCell   *lc;

	foreach(lc, query->constraintDeps)
	{
		HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (((Form_pg_constraint) GETSTRUCT(tuple))->conrelid == relid)
			result = true;
		ReleaseSysCache(tuple);
	}
	return result;
}

static void
expand_entry(Expansion *x, Query *query, RangeTblEntry *rte, int rtindex)
{
	Inherited	in = {.rte = rte,.rtindex = rtindex};

	in.members = inheritance_members(rte->relid, AccessShareLock);
	x->trees = lappend(x->trees, in.members);
	if (list_length(in.members) == 1)
		return;
	if (groups_by_key_of(query, rte->relid))
		x->reason = psprintf("it groups by the primary key of \"%s\", which is no key of it and its inheritance children together",
							 get_rel_name(rte->relid));
	in.selected = bms_copy(pgt_selected_columns(query, rte));
	pull_varattnos((Node *) rte->securityQuals, rtindex, &in.selected);
	rte->subquery = sum_query(&in);
	rte->rtekind = RTE_SUBQUERY;
	rte->eref = numbered_alias(rte->eref->aliasname,
							   list_length(rte->subquery->targetList));
	rte->securityQuals = NIL;
	rte->relid = InvalidOid;
	rte->relkind = 0;
	rte->rellockmode = NoLock;
	rte->inh = false;
	pgt_forget_selected_columns(rte);
}

static bool
expand_walker(Node *node, Expansion *x)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_RELATION &&
				rte->inh && rte->tablesample == NULL)
				expand_entry(x, query, rte, foreach_current_index(lc) + 1);
		}
		return query_tree_walker(query, expand_walker, x, 0);
	}
	return expression_tree_walker(node, expand_walker, x);
}

const char *
analyze_expand_inheritance(Query *query, List **trees)
{
	Expansion	x = {0};

	(void) expand_walker((Node *) query, &x);
	*trees = x.trees;
	return x.reason;
}
