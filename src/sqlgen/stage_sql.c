/*-------------------------------------------------------------------------
 *
 * stage_sql.c
 *	  What a stage holds now, as SQL.
 *
 * A restriction is put as far down as it is an identity there, and stands on
 * top where it is not:
 *
 *	SUM			sigma_r(A + B) = sigma_r(A) + sigma_r(B), and in a branch a
 *				condition on a column that is a factor's is one on the factor;
 *				with a.x = b.y it is one on either.
 *	PARTITION	if the column is the key, and the condition does not tell equal
 *				keys apart: sigma_r(Q(I_1, ...)) = Q(sigma_r(I_1), ...).
 *	LINEAR		if the column is one of the first input:
 *				sigma_r(Q(L, R)) = Q(sigma_r(L), R), and R may lack the rows
 *				that match none of sigma_r(L).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "sqlgen/sqlgen.h"
#include "sqlgen/stage_sql.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

bool
stage_inputs_differ(const Stage *stage)
{
	Bitmapset  *seen = NULL;
	ListCell   *lc;

	foreach(lc, stage->inputs)
	{
		int			number = ((StageInput *) lfirst(lc))->stage->number;

		if (bms_is_member(number, seen))
			return false;
		seen = bms_add_member(seen, number);
	}
	return true;
}

/* ---- SUM ---- */

static bool
has_restriction(List *restrictions, const Restriction *r, int column)
{
	ListCell   *lc;

	foreach(lc, restrictions)
	{
		const Restriction *other = lfirst(lc);

		if (other->column == column && other->opno == r->opno &&
			other->collation == r->collation && strcmp(other->set, r->set) == 0)
			return true;
	}
	return false;
}

void
branch_restrict(const Branch *branch, List *equalities, int factor, int column,
				const Restriction *r, List **pushed)
{
	const Factor *f = list_nth(branch->factors, factor - 1);
	ListCell   *lc;

	if (has_restriction(pushed[factor - 1], r, column))
		return;
	/* noted for every factor, so that this ends */
	pushed[factor - 1] = lappend(pushed[factor - 1], restriction_on(r, column));
	if (f->stage != NULL)
		((Restriction *) llast(pushed[factor - 1]))->or_null = r->or_null;

	foreach(lc, equalities)
	{
		const ColumnEquality *e = lfirst(lc);
		Restriction other = *r;

		if (e->factor != factor || e->column != column ||
			!restriction_fits(r->opno, e->other_type) ||
			!restriction_follows(r, e->opno, e->collation))
			continue;
		/* NULL equals nothing */
		other.or_null = false;
		branch_restrict(branch, equalities, e->other, e->other_column,
						&other, pushed);
	}
}

void
factor_state_sql(const Branch *branch, int scan, List *restrictions,
				 StringInfo out)
{
	const Factor *factor = list_nth(branch->factors, scan - 1);

	if (factor->stage != NULL)
	{
		appendStringInfoChar(out, '(');
		stage_state_sql(factor->stage, restrictions, out);
		appendStringInfo(out, ") s%d", scan);
	}
	else if (factor->function != NULL)
		sqlgen_function(out, branch, scan);
	else
		sqlgen_table(out, factor->relid, sqlgen_used_columns(branch, scan), scan);
}

/* The factor of which a restricted column of a branch is a plain column, or 0. */
static int
restricted_factor(const Branch *branch, const Restriction *r)
{
	Var		   *var = (Var *) strip_relabel(list_nth(branch->targets, r->column - 1));

	return IsA(var, Var) && restriction_fits(r->opno, var->vartype) ? var->varno : 0;
}

/* Does one stage take on all that is said of the same rows? */
static bool
is_for_stage(const Branch *branch, const Restriction *r, List *restrictions)
{
	int			scan = restricted_factor(branch, r);
	ListCell   *lc;

	if (scan == 0 || ((Factor *) list_nth(branch->factors, scan - 1))->stage == NULL)
		return false;
	foreach(lc, restriction_joint(r, restrictions))
		if (restricted_factor(branch, lfirst(lc)) != scan)
			return false;
	return true;
}

/*
 * Sort the restrictions of a branch's columns: into pushed[] those that some
 * stage takes on, into conditions what the branch must check, into above what
 * can be checked on its rows only.
 */
static void
place_restrictions(const Branch *branch, List *restrictions, List **pushed,
				   List **conditions, List **above)
{
	List	   *equalities = branch_equalities(branch);
	bool		on_rows = false;
	ListCell   *lc;

	foreach(lc, restrictions)
		if (expression_returns_set(list_nth(branch->targets,
											((Restriction *) lfirst(lc))->column - 1)))
			on_rows = true;
	foreach(lc, restrictions)
	{
		const Restriction *r = lfirst(lc);
		Var		   *var = (Var *) strip_relabel(list_nth(branch->targets, r->column - 1));

		if (restricted_factor(branch, r) != 0)
			branch_restrict(branch, equalities, var->varno, var->varattno, r, pushed);
		if (on_rows)
			*above = lappend(*above, lfirst(lc));
		else if (!is_for_stage(branch, r, restrictions))
			*conditions = lappend(*conditions, lfirst(lc));
	}
}

static void
append_branch_where(const Branch *branch, List *conditions, List *context,
					StringInfo out)
{
	const char *keyword = " WHERE ";
	List	   *exprs = NIL;
	List	   *types = NIL;
	ListCell   *lc;

	foreach(lc, branch->quals)
	{
		appendStringInfo(out, "%s(%s)", keyword, sqlgen_expr(lfirst(lc), context));
		keyword = " AND ";
	}
	foreach(lc, conditions)
	{
		Node	   *target = list_nth(branch->targets,
									  ((Restriction *) lfirst(lc))->column - 1);

		exprs = lappend(exprs, sqlgen_expr(target, context));
		types = lappend_oid(types, exprType(target));
	}
	restriction_conditions(out, keyword, conditions, exprs, types);
}

static void
append_branch_state(const Branch *branch, const Stage *stage,
					List *restrictions, StringInfo out)
{
	int			nfactors = list_length(branch->factors);
	List	   *context = sqlgen_branch_context(branch, 0);
	List	  **pushed = palloc0(sizeof(List *) * (nfactors + 1));
	List	   *conditions = NIL;
	List	   *above = NIL;
	int			column = 0;
	ListCell   *lc;

	place_restrictions(branch, restrictions, pushed, &conditions, &above);
	appendStringInfoString(out, above != NIL ? "SELECT * FROM (SELECT" : "SELECT");
	foreach(lc, branch->targets)
	{
		column++;
		appendStringInfo(out, "%s %s AS c%d", column > 1 ? "," : "",
						 sqlgen_expr(lfirst(lc), context), column);
	}
	for (int scan = 1; scan <= nfactors; scan++)
	{
		appendStringInfoString(out, scan == 1 ? " FROM " : ", ");
		factor_state_sql(branch, scan, pushed[scan - 1], out);
	}
	append_branch_where(branch, conditions, context, out);
	if (above != NIL)
	{
		appendStringInfoString(out, ") q");
		restrictions_append(out, " WHERE ", above, stage->columns, "q.");
	}
}

static void
branches_state_sql(const Stage *stage, List *branches, List *restrictions,
				   StringInfo out)
{
	const char *separator = "";
	ListCell   *lc;

	foreach(lc, branches)
	{
		appendStringInfoString(out, separator);
		append_branch_state(lfirst(lc), stage, restrictions, out);
		separator = " UNION ALL ";
	}
}

/* ---- PARTITION and LINEAR ---- */

void
block_sql(const Stage *stage, const char *first, char *const *inputs,
		  StringInfo out)
{
	Bitmapset  *printed = NULL;
	int			i = 0;
	ListCell   *lc;

	if (stage->inputs != NIL)
		appendStringInfo(out, "WITH %s", first);
	foreach(lc, stage->inputs)
	{
		const Stage *input = ((StageInput *) lfirst(lc))->stage;
		const char *text = inputs[i++];

		if (bms_is_member(input->number, printed))
			continue;
		appendStringInfo(out, "%s" SQLGEN_STAGE_NAME,
						 printed != NULL ? ", " : "", input->number);
		sqlgen_column_aliases(out, list_length(input->columns));
		appendStringInfo(out, " AS NOT MATERIALIZED (%s)", text);
		printed = bms_add_member(printed, input->number);
	}
	appendStringInfo(out, " SELECT * FROM (%s) q",
					 pg_get_querydef(copyObject(stage->query), false));
	sqlgen_column_aliases(out, list_length(stage->columns));
}

static bool
partition_restrict(const Stage *stage, const Restriction *r, List **pushed)
{
	int			key = stage->origins[r->column - 1] - 1;
	int			i = 0;
	ListCell   *lc;

	if (!restriction_follows(r, stage->key_eqops[key], stage->key_collations[key]))
		return false;
	foreach(lc, stage->inputs)
	{
		const StageInput *input = lfirst(lc);

		if (!restriction_fits(r->opno, stage_column(input->stage, input->keys[key])->type))
			return false;
	}
	foreach(lc, stage->inputs)
	{
		const StageInput *input = lfirst(lc);
		Restriction *copy = restriction_on(r, input->keys[key]);

		copy->or_null = r->or_null;
		pushed[i] = lappend(pushed[i], copy);
		i++;
	}
	return true;
}

/* What of an input matches restricted rows of the first one. */
static void
restrict_matching(const Stage *stage, int i, const Restriction *r, int left,
				  List **pushed)
{
	const StageInput *input = stage_input_at(stage, i);
	ListCell   *lc;

	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);

		if (pair->left == left &&
			restriction_follows(r, pair->opno, pair->collation) &&
			restriction_fits(r->opno, stage_column(input->stage, pair->right)->type))
			pushed[i] = lappend(pushed[i], restriction_on(r, pair->right));
	}
}

static bool
linear_restrict(const Stage *stage, const Restriction *r, List **pushed)
{
	int			left = stage->origins[r->column - 1];
	const Stage *first = stage_input_at(stage, 0)->stage;
	Restriction *copy = restriction_on(r, left);

	if (!restriction_fits(r->opno, stage_column(first, left)->type))
		return false;
	copy->or_null = r->or_null;
	pushed[0] = lappend(pushed[0], copy);
	for (int i = 1; i < list_length(stage->inputs); i++)
		restrict_matching(stage, i, r, left, pushed);
	return true;
}

List *
linear_match(const Stage *stage, int i, const char *left_relation)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	const StageInput *input = stage_input_at(stage, i);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);
		Restriction *r = palloc0(sizeof(Restriction));
		Oid			left_type = stage_column(first, pair->left)->type;

		r->column = pair->right;
		r->opno = get_commutator(pair->opno);
		r->collation = pair->collation;
		if (!OidIsValid(r->opno) || !restriction_fits(pair->opno, left_type) ||
			!restriction_fits(r->opno, stage_column(input->stage, pair->right)->type))
			continue;
		restriction_to_rows(r, left_type, pair->left, left_relation);
		result = lappend(result, r);
	}
	return result;
}

/*
 * The first input restricted, other inputs are restricted by it where that
 * cannot be left to the planner.  Returns a WITH item for it, or "".
 */
static char *
match_inputs(const Stage *stage, List **pushed, char **texts)
{
	char	   *name = psprintf(SQLGEN_LEFT_NAME, stage->number);
	bool		used = false;
	StringInfoData with;

	for (int i = 1; i < list_length(stage->inputs); i++)
		if (pushed[0] != NIL && pushed[i] == NIL &&
			!stage_is_flat(stage_input_at(stage, i)->stage))
		{
			pushed[i] = linear_match(stage, i, name);
			used = used || pushed[i] != NIL;
		}
	if (!used)
		return "";
	initStringInfo(&with);
	appendStringInfoString(&with, name);
	sqlgen_column_aliases(&with, list_length(stage_input_at(stage, 0)->stage->columns));
	appendStringInfo(&with, " AS MATERIALIZED (%s), ", texts[0]);
	texts[0] = psprintf("SELECT * FROM %s", name);
	return with.data;
}

static char *
input_state(const Stage *stage, int i, List *restrictions)
{
	StringInfoData text;

	initStringInfo(&text);
	stage_state_sql(stage_input_at(stage, i)->stage, restrictions, &text);
	return text.data;
}

static bool
block_restrict(const Stage *stage, const Restriction *r, List **pushed)
{
	if (stage->origins[r->column - 1] == 0 || !stage_inputs_differ(stage))
		return false;
	return stage->rule == STAGE_PARTITION ?
		partition_restrict(stage, r, pushed) :
		linear_restrict(stage, r, pushed);
}

static void
block_state_sql(const Stage *stage, List *restrictions, StringInfo out)
{
	int			ninputs = list_length(stage->inputs);
	List	  **pushed = palloc0(sizeof(List *) * (ninputs + 1));
	char	  **texts = palloc0(sizeof(char *) * (ninputs + 1));
	List	   *above = NIL;
	const char *first = "";
	ListCell   *lc;

	foreach(lc, restrictions)
		if (!block_restrict(stage, lfirst(lc), pushed))
			above = list_concat_unique_ptr(above, restriction_joint(lfirst(lc), restrictions));

	if (ninputs > 0)
		texts[0] = input_state(stage, 0, pushed[0]);
	if (stage->rule == STAGE_LINEAR && stage_inputs_differ(stage))
		first = match_inputs(stage, pushed, texts);
	for (int i = 1; i < ninputs; i++)
		texts[i] = input_state(stage, i, pushed[i]);

	if (above != NIL)
		appendStringInfoString(out, "SELECT * FROM (");
	block_sql(stage, first, texts, out);
	if (above != NIL)
	{
		appendStringInfoString(out, ") q");
		restrictions_append(out, " WHERE ", above, stage->columns, "q.");
	}
}

/* ---- RECURSION ---- */

/*
 * Every reader wants all of it.  PostgreSQL lets the step name the recursion but
 * once, so its branches read what stands for the working stage.
 */
static void
recursion_state_sql(const Stage *stage, StringInfo out)
{
	int			working = stage->working->number;

	appendStringInfo(out, "WITH RECURSIVE " SQLGEN_RECURSION_NAME, working);
	sqlgen_column_aliases(out, list_length(stage->columns));
	appendStringInfoString(out, " AS (");
	branches_state_sql(stage, stage->branches, NIL, out);
	appendStringInfo(out, " UNION ALL (WITH " SQLGEN_STAGE_NAME
					 " AS (SELECT * FROM " SQLGEN_RECURSION_NAME ") ",
					 working, working);
	branches_state_sql(stage, stage->step, NIL, out);
	appendStringInfo(out, ")) SELECT * FROM " SQLGEN_RECURSION_NAME, working);
}

/* ---- STORED ---- */

static void
stored_state_sql(const Stage *stage, List *restrictions, StringInfo out)
{
	appendStringInfoString(out, "SELECT");
	for (int column = 1; column <= list_length(stage->columns); column++)
		appendStringInfo(out, "%s q.c%d", column > 1 ? "," : "", column);
	appendStringInfo(out, " FROM %s q", stage->relation);
	restrictions_append(out, " WHERE ", restrictions, stage->columns, "q.");
}

void
stage_state_sql(const Stage *stage, List *restrictions, StringInfo out)
{
	switch (stage->rule)
	{
		case STAGE_SUM:
			branches_state_sql(stage, stage->branches, restrictions, out);
			break;
		case STAGE_PARTITION:
		case STAGE_LINEAR:
			block_state_sql(stage, restrictions, out);
			break;
		case STAGE_STORED:
			stored_state_sql(stage, restrictions, out);
			break;
		case STAGE_RECURSION:
			Assert(restrictions == NIL);
			recursion_state_sql(stage, out);
			break;
		case STAGE_WORKING:
			Assert(restrictions == NIL);
			appendStringInfo(out, "SELECT * FROM " SQLGEN_STAGE_NAME, stage->number);
			break;
	}
}
