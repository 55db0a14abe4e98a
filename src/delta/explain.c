/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A compiled query in words: operator tree, rule and reason per stage,
 *	  delta SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
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

static void
explain_state(const DeltaProgram *program, const StateColumn *state,
			  StringInfo out)
{
	static const char *const what[] = {
		[STATE_ROWS] = "number of rows: adds weights",
		[STATE_NONNULL] = "number of values: adds weights",
		[STATE_SUM] = "sum: adds weighted values; a group is computed afresh if NaN or infinity takes part",
		[STATE_SCALES] = "decimal places of the values of a sum: adds weighted units",
		[STATE_MIN] = "minimum: merges; a group is computed afresh if its least values went",
		[STATE_MAX] = "maximum: merges; a group is computed afresh if its greatest values went",
		[STATE_VALUE] = "sum or average of floats: touched groups are computed afresh, because subtraction of floats is not exact"
	};

	appendStringInfo(out, "    %s: %s\n",
					 quote_identifier(column_name(program, state->attno)),
					 what[state->kind]);
}

static void
explain_branch(const DeltaProgram *program, const Branch *branch,
			   StringInfo out)
{
	List	   *context = sqlgen_branch_context(branch, 0);
	int			nscans = list_length(branch->relids);
	int			scan = 0;
	ListCell   *lc;

	if (nscans == 1)
		appendStringInfoString(out, "  Project and filter: linear, the delta of the scan passes through\n");
	else
		appendStringInfo(out, "  Inner join of %d: inclusion-exclusion over new states for up to three changed inputs, telescoped from four on\n",
						 nscans);
	foreach(lc, branch->quals)
		appendStringInfo(out, "    Condition: %s\n", sqlgen_expr(lfirst(lc), context));
	foreach(lc, branch->relids)
		appendStringInfo(out, "    Scan s%d: %s, changes from its buffer\n", ++scan,
						 sqlgen_relation(lfirst_oid(lc)));
}

static void
explain_differential(DeltaProgram *program, StringInfo out)
{
	QueryTree  *tree = program->tree;
	SourceMask	all = 0;
	ListCell   *lc;

	if (tree->aggregated)
	{
		appendStringInfo(out, "  %s: merges the change of each touched group into its state\n",
						 tree->distinct ? "Distinct" :
						 tree->nkeys > 0 ? "Group" : "Aggregate");
		for (int i = 0; i < program->nstates; i++)
			explain_state(program, &program->states[i], out);
	}
	if (list_length(tree->branches) > 1)
		appendStringInfo(out, "  Union all of %d: linear, deltas add up\n",
						 list_length(tree->branches));
	foreach(lc, tree->branches)
		explain_branch(program, lfirst(lc), out);

	for (int i = 0; i < list_length(program->sources); i++)
		all |= UINT64CONST(1) << i;
	appendStringInfoString(out, "Delta when every source has changed:\n");
	program_delta_sql(program, all, out);
	appendStringInfoChar(out, '\n');
}

void
program_explain(DeltaProgram *program, StringInfo out)
{
	explain_identity(program, out);
	if (program->reason == NULL)
	{
		appendStringInfoString(out, "Rule: differential\n");
		explain_differential(program, out);
	}
	else
		appendStringInfo(out, "Rule: full, because %s\n"
						 "  The whole result is computed and its difference from the stored rows applied%s.\n",
						 program->reason,
						 program->always_recompute ? "" : ", when a source has changed");
}
