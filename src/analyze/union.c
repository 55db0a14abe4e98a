/*-------------------------------------------------------------------------
 *
 * union.c
 *	  Set operations.
 *
 * UNION ALL is the sum.  The others compare whole rows, so they fall apart by
 * the values of all columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"

static List *setop_branches(Analysis *an, Query *query, Node *node,
							SetOperationStmt *top);

/* Bring a column of an arm to the type the operation gives it. */
static Expr *
coerce_column(Expr *expr, Oid type, Oid collation)
{
	Node	   *node = (Node *) expr;

	if (exprType(node) != type)
		node = coerce_to_common_type(NULL, node, type, "UNION");
	if (OidIsValid(collation) && exprCollation(node) != collation)
	{
		CollateExpr *collate = makeNode(CollateExpr);

		collate->arg = (Expr *) node;
		collate->collOid = collation;
		collate->location = -1;
		node = (Node *) collate;
	}
	return (Expr *) node;
}

static List *
coerce_arm(List *branches, const SetOperationStmt *setop)
{
	ListCell   *lb;

	foreach(lb, branches)
	{
		Branch	   *branch = lfirst(lb);
		ListCell   *lt,
				   *ltype,
				   *lcollation;

		forthree(lt, branch->targets, ltype, setop->colTypes,
				 lcollation, setop->colCollations)
			lfirst(lt) = coerce_column(lfirst(lt), lfirst_oid(ltype),
									   lfirst_oid(lcollation));
	}
	return branches;
}

/* A set operation as a query over its arms, which become stages. */
typedef struct SetopBlock
{
	Analysis   *an;
	Query	   *query;			/* the operation's */
	Query	   *block;
	List	   *inputs;
	SetOperationStmt *top;
} SetopBlock;

/* Two arms may be the same stage; they have the same keys. */
static void
add_input(SetopBlock *b, Stage *stage)
{
	StageInput *input = stage_input(stage);
	ListCell   *lc;

	foreach(lc, b->inputs)
		if (((StageInput *) lfirst(lc))->stage == stage)
			return;
	input->keys = palloc0(sizeof(int) * (list_length(stage->columns) + 1));
	for (int i = 0; i < list_length(stage->columns); i++)
		input->keys[i] = i + 1;
	b->inputs = lappend(b->inputs, input);
}

static Node *
add_arm(SetopBlock *b, Node *arm)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	List	   *branches = setop_branches(b->an, b->query, arm, b->top);
	Stage	   *stage;

	if (b->an->reason != NULL)
		return NULL;
	stage = stage_sum(b->an, branches);
	add_input(b, stage);
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = stage_query(stage);
	rte->eref = makeAlias("arm", stage_rte(stage)->eref->colnames);
	b->block->rtable = lappend(b->block->rtable, rte);
	ref->rtindex = list_length(b->block->rtable);
	return (Node *) ref;
}

/* Arms of the same operation stay in one block; UNION ALL arms are sums. */
static Node *
add_operation(SetopBlock *b, Node *node)
{
	SetOperationStmt *setop = (SetOperationStmt *) node;
	SetOperationStmt *copy;

	if (b->an->reason != NULL)
		return NULL;
	if (!IsA(node, SetOperationStmt) || (setop->op == SETOP_UNION && setop->all) ||
		!equal(setop->colTypes, b->top->colTypes) ||
		!equal(setop->colCollations, b->top->colCollations))
		return add_arm(b, node);
	copy = makeNode(SetOperationStmt);
	*copy = *setop;
	copy->larg = add_operation(b, setop->larg);
	copy->rarg = add_operation(b, setop->rarg);
	return (Node *) copy;
}

static void
set_columns(SetopBlock *b)
{
	Stage	   *first = ((StageInput *) linitial(b->inputs))->stage;

	for (int column = 1; column <= list_length(first->columns); column++)
		b->block->targetList =
			lappend(b->block->targetList,
					makeTargetEntry((Expr *) stage_var(first, 1, column), column,
									psprintf("c%d", column), false));
}

static const char *
operation_name(const SetOperationStmt *setop)
{
	switch (setop->op)
	{
		case SETOP_INTERSECT:
			return setop->all ? "INTERSECT ALL" : "INTERSECT";
		case SETOP_EXCEPT:
			return setop->all ? "EXCEPT ALL" : "EXCEPT";
		default:
			return "UNION";
	}
}

static List *
operation_branches(Analysis *an, Query *query, SetOperationStmt *setop)
{
	SetopBlock	b = {.an = an,.query = query,.top = setop};
	Stage	   *stage;
	int			i = 0;
	ListCell   *lc,
			   *lcollation;

	b.block = makeNode(Query);
	b.block->commandType = CMD_SELECT;
	b.block->canSetTag = true;
	b.block->jointree = makeFromExpr(NIL, NULL);
	b.block->setOperations = add_operation(&b, (Node *) setop);
	if (an->reason != NULL)
		return NIL;
	set_columns(&b);
	stage = stage_block(an, STAGE_PARTITION, operation_name(setop), b.block, b.inputs);
	stage->undetermined = undetermined_reason(an, b.block);
	if (setop->op == SETOP_UNION || !setop->all)
		for (int column = 1; column <= list_length(stage->columns); column++)
			stage->unique = lappend_int(stage->unique, column);
	forboth(lc, setop->groupClauses, lcollation, setop->colCollations)
	{
		stage_set_key(stage, i, ((SortGroupClause *) lfirst(lc))->eqop,
					  lfirst_oid(lcollation));
		stage->origins[i] = i + 1;
		i++;
	}
	return stage_branches(stage);
}

/* top: the operation whose types the columns must have. */
static List *
setop_branches(Analysis *an, Query *query, Node *node, SetOperationStmt *top)
{
	SetOperationStmt *setop = (SetOperationStmt *) node;
	List	   *left;
	List	   *right;

	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		left = normalize_query(an, rte->subquery);
		return an->reason != NULL ? NIL : coerce_arm(left, top);
	}
	if (setop->op != SETOP_UNION || !setop->all)
		left = operation_branches(an, query, setop);
	else
	{
		left = setop_branches(an, query, setop->larg, setop);
		right = an->reason != NULL ? NIL :
			setop_branches(an, query, setop->rarg, setop);
		left = list_concat(left, right);
	}
	return an->reason != NULL ? NIL :
		setop == top ? left : coerce_arm(left, top);
}

List *
setop_arm(Analysis *an, Query *query, Node *arm, SetOperationStmt *setop)
{
	return setop_branches(an, query, arm, setop);
}

List *
normalize_setop(Analysis *an, Query *query)
{
	return setop_branches(an, query, query->setOperations,
						  castNode(SetOperationStmt, query->setOperations));
}
