/*-------------------------------------------------------------------------
 *
 * windows.c
 *	  How the windows of the sources are read: which columns, and how netted.
 *
 * Rows are another matter, see window_filter.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"

static void
add_wanted(DeltaProgram *program, List *branches)
{
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			ProgramSource *source;

			if (!OidIsValid(((Factor *) lfirst(lf))->relid))
				continue;
			source = program_source(program, program_source_index(program,
																  ((Factor *) lfirst(lf))->relid));
			source->nreferences++;
			source->wanted = bms_add_members(source->wanted,
											 sqlgen_used_columns(lfirst(lb), foreach_current_index(lf) + 1));
		}
}

static void
add_wanted_by_tree(DeltaProgram *program, const QueryTree *tree)
{
	ListCell   *lc;

	add_wanted(program, tree->branches);
	foreach(lc, tree->stages)
	{
		add_wanted(program, ((Stage *) lfirst(lc))->branches);
		add_wanted(program, ((Stage *) lfirst(lc))->step);
	}
}

void
find_wanted(DeltaProgram *program)
{
	ListCell   *lc;

	if (program->tree->reason != NULL)
	{
		foreach(lc, program->sources)
			((ProgramSource *) lfirst(lc))->wanted = ((ProgramSource *) lfirst(lc))->columns;
		return;
	}
	add_wanted_by_tree(program, program->tree);
	foreach(lc, program->stored)
		add_wanted_by_tree(program, ((Stage *) lfirst(lc))->tree);
}

/* Is the change of each state a sum over any rows, which cannot overflow? */
static bool
states_are_sums(const DeltaProgram *program)
{
	for (int i = 0; i < program->nstates; i++)
		switch (program->states[i].kind)
		{
			case STATE_ROWS:
			case STATE_NONNULL:
			case STATE_TRUE:
			case STATE_SCALES:
				break;
			case STATE_SUM:
				if (program->states[i].type != INT8OID &&
					program->states[i].type != NUMERICOID)
					return false;
				break;
			default:
				return false;
		}
	return true;
}

/*
 * Does a branch read one table and nothing else, by expressions that cannot
 * raise an error?  A row that came and went within the window may be one that
 * no state of the table ever showed to the query.
 */
static bool
takes_any_row(const Branch *branch)
{
	return list_length(branch->factors) == 1 &&
		((Factor *) linitial(branch->factors))->function == NULL &&
		!may_fail((Node *) branch->quals) &&
		!may_fail((Node *) branch->targets);
}

/*
 * Is each row of a window met once, by what adds up?  Then rows that cancel may
 * as well cancel there: apply nets images, and an aggregate sums by group.
 */
static bool
adds_up(const DeltaProgram *program)
{
	ListCell   *lc;

	if (program->tree->stages != NIL || program->stored != NIL ||
		!states_are_sums(program))
		return false;
	foreach(lc, program->tree->branches)
		if (!takes_any_row(lfirst(lc)))
			return false;
	return true;
}

void
find_window_flags(DeltaProgram *program)
{
	program->window_flags = 0;
	if (program->unit_weights)
		program->window_flags |= WINDOW_UNIT_WEIGHTS;
	if (program->reason == NULL && adds_up(program))
		program->window_flags |= WINDOW_PASSING;
}

int
program_window_flags(const DeltaProgram *program)
{
	return program->window_flags;
}

TupleDesc
program_window_desc(const DeltaProgram *program, int source,
					const AttrNumber **attnums)
{
	*attnums = program->window_attnums[source];
	return program->window_desc[source];
}
