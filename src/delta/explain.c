/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A compiled query as a text: operator tree, rule and reason per stage,
 *	  the statements of a refresh.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "delta/explain.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char *
column_name(const DeltaProgram *program, AttrNumber attno)
{
	return ((LayoutColumn *) list_nth(program->layout, attno - 1))->name;
}

static void
explain_identity(const DeltaProgram *program, StringInfo out)
{
	const Identity *identity = &program->identity;

	appendStringInfoString(out, "Rows recognised by: ");
	switch (identity->kind)
	{
		case IDENTITY_SINGLE:
			appendStringInfoString(out, "nothing, there is exactly one\n");
			return;
		case IDENTITY_BAG:
			appendStringInfoString(out, "the image of the whole row, through a hash in __pgt_row_id; duplicates are kept\n");
			return;
		case IDENTITY_KEY:
		case IDENTITY_KEY_HASH:
			for (int i = 0; i < identity->nkeys; i++)
				appendStringInfo(out, "%s%s", i > 0 ? ", " : "",
								 quote_identifier(column_name(program, identity->keys[i])));
			appendStringInfoString(out, identity->kind == IDENTITY_KEY ?
								   " (unique index)\n" :
								   " (through a hash in __pgt_row_id, rechecked)\n");
	}
}

const char *
state_words(StateKind kind)
{
	static const char *const words[] = {
		[STATE_ROWS] = "number of rows: adds weights",
		[STATE_NONNULL] = "number of values: adds weights",
		[STATE_TRUE] = "number of true values: adds weights",
		[STATE_SUM] = "sum: adds weighted values; a group is computed afresh if NaN or infinity takes part",
		[STATE_SCALES] = "decimal places of the values of a sum: adds weighted units",
		[STATE_MIN] = "minimum: merges; a group is computed afresh if its least values went",
		[STATE_MAX] = "maximum: merges; a group is computed afresh if its greatest values went",
		[STATE_VALUE] = "an aggregate that cannot be merged exactly: touched groups are computed afresh"
	};

	return words[kind];
}

static void
explain_state(const DeltaProgram *program, const StateColumn *state,
			  StringInfo out)
{
	appendStringInfo(out, "    %s: %s\n",
					 quote_identifier(column_name(program, state->attno)),
					 state_words(state->kind));
}

static void
explain_factor(const Factor *factor, int scan, int indent, StringInfo out)
{
	appendStringInfoSpaces(out, indent);
	if (factor->stage != NULL)
		appendStringInfo(out, "Read s%d: stage %d, changes as computed for it\n",
						 scan, factor->stage->number);
	else if (factor->function != NULL)
		appendStringInfo(out, "Function s%d: depends on the other factors only\n",
						 scan);
	else
		appendStringInfo(out, "Scan s%d: %s, changes from its buffer\n", scan,
						 sqlgen_relation(factor->relid));
}

static void
explain_branch(const Branch *branch, int indent, StringInfo out)
{
	List	   *context = sqlgen_branch_context(branch, 0);
	int			nfactors = list_length(branch->factors);
	int			scan = 0;
	ListCell   *lc;

	appendStringInfoSpaces(out, indent);
	if (nfactors == 0)
		appendStringInfo(out, "A constant row: %s\n",
						 branch->uses_clock ? "no table changes it" : "never changes");
	else if (nfactors == 1)
		appendStringInfoString(out, "Project and filter: linear, the delta of the scan passes through\n");
	else
		appendStringInfo(out, "Inner join of %d: inclusion-exclusion over new states for up to five changed inputs, telescoped from six on\n",
						 nfactors);
	foreach(lc, branch->quals)
	{
		appendStringInfoSpaces(out, indent + 2);
		appendStringInfo(out, "Condition: %s\n", sqlgen_expr(lfirst(lc), context));
	}
	if (branch->uses_clock)
	{
		appendStringInfoSpaces(out, indent + 2);
		appendStringInfo(out, "Clock: %s\n", branch_clock_note(branch));
	}
	foreach(lc, branch->factors)
		explain_factor(lfirst(lc), ++scan, indent + 2, out);
}

static void
explain_branches(List *branches, int indent, StringInfo out)
{
	ListCell   *lc;

	if (list_length(branches) > 1)
	{
		appendStringInfoSpaces(out, indent);
		appendStringInfo(out, "Union all of %d: linear, deltas add up\n",
						 list_length(branches));
	}
	foreach(lc, branches)
		explain_branch(lfirst(lc), indent, out);
}

static void
explain_stage_input(const Stage *stage, int i, StringInfo out)
{
	const StageInput *input = stage_input_at(stage, i);
	const char *separator = ", matched by ";
	ListCell   *lc;

	appendStringInfo(out, "    Input: stage %d", input->stage->number);
	if (stage->rule == STAGE_PARTITION)
		for (int key = 0; key < stage->nkeys; key++)
			appendStringInfo(out, "%sc%d", key == 0 ? ", key " : ", ",
							 input->keys[key]);
	else
		foreach(lc, input->pairs)
		{
			const StagePair *pair = lfirst(lc);

			appendStringInfo(out, "%sc%d = c%d of stage %d", separator,
							 pair->right, pair->left,
							 stage_input_at(stage, 0)->stage->number);
			separator = " and ";
		}
	appendStringInfoChar(out, '\n');
}

static void
explain_stage(const Stage *stage, StringInfo out)
{
	appendStringInfo(out, "  Stage %d, %s: ", stage->number, stage->what);
	switch (stage->rule)
	{
		case STAGE_SUM:
			appendStringInfo(out, "linear in each input%s\n", stage->netted ?
							 "; its changes are netted, and then what can fail is computed of them" : "");
			explain_branches(stage->branches, 4, out);
			return;
		case STAGE_PARTITION:
			appendStringInfoString(out, stage->nkeys > 0 ?
								   "computed before and after for the keys that changed\n" :
								   "computed before and after\n");
			break;
		case STAGE_LINEAR:
			appendStringInfoString(out, "computed before and after for the rows of its first input that a change touches\n");
			break;
		case STAGE_STORED:
			appendStringInfoString(out, "kept in a table of its own\n");
			return;
		case STAGE_RECURSION:
			appendStringInfoString(out, stage->whole ?
								   "computed now, less what is stored\n" :
								   "linear in each input, and from round to round in what the last one changed\n");
			explain_branches(stage->branches, 4, out);
			explain_branches(stage->step, 4, out);
			return;
		case STAGE_WORKING:
			appendStringInfoString(out, "what the last round of the recursion has changed, or what is stored\n");
			return;
	}
	for (int i = 0; i < list_length(stage->inputs); i++)
		explain_stage_input(stage, i, out);
}

static void
explain_operators(const DeltaProgram *program, StringInfo out)
{
	QueryTree  *tree = program->tree;
	ListCell   *lc;

	if (program->index != NULL)
		appendStringInfo(out, "Also looked up by: %s\n", program->index);
	if (tree->aggregated)
	{
		appendStringInfo(out, "  %s: merges the change of each touched group into its state\n",
						 tree->distinct ? "Distinct" :
						 tree->nkeys > 0 ? "Group" : "Aggregate");
		for (int i = 0; i < program->nstates; i++)
			explain_state(program, &program->states[i], out);
		if (tree->having != NULL)
			appendStringInfoString(out, "    HAVING: tests each touched group; one that is not stored is computed afresh first\n");
	}
	explain_branches(tree->branches, 2, out);
	foreach(lc, tree->stages)
		explain_stage(lfirst(lc), out);
}

static void
explain_part(const DeltaProgram *part, const Stage *stage, StringInfo out)
{
	appendStringInfo(out, OidIsValid(stage->polled) ?
					 "Stage %d, a copy in %s of what each refresh reads\n" :
					 "Stage %d, kept in %s and maintained like a stream table\n",
					 stage->number, stage->relation);
	explain_identity(part, out);
	explain_operators(part, out);
}

static void
explain_sources(const DeltaProgram *program, StringInfo out)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		const ProgramSource *source = lfirst(lc);
		int			attno = -1;
		const char *separator = ": ";

		appendStringInfo(out, "Source %s", sqlgen_relation(source->relid));
		while ((attno = bms_next_member(source->columns, attno)) >= 0)
		{
			appendStringInfo(out, "%s%s", separator,
							 quote_identifier(get_attname(source->relid, attno, false)));
			separator = ", ";
		}
		appendStringInfo(out, "; %s\n", source->uncapturable == NULL ?
						 "changes of these are captured" :
						 source->polled ? "read by each refresh and compared with a copy" :
						 "not captured");
	}
}

static void
explain_advice(const DeltaProgram *program, StringInfo out)
{
	ListCell   *lc;

	foreach(lc, program_advice(program))
		appendStringInfo(out, "Missing index, to find the rows that a change touches: %s\n",
						 ((ExplainedAdvice *) lfirst(lc))->statement);
}

static void
explain_statements(DeltaProgram *program, Oid relid, StringInfo out)
{
	ListCell   *lc;

	appendStringInfoString(out, "Statements when every source has changed:\n");
	foreach(lc, program_statements(program, relid))
	{
		const ExplainedStatement *statement = lfirst(lc);

		if (statement->stage > 0)
			appendStringInfo(out, "Stage %d, %s:\n", statement->stage, statement->step);
		else
			appendStringInfo(out, "Result, %s:\n", statement->step);
		appendStringInfo(out, "%s\n", statement->sql);
	}
}

void
program_explain(DeltaProgram *program, Oid relid, StringInfo out)
{
	ListCell   *ls,
			   *lp;

	explain_identity(program, out);
	explain_sources(program, out);
	if (program->reason != NULL)
	{
		appendStringInfo(out, "Rule: full, because %s\n"
						 "  The whole result is computed and its difference from the stored rows applied%s.\n",
						 program->reason,
						 program->always_recompute ? "" : ", when a source has changed");
		return;
	}
	appendStringInfo(out, "Rule: differential%s\n", program->nets_first ?
					 ", and joins are netted first, since there was a data error on rows that never existed together" : "");
	explain_operators(program, out);
	forboth(ls, program->stored, lp, program->parts)
		explain_part(lfirst(lp), lfirst(ls), out);
	explain_advice(program, out);
	explain_statements(program, relid, out);
}
