/*-------------------------------------------------------------------------
 *
 * slice_sql.c
 *	  The statements of op_slice.c.  Which of them are run, and why their sum
 *	  is right, is said there.
 *
 * The values that restrict a slice are parameters, one array for each of
 * slice_keys(), or, when they are many, columns of relations: one for each input
 * of slice_keys(), named by it, whose columns are its keys in their order.  All
 * of a text follows from its StatementKey, whose mask has bit i set if input i of
 * the stage has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

static bool
input_changed(uint64 changed, int i)
{
	return (changed & (UINT64CONST(1) << i)) != 0;
}

/* Can values of the type be told from each other as elements of an array? */
static bool
has_plain_array(Oid element)
{
	return !type_is_rowtype(element) &&
		get_typtype(element) != TYPTYPE_PSEUDO &&
		OidIsValid(get_array_type(element));
}

static List *
add_key(List *keys, int input, int position, Oid opno, Oid collation, Oid type)
{
	Oid			element = restriction_element(opno, type);
	SliceKey   *key;

	if (!restriction_fits(opno, type) || !has_plain_array(element))
		return keys;
	key = palloc0(sizeof(SliceKey));
	key->input = input;
	key->position = position;
	key->opno = opno;
	key->collation = collation;
	key->element = element;
	return lappend(keys, key);
}

/* The type of a key column, if it is that of all inputs, else InvalidOid. */
static Oid
partition_key_type(const Stage *stage, int key)
{
	Oid			type = InvalidOid;
	ListCell   *lc;

	foreach(lc, stage->inputs)
	{
		const StageInput *input = lfirst(lc);
		Oid			this = stage_column(input->stage, input->keys[key])->type;

		if (OidIsValid(type) && type != this)
			return InvalidOid;
		type = this;
	}
	return type;
}

/* Pairs of one input of a LINEAR stage that values can be collected for. */
static List *
add_pairs(List *keys, const Stage *stage, int i)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	int			position = 0;
	ListCell   *lc;

	foreach(lc, stage_input_at(stage, i)->pairs)
	{
		const StagePair *pair = lfirst(lc);

		keys = add_key(keys, i, position++, pair->opno, pair->collation,
					   stage_column(first, pair->left)->type);
	}
	return keys;
}

/* Is the first input matched by the same columns and equalities with both? */
static bool
same_matches(const Stage *stage, int i, int j)
{
	List	   *a = stage_input_at(stage, i)->pairs;
	List	   *b = stage_input_at(stage, j)->pairs;
	ListCell   *la,
			   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		const StagePair *pa = lfirst(la);
		const StagePair *pb = lfirst(lb);

		if (pa->left != pb->left || pa->opno != pb->opno ||
			pa->collation != pb->collation)
			return false;
	}
	return true;
}

int
slice_touched_as(const Stage *stage, uint64 changed, int i)
{
	for (int j = 1; j < i; j++)
		if (input_changed(changed, j) && same_matches(stage, i, j))
			return j;
	return i;
}

List *
slice_keys(const Stage *stage, uint64 changed)
{
	List	   *keys = NIL;

	if (!stage_inputs_differ(stage))
		return NIL;
	if (stage->rule == STAGE_PARTITION)
	{
		for (int i = 0; i < Min(stage->nkeys, MAX_SOURCES); i++)
		{
			Oid			type = partition_key_type(stage, i);

			if (OidIsValid(type))
				keys = add_key(keys, 0, i, stage->key_eqops[i],
							   stage->key_collations[i], type);
		}
		return keys;
	}
	for (int i = 1; i < list_length(stage->inputs); i++)
		if (input_changed(changed, i) && slice_touched_as(stage, changed, i) == i)
			keys = add_pairs(keys, stage, i);
	return keys;
}

bool
slice_is_whole(const Stage *stage, uint64 changed)
{
	for (int i = 1; i < list_length(stage->inputs); i++)
		if (input_changed(changed, i) &&
			(!stage_inputs_differ(stage) || add_pairs(NIL, stage, i) == NIL))
			return true;
	return false;
}

bool
slice_reads_stage(const Stage *stage, uint64 changed, int i)
{
	/* of what is grouped, the planner would read all */
	return stage->rule == STAGE_LINEAR && i > 0 && !input_changed(changed, i) &&
		stage_inputs_differ(stage) && !stage_input_at(stage, i)->grouped &&
		stage_is_flat(stage_input_at(stage, i)->stage);
}

/* ---- values that changed ---- */

/* The values of keys in one delta, columns k<n> by their positions in the list. */
static void
append_values(const DeltaProgram *program, const Stage *stage,
			  const StageInput *input, List *keys, StringInfo out)
{
	const char *separator = "SELECT ";
	ListCell   *lc;

	foreach(lc, keys)
	{
		const SliceKey *key = lfirst(lc);
		int			column = stage->rule == STAGE_LINEAR ?
			((StagePair *) list_nth(input->pairs, key->position))->right :
			input->keys[key->position];

		appendStringInfo(out, "%sc%d::%s", separator, column,
						 plain_type_name(key->element));
		if (OidIsValid(key->collation))
			appendStringInfo(out, " COLLATE %s",
							 generate_collation_name(key->collation));
		appendStringInfo(out, " AS k%d", foreach_current_index(lc) + 1);
		separator = ", ";
	}
	appendStringInfo(out, " FROM " SQLGEN_DELTA_NAME,
					 stage_input_index(program, input->stage) + 1);
}

/* The values of keys, which are of the same deltas, in all that bring them. */
static char *
values_sql(const DeltaProgram *program, const Stage *stage, uint64 changed,
		   List *keys)
{
	StringInfoData sql;
	const char *separator = "";
	int			first = ((SliceKey *) linitial(keys))->input;

	initStringInfo(&sql);
	for (int i = first; i < list_length(stage->inputs); i++)
	{
		if (!input_changed(changed, i) ||
			(stage->rule == STAGE_LINEAR && slice_touched_as(stage, changed, i) != first))
			continue;
		appendStringInfoString(&sql, separator);
		append_values(program, stage, stage_input_at(stage, i), keys, &sql);
		separator = " UNION ALL ";
	}
	return sql.data;
}

/* The keys that come from the same deltas as the first one. */
static List *
keys_together(List *keys, const SliceKey *first)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, keys)
		if (((SliceKey *) lfirst(lc))->input == first->input)
			result = lappend(result, lfirst(lc));
	return result;
}

/*
 * For each key its values, and whether NULL is one.  The arrays of keys that
 * come together go in step: they are the columns of the distinct rows.
 */
static void
keys_sql(const DeltaProgram *program, const Stage *stage, uint64 changed,
		 StringInfo out)
{
	List	   *keys = slice_keys(stage, changed);
	StringInfoData from;
	ListCell   *lc;

	initStringInfo(&from);
	foreach(lc, keys)
	{
		const SliceKey *key = lfirst(lc);
		List	   *together = keys_together(keys, key);
		int			column = 0;

		if (linitial(together) != key)
			continue;
		appendStringInfo(&from, "%s(SELECT", from.len > 0 ? ", " : "");
		for (column = 1; column <= list_length(together); column++)
			appendStringInfo(&from, "%s coalesce(array_agg(k%d), '{}'), coalesce(bool_or(k%d IS NULL), false)",
							 column > 1 ? "," : "", column, column);
		appendStringInfo(&from, " FROM (SELECT DISTINCT * FROM (%s) v) v) g%d",
						 values_sql(program, stage, changed, together), key->input);
	}
	appendStringInfo(out, "SELECT * FROM %s", from.data);
}

/* ---- restrictions by values ---- */

/* The number of the parameter that has the key's values. */
static int
key_param(List *keys, const SliceKey *key)
{
	ListCell   *lc;

	foreach(lc, keys)
		if (lfirst(lc) == key)
			return foreach_current_index(lc) + 1;
	elog(ERROR, "a key is not among those of its stage");
}

/*
 * Let a restriction name the rows of all keys that come together with this one,
 * as k(c1, c2, ...).
 */
static void
add_rows(Restriction *r, List *keys, const SliceKey *key)
{
	List	   *together = keys_together(keys, key);
	const char *separator = "ROWS FROM (";
	StringInfoData rows;
	ListCell   *lc;

	if (list_length(together) < 2)
		return;
	initStringInfo(&rows);
	foreach(lc, together)
	{
		appendStringInfo(&rows, "%sunnest($%d)", separator, key_param(keys, lfirst(lc)));
		separator = ", ";
	}
	appendStringInfoString(&rows, ") k");
	sqlgen_column_aliases(&rows, list_length(together));
	r->rows = rows.data;
	r->element = psprintf("k.c%d", key_param(together, key));
}

/*
 * statement: its nulls are keys of which NULL is a value; no rows can be named
 * then.
 */
static Restriction *
key_restriction(List *keys, const SliceKey *key, int column,
				const StatementKey *statement)
{
	Restriction *r = palloc0(sizeof(Restriction));
	int			param = key_param(keys, key);
	uint64		nulls = statement->nulls;

	r->column = column;
	r->opno = key->opno;
	r->collation = key->collation;
	if (statement->values)
	{
		restriction_to_rows(r, key->element, key_param(keys_together(keys, key), key),
							psprintf(SQLGEN_VALUES_NAME, key->input));
		return r;
	}
	r->set = psprintf("$%d", param);
	r->or_null = param <= MAX_SOURCES && (nulls & (UINT64CONST(1) << (param - 1))) != 0;
	if (nulls == 0)
		add_rows(r, keys, key);
	return r;
}

/* PARTITION: input i where its keys are among those that changed. */
static void
partition_input_sql(const Stage *stage, const StatementKey *statement, StringInfo out)
{
	const StageInput *input = stage_input_at(stage, statement->step);
	List	   *keys = slice_keys(stage, 0);	/* whatever has changed */
	List	   *restrictions = NIL;
	ListCell   *lc;

	foreach(lc, keys)
	{
		const SliceKey *key = lfirst(lc);

		restrictions = lappend(restrictions,
							   key_restriction(keys, key, input->keys[key->position],
											   statement));
	}
	stage_state_sql(input->stage, restrictions, out);
}

/*
 * LINEAR: rows of the first input that match changes of input i, or of those
 * with the same slice_touched_as(), which is i.
 */
static List *
touched_restrictions(const Stage *stage, const StatementKey *statement, int i)
{
	List	   *keys = slice_keys(stage, statement->mask);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, keys)
	{
		const SliceKey *key = lfirst(lc);
		const StagePair *pair;

		if (key->input != i)
			continue;
		pair = list_nth(stage_input_at(stage, i)->pairs, key->position);
		result = lappend(result, key_restriction(keys, key, pair->left, statement));
	}
	return result;
}

/* Rows that match no change of the changed inputs before the given one. */
static void
append_untouched(const Stage *stage, const StatementKey *statement, int before,
				 const char *keyword, StringInfo out)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	const char *separator = "(";
	bool		any = false;

	for (int i = 1; i < before; i++)
	{
		if (!input_changed(statement->mask, i) ||
			slice_touched_as(stage, statement->mask, i) != i)
			continue;
		appendStringInfo(out, "%s%s", any ? "" : keyword, separator);
		restrictions_append(out, "(", touched_restrictions(stage, statement, i),
							first->columns, "q.");
		appendStringInfoChar(out, ')');
		separator = " OR ";
		any = true;
	}
	if (any)
		appendStringInfoString(out, ") IS NOT TRUE");
}

/* LINEAR: the first input where changes of input i touch it; 0: all of it. */
static void
left_sql(const Stage *stage, const StatementKey *statement, StringInfo out)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	int			i = statement->step;
	List	   *restrictions = i > 0 ? touched_restrictions(stage, statement, i) : NIL;

	appendStringInfoString(out, "SELECT * FROM (");
	stage_state_sql(first, restrictions, out);
	appendStringInfoString(out, ") q");
	append_untouched(stage, statement, i, " WHERE ", out);
}

/* LINEAR: rows that came to the first input, and that no other change touches. */
static void
outside_sql(const DeltaProgram *program, const Stage *stage,
			const StatementKey *statement, StringInfo out)
{
	const Stage *first = stage_input_at(stage, 0)->stage;

	appendStringInfoString(out, "SELECT ");
	for (int column = 1; column <= list_length(first->columns); column++)
		appendStringInfo(out, "c%d, ", column);
	appendStringInfo(out, "w FROM " SQLGEN_DELTA_NAME " q WHERE w > 0",
					 stage_input_index(program, first) + 1);
	append_untouched(stage, statement, list_length(stage->inputs), " AND ", out);
}

/* ---- LINEAR: other inputs, restricted by the slice of the first ---- */

static void
append_more_columns(const Stage *stage, StringInfo out)
{
	for (int column = 2; column <= list_length(stage->columns); column++)
		appendStringInfo(out, ", c%d", column);
}

static List *
matching_restrictions(const DeltaProgram *program, const Stage *stage,
					  uint64 changed, int i)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	char	   *left = psprintf(SQLGEN_LEFT_NAME, stage->number);
	char	   *delta = psprintf(SQLGEN_DELTA_NAME,
								 stage_input_index(program, first) + 1);

	if (!stage_inputs_differ(stage))
		return NIL;
	/* the old slice of the first input has rows that are only in its delta */
	if (input_changed(changed, 0))
	{
		StringInfoData both;

		initStringInfo(&both);
		appendStringInfo(&both, "(SELECT c1");
		append_more_columns(first, &both);
		appendStringInfo(&both, " FROM %s UNION ALL SELECT c1", left);
		append_more_columns(first, &both);
		appendStringInfo(&both, " FROM %s)", delta);
		left = both.data;
	}
	return linear_match(stage, i, left);
}

/* The table that an input is, with its plain columns behind the pairs, or 0. */
static Oid
paired_table(const StageInput *input, List **columns)
{
	const Branch *branch;
	ListCell   *lc;

	if (input->stage->rule != STAGE_SUM || list_length(input->stage->branches) != 1)
		return InvalidOid;
	branch = linitial(input->stage->branches);
	if (list_length(branch->factors) != 1)
		return InvalidOid;
	foreach(lc, input->pairs)
	{
		Var		   *var = (Var *) strip_relabel(list_nth(branch->targets,
														 ((StagePair *) lfirst(lc))->right - 1));

		if (IsA(var, Var))
			*columns = lappend_int(*columns, var->varattno);
	}
	return ((Factor *) linitial(branch->factors))->relid;
}

/*
 * Is the slice of the input to have no more rows than tell about those that match
 * and have not changed?  Values are counted by image, and rows looked up one value
 * after the other.
 */
static bool
is_bounded(const Stage *stage, uint64 changed, int i)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	const StageInput *input = stage_input_at(stage, i);
	List	   *columns = NIL;
	Oid			table;
	ListCell   *lc;

	if (!input->alike || !input_changed(changed, i) || !stage_inputs_differ(stage))
		return false;
	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);
		Oid			type = stage_column(first, pair->left)->type;

		if (type != stage_column(input->stage, pair->right)->type ||
			!restriction_fits(pair->opno, type) ||
			!equality_is_image(type, pair->collation))
			return false;
	}
	table = paired_table(input, &columns);
	return OidIsValid(table) && table_has_index(table, columns);
}

/* The columns of the pairs, as k1, k2, ... */
static void
append_pair_columns(const StageInput *input, bool left, StringInfo out)
{
	ListCell   *lc;

	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);
		int			n = foreach_current_index(lc) + 1;

		appendStringInfo(out, "%sc%d AS k%d", n > 1 ? ", " : "",
						 left ? pair->left : pair->right, n);
	}
}

/* They are those of k; right: else they are called k1, k2, ... too. */
static void
append_pair_equalities(const StageInput *input, const char *prefix, bool right,
					   StringInfo out)
{
	ListCell   *lc;

	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);
		Restriction r = {.opno = pair->opno, .collation = pair->collation};
		int			n = foreach_current_index(lc) + 1;

		if (n > 1)
			appendStringInfoString(out, " AND ");
		restriction_equality(out, &r, psprintf("k.k%d", n),
							 stage_column(input->stage, pair->right)->type,
							 psprintf(right ? "%s.c%d" : "%s.k%d", prefix,
									  right ? pair->right : n));
	}
}

/*
 * LINEAR: of an input whose rows are alike, for each value of the pairs, one row
 * more than came; all where a row of the first input came or went.
 */
static void
bounded_input_sql(const DeltaProgram *program, const Stage *stage,
				  uint64 changed, int i, StringInfo out)
{
	const StageInput *input = stage_input_at(stage, i);
	bool		left_changed = input_changed(changed, 0);
	int			left = stage_input_index(program, stage_input_at(stage, 0)->stage) + 1;
	int			ncolumns = list_length(input->stage->columns);

	appendStringInfoString(out, "SELECT q.c1");
	for (int column = 2; column <= ncolumns; column++)
		appendStringInfo(out, ", q.c%d", column);
	appendStringInfoString(out, " FROM (SELECT ");
	append_pair_columns(input, true, out);
	appendStringInfo(out, " FROM " SQLGEN_LEFT_NAME, stage->number);
	if (left_changed)
	{
		appendStringInfoString(out, " UNION SELECT ");
		append_pair_columns(input, true, out);
		appendStringInfo(out, " FROM " SQLGEN_DELTA_NAME, left);
	}
	else
	{
		appendStringInfoString(out, " GROUP BY 1");
		for (int n = 2; n <= list_length(input->pairs); n++)
			appendStringInfo(out, ", %d", n);
	}
	appendStringInfoString(out, ") k LEFT JOIN (SELECT ");
	append_pair_columns(input, false, out);
	appendStringInfo(out, ", sum(w) AS n FROM " SQLGEN_DELTA_NAME " WHERE w > 0 GROUP BY 1",
					 stage_input_index(program, input->stage) + 1);
	for (int n = 2; n <= list_length(input->pairs); n++)
		appendStringInfo(out, ", %d", n);
	appendStringInfoString(out, ") d ON ");
	append_pair_equalities(input, "d", false, out);
	if (left_changed)
	{
		appendStringInfoString(out, " LEFT JOIN (SELECT DISTINCT ");
		append_pair_columns(input, true, out);
		appendStringInfo(out, ", true AS whole FROM " SQLGEN_DELTA_NAME ") l ON ", left);
		append_pair_equalities(input, "l", false, out);
	}
	appendStringInfoString(out, ", LATERAL (SELECT * FROM (");
	stage_state_sql(input->stage, NIL, out);
	appendStringInfoString(out, ") q WHERE ");
	append_pair_equalities(input, "q", true, out);
	appendStringInfo(out, " LIMIT CASE WHEN %s THEN NULL ELSE coalesce(d.n, 0) + 1 END) q",
					 left_changed ? "l.whole" : "false");
}

static void
linear_input_sql(const DeltaProgram *program, const Stage *stage,
				 uint64 changed, int i, StringInfo out)
{
	if (is_bounded(stage, changed, i))
	{
		bounded_input_sql(program, stage, changed, i, out);
		return;
	}
	stage_state_sql(stage_input_at(stage, i)->stage,
					matching_restrictions(program, stage, changed, i), out);
}

static void
linear_input_delta_sql(const DeltaProgram *program, const Stage *stage,
					   uint64 changed, int i, StringInfo out)
{
	const Stage *input = stage_input_at(stage, i)->stage;

	appendStringInfoString(out, "SELECT ");
	for (int column = 1; column <= list_length(input->columns); column++)
		appendStringInfo(out, "c%d, ", column);
	appendStringInfo(out, "w FROM " SQLGEN_DELTA_NAME " q",
					 stage_input_index(program, input) + 1);
	restrictions_append(out, " WHERE ",
						matching_restrictions(program, stage, changed, i),
						input->columns, "q.");
}

/* ---- the block over the slices ---- */

static char *
slice_text(const Stage *input)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT");
	for (int column = 1; column <= list_length(input->columns); column++)
		appendStringInfo(&text, "%s c%d", column > 1 ? "," : "", column);
	appendStringInfo(&text, " FROM " SQLGEN_STAGE_NAME, input->number);
	return text.data;
}

static void
result_sql(const Stage *stage, uint64 changed, StringInfo out)
{
	int			ninputs = list_length(stage->inputs);
	char	  **texts = palloc0(sizeof(char *) * (ninputs + 1));

	for (int i = 0; i < ninputs; i++)
	{
		const Stage *input = stage_input_at(stage, i)->stage;

		if (slice_reads_stage(stage, changed, i))
		{
			StringInfoData text;

			initStringInfo(&text);
			stage_state_sql(input, NIL, &text);
			texts[i] = text.data;
		}
		else
			texts[i] = slice_text(input);
	}
	block_sql(stage, "", texts, out);
}

/* ---- the result itself, now and as it is stored ---- */

/* Restrictions of the result's columns, as far as it shows its keys. */
static List *
shown_restrictions(const Stage *stage, const StatementKey *statement)
{
	List	   *keys = slice_keys(stage, 0);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, keys)
	{
		const SliceKey *key = lfirst(lc);

		for (int i = 0; i < list_length(stage->columns); i++)
			if (stage->origins[i] == key->position + 1)
			{
				result = lappend(result, key_restriction(keys, key, i + 1, statement));
				break;
			}
	}
	return result;
}

/* Rows now with weight 1, rows that the table has with weight -1. */
static void
touched_sql(const DeltaProgram *program, const Stage *stage,
			const StatementKey *statement, StringInfo out)
{
	List	   *restrictions = shown_restrictions(stage, statement);
	StringInfoData columns;
	int			column = 0;
	ListCell   *lc;

	initStringInfo(&columns);
	for (int i = 1; i <= list_length(stage->columns); i++)
		appendStringInfo(&columns, "q.c%d, ", i);
	appendStringInfo(out, "SELECT %s1 AS w FROM (", columns.data);
	stage_state_sql(stage, restrictions, out);
	appendStringInfo(out, ") q UNION ALL SELECT %s-1 FROM (SELECT", columns.data);
	foreach(lc, program->tree->outputs)
	{
		column++;
		appendStringInfo(out, "%s %s AS c%d", column > 1 ? "," : "",
						 quote_identifier(((OutputColumn *) lfirst(lc))->name), column);
	}
	appendStringInfo(out, " FROM %s) q", sqlgen_relation(program->relid));
	restrictions_append(out, " WHERE ", restrictions, stage->columns, "q.");
}

void
slice_sql(const DeltaProgram *program, const StatementKey *key, StringInfo out)
{
	const Stage *stage = program_stage(program, key->stage);

	switch (key->kind)
	{
		case PLAN_SLICE_KEYS:
			keys_sql(program, stage, key->mask, out);
			break;
		case PLAN_SLICE_LEFT:
			left_sql(stage, key, out);
			break;
		case PLAN_SLICE_OUTSIDE:
			outside_sql(program, stage, key, out);
			break;
		case PLAN_SLICE_INPUT:
			if (stage->rule == STAGE_PARTITION)
				partition_input_sql(stage, key, out);
			else
				linear_input_sql(program, stage, key->mask, key->step, out);
			break;
		case PLAN_SLICE_INPUT_DELTA:
			linear_input_delta_sql(program, stage, key->mask, key->step, out);
			break;
		case PLAN_SLICE_RESULT:
			result_sql(stage, key->mask, out);
			break;
		case PLAN_SLICE_TOUCHED:
			touched_sql(program, stage, key, out);
			break;
		default:
			elog(ERROR, "statement kind %d is none of a slice", (int) key->kind);
	}
}
