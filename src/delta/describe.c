/*-------------------------------------------------------------------------
 *
 * describe.c
 *	  A compiled query in words, stage by stage.
 *
 * Columns are named as in the query where that is possible.  The rules are
 * those of analyze.h; nothing here decides anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "delta/delta.h"
#include "delta/explain.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define LINEAR "linear"
#define MERGE "merge"
#define STORED "stored"
#define RECURSION "recursion"

static char *
join_words(List *words, const char *separator)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	foreach(lc, words)
		appendStringInfo(&out, "%s%s", out.len > 0 ? separator : "",
						 (char *) lfirst(lc));
	return out.data;
}

/* ---- what is read ---- */

/* Add unless it is there. */
static void
add_read(ExplainedStage *result, const ExplainedSource *source, int stage,
		 const char *lookup)
{
	ExplainedRead *read;
	ListCell   *lc;

	foreach(lc, result->reads)
	{
		read = lfirst(lc);
		if (read->source == source && read->stage == stage)
			return;
	}
	read = palloc0(sizeof(ExplainedRead));
	read->source = source;
	read->stage = stage;
	read->lookup = lookup;
	result->reads = lappend(result->reads, read);
}

static void
read_branches(const DeltaProgram *program, const Explanation *explanation,
			  List *branches, ExplainedStage *result)
{
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			const Factor *factor = lfirst(lf);

			if (factor->stage != NULL)
				add_read(result, NULL, factor->stage->number, NULL);
			else if (factor->function == NULL)
				add_read(result, list_nth(explanation->sources,
										  program_source_index(program, factor->relid)),
						 0, NULL);
		}
}

/* LINEAR: left = right and ... */
static char *
pairs_words(const Stage *stage, const StageInput *input)
{
	const Stage *first = stage_input_at(stage, 0)->stage;
	List	   *words = NIL;
	ListCell   *lc;

	foreach(lc, input->pairs)
	{
		const StagePair *pair = lfirst(lc);

		words = lappend(words, psprintf("%s %s %s",
										sqlgen_readable_column(first, pair->left),
										get_opname(pair->opno),
										sqlgen_readable_column(input->stage, pair->right)));
	}
	return words != NIL ? join_words(words, " AND ") : NULL;
}

static List *
partition_key(const Stage *stage, const StageInput *input)
{
	List	   *key = NIL;

	for (int i = 0; i < stage->nkeys; i++)
		key = lappend(key, sqlgen_readable_column(input->stage, input->keys[i]));
	return key;
}

static void
read_inputs(const Stage *stage, ExplainedStage *result)
{
	ListCell   *lc;

	foreach(lc, stage->inputs)
	{
		const StageInput *input = lfirst(lc);
		const char *lookup = NULL;

		if (stage->rule == STAGE_LINEAR)
			lookup = pairs_words(stage, input);
		else if (stage->nkeys > 0)
			lookup = join_words(partition_key(stage, input), ", ");
		add_read(result, NULL, input->stage->number, lookup);
	}
}

/* ---- sums ---- */

static const char *
sum_construct(List *branches)
{
	const Branch *branch = linitial(branches);
	int			nfactors = list_length(branch->factors);

	if (list_length(branches) > 1)
		return psprintf("UNION ALL of %d", list_length(branches));
	if (nfactors > 1)
		return psprintf("join of %d", nfactors);
	if (nfactors == 0)
		return "constant row";
	return branch->quals != NIL ? "filter" : "select";
}

static int
widest_join(List *branches)
{
	int			width = 0;
	ListCell   *lc;

	foreach(lc, branches)
		width = Max(width, list_length(((Branch *) lfirst(lc))->factors));
	return width;
}

static const char *
changes_note(List *branches)
{
	int			width = widest_join(branches);

	if (width > 3)
		return "the changes of each input meet the others as they are; from six changed inputs on, as they are or were";
	if (width > 1)
		return "the changes of each input meet the others as they are, and what that counts twice is taken off";
	return width == 0 ? "never changes" : "changes pass through";
}

char *
branch_clock_note(const Branch *branch)
{
	BranchClock *clock = branch_clock(branch);
	List	   *words = NIL;
	ListCell   *lc;

	foreach(lc, clock->bounds)
	{
		const ClockBound *bound = lfirst(lc);

		words = lappend(words,
						psprintf("rows are looked up whose %s lies between the last and the present value of %s",
								 sqlgen_readable(bound->expr, branch),
								 sqlgen_readable(bound->value, branch)));
	}
	foreach(lc, clock->values)
		words = lappend(words,
						psprintf("all rows are computed before and after when %s changes",
								 sqlgen_readable(lfirst(lc), branch)));
	return join_words(words, ", ");
}

static const char *
sum_note(List *branches)
{
	List	   *words = NIL;
	ListCell   *lc;

	foreach(lc, branches)
		if (((const Branch *) lfirst(lc))->uses_clock)
			words = lappend(words, psprintf("as time goes by, %s",
											branch_clock_note(lfirst(lc))));
	if (words == NIL || widest_join(branches) > 0)
		words = lcons(unconstify(char *, changes_note(branches)), words);
	return join_words(words, "; ");
}

/* ---- aggregates ---- */

/* An expression over the columns of the core, in terms of its tables. */
static Node *
columns_mutator(Node *node, List *targets)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return copyObject(list_nth(targets, ((Var *) node)->varattno - 1));
	return expression_tree_mutator(node, columns_mutator, targets);
}

static char *
call_words(const AggregateCall *call, const Branch *branch)
{
	if (call->over != NULL)
		return sqlgen_readable(columns_mutator((Node *) call->over, branch->targets),
							   branch);
	return psprintf("%s(%s)", quote_identifier(get_func_name(call->aggref->aggfnoid)),
					call->arg == 0 ? "*" :
					sqlgen_readable(list_nth(branch->targets, call->arg - 1), branch));
}

static void
describe_calls(const DeltaProgram *program, ExplainedStage *result)
{
	const Branch *branch = linitial(program->tree->branches);
	int			i = 0;
	ListCell   *lc;

	foreach(lc, program->tree->calls)
	{
		const AggregateCall *call = lfirst(lc);
		ExplainedAggregate *aggregate = palloc0(sizeof(ExplainedAggregate));
		const StateColumn *state = &program->states[program->call_states[i++][0]];

		aggregate->call = call_words(call, branch);
		aggregate->note = state_words(state->kind);
		result->aggregates = lappend(result->aggregates, aggregate);
	}
}

static void
describe_aggregate(const DeltaProgram *program, ExplainedStage *result)
{
	const QueryTree *tree = program->tree;
	const Branch *branch = linitial(tree->branches);

	result->construct = tree->distinct ? "DISTINCT" :
		tree->nkeys > 0 ? "GROUP BY" : "aggregate";
	result->rule = MERGE;
	for (int i = 0; i < tree->nkeys; i++)
		result->key = lappend(result->key,
							  sqlgen_readable(list_nth(branch->targets, i), branch));
	result->note = psprintf("the change of each touched group is merged into what is stored of it%s; below it a %s: %s",
							tree->having == NULL ? "" :
							" and HAVING tested, one that is not stored is computed afresh",
							sum_construct(tree->branches), sum_note(tree->branches));
	describe_calls(program, result);
}

/* ---- the top of a program, and of its parts ---- */

static ExplainedStage *
describe_top(const DeltaProgram *program, const Explanation *explanation)
{
	ExplainedStage *result = palloc0(sizeof(ExplainedStage));
	const QueryTree *tree = program->tree;

	if (tree->aggregated)
		describe_aggregate(program, result);
	else
	{
		result->construct = sum_construct(tree->branches);
		result->rule = LINEAR;
		result->note = tree_reevaluated(tree) != NULL ?
			"its result now less what is stored" : sum_note(tree->branches);
	}
	read_branches(program, explanation, tree->branches, result);
	return result;
}

static ExplainedStage *
describe_part(const DeltaProgram *part, const Stage *stage,
			  const Explanation *explanation)
{
	ExplainedStage *result = describe_top(part, explanation);

	result->number = stage->number;
	if (OidIsValid(stage->polled))
		result->note = "a copy of what each refresh reads; the difference is its change";
	else
		result->note = psprintf("kept in an auxiliary table, which is maintained like the stream table: %s, %s",
								result->rule, result->note);
	result->rule = STORED;
	if (OidIsValid(part->defview))
		result->table = stage->relation;
	return result;
}

/* ---- stages ---- */

/* Why does no key divide the query? */
static const char *
one_part_reason(const Stage *stage)
{
	const Query *query = stage->query;

	if (query->hasRecursive)
		return "every row of a recursive query may follow from any other";
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return "which rows are the first depends on all of them";
	if (query->groupingSets != NIL)
		return "no column is in all of the grouping sets";
	if (query->hasWindowFuncs)
		return "no column is in PARTITION BY of all windows";
	if (query->hasAggs && query->groupClause == NIL)
		return "there is one group";
	return "nothing tells which of its rows a change may reach";
}

static const char *
partition_note(const QueryTree *tree, const Stage *stage)
{
	bool		compared = stage == tree_reevaluated(tree);
	const char *how = compared ?
		"computed afresh and compared with what is stored" :
		"computed before and after a change";

	if (stage->nkeys == 0)
		return psprintf("%s, because %s", how, one_part_reason(stage));
	if (slice_keys(stage, 0) == NIL)
		return psprintf("%s, all keys at once, because their types cannot be looked up", how);
	return compared ?
		"computed afresh for the keys that changed, and compared with what is stored of them" :
		"computed before and after for the keys that changed";
}

static const char *
linear_note(const Stage *stage)
{
	StringInfoData note;

	initStringInfo(&note);
	appendStringInfoString(&note, "computed before and after for the rows of its first input that a change touches");
	for (int i = 1; i < list_length(stage->inputs); i++)
		if (slice_is_whole(stage, UINT64CONST(1) << i))
			appendStringInfo(&note, "; a change of stage %d touches all of them, because no equality joins it",
							 stage_input_at(stage, i)->stage->number);
	return note.data;
}

static ExplainedStage *
describe_stage(const DeltaProgram *program, const Stage *stage,
			   const Explanation *explanation)
{
	ExplainedStage *result = palloc0(sizeof(ExplainedStage));

	result->number = stage->number;
	result->construct = stage->what;
	switch (stage->rule)
	{
		case STAGE_SUM:
			result->construct = sum_construct(stage->branches);
			result->rule = LINEAR;
			result->note = !stage->netted ? sum_note(stage->branches) :
				psprintf("%s; netted before what can fail is computed, since there was a data error on rows that never existed together",
						 sum_note(stage->branches));
			read_branches(program, explanation, stage->branches, result);
			break;
		case STAGE_PARTITION:
			result->rule = stage->nkeys > 0 ? "partition by key" : "one part";
			if (stage->inputs != NIL)
				result->key = partition_key(stage, stage_input_at(stage, 0));
			result->note = partition_note(program->tree, stage);
			read_inputs(stage, result);
			break;
		case STAGE_LINEAR:
			result->rule = "linear in first input";
			result->note = linear_note(stage);
			read_inputs(stage, result);
			break;
		case STAGE_RECURSION:
			result->rule = RECURSION;
			result->note = stage->whole ?
				"computed afresh and compared with what is stored, since there was a data error on rows that never existed together" :
				"round by round: what the last round changed meets the inputs as they are, and what it brought before meets their changes";
			read_branches(program, explanation, stage->branches, result);
			read_branches(program, explanation, stage->step, result);
			break;
		case STAGE_WORKING:
			result->rule = RECURSION;
			result->note = "what the last round of the recursion has changed, or what is stored of it";
			break;
		case STAGE_STORED:
			elog(ERROR, "stage %d has no program", stage->number);
	}
	return result;
}

static List *
describe_stages(const DeltaProgram *program, const Explanation *explanation)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, program->tree->stages)
		result = lappend(result, describe_stage(program, lfirst(lc), explanation));
	return result;
}

/* ---- the whole ---- */

static void
describe_source(Explanation *explanation, const ProgramSource *source)
{
	ExplainedSource *result = palloc0(sizeof(ExplainedSource));
	int			attno = -1;

	result->relid = source->relid;
	result->name = sqlgen_relation(source->relid);
	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		result->columns = lappend(result->columns,
								  pstrdup(quote_identifier(get_attname(source->relid,
																	   attno, false))));
	result->uncapturable = source->uncapturable;
	result->polled = source->polled;
	explanation->sources = lappend(explanation->sources, result);
}

static void
describe_identity(Explanation *explanation, const DeltaProgram *program)
{
	static const struct
	{
		const char *kind;
		const char *note;
	}			words[] = {
		[IDENTITY_KEY] = {"key", "by a unique index"},
		[IDENTITY_KEY_HASH] = {"hashed key", "through a hash of them in __pgt_row_id, rechecked"},
		[IDENTITY_BAG] = {"image", "by the whole row, through a hash of it in __pgt_row_id; duplicates are kept"},
		[IDENTITY_SINGLE] = {"single row", "there is exactly one"}
	};
	const Identity *identity = &program->identity;

	explanation->identity = words[identity->kind].kind;
	explanation->identity_note = words[identity->kind].note;
	for (int i = 0; i < identity->nkeys; i++)
	{
		const LayoutColumn *column = list_nth(program->layout, identity->keys[i] - 1);

		explanation->identity_columns =
			lappend(explanation->identity_columns,
					pstrdup(quote_identifier(column->name)));
	}
}

Explanation *
program_describe(const DeltaProgram *program)
{
	Explanation *explanation = palloc0(sizeof(Explanation));
	ListCell   *lc,
			   *lp;

	explanation->reason = program->reason;
	explanation->always_recompute = program->always_recompute;
	describe_identity(explanation, program);
	foreach(lc, program->sources)
		describe_source(explanation, lfirst(lc));
	if (program->reason != NULL)
		return explanation;

	explanation->stages = list_make1(describe_top(program, explanation));
	forboth(lc, program->stored, lp, program->parts)
	{
		explanation->stages = list_concat(explanation->stages,
										  describe_stages(lfirst(lp), explanation));
		explanation->stages = lappend(explanation->stages,
									  describe_part(lfirst(lp), lfirst(lc), explanation));
	}
	explanation->stages = list_concat(explanation->stages,
									  describe_stages(program, explanation));
	explanation->advice = program_advice(program);
	return explanation;
}
