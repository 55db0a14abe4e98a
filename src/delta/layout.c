/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  The columns of a stream table, and of the deltas of its query.
 *
 * The layout follows from the query alone, so it is never stored: the stream
 * table's columns are the query's, then, as far as the rule needs them, group
 * keys that the query does not show, the state of each group, and
 * __pgt_row_id.  A state that a visible column equals is kept there.
 *
 * The table has these columns by these names, but not always in this order:
 * when others are needed than before, they are dropped and added, and a dropped
 * one leaves a gap.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "delta/delta.h"
#include "utils/builtins.h"

static AttrNumber
add_column(DeltaProgram *program, const char *name, Oid type, int32 typmod,
		   Oid collation, bool hidden)
{
	LayoutColumn *column = palloc0(sizeof(LayoutColumn));

	column->name = pstrdup(name);
	column->type = type;
	column->typmod = typmod;
	column->collation = collation;
	column->hidden = hidden;
	program->layout = lappend(program->layout, column);
	return list_length(program->layout);
}

/* Visible column that is just the given call, or 0. */
static AttrNumber
column_of_call(const DeltaProgram *program, int call)
{
	AttrNumber	attno = 0;
	ListCell   *lc;

	foreach(lc, program->tree->outputs)
	{
		Var		   *var = (Var *) ((OutputColumn *) lfirst(lc))->expr;

		attno++;
		if (IsA(var, Var) && var->varattno == program->tree->nkeys + call + 1)
			return attno;
	}
	return 0;
}

/* Visible column that always equals the state, or 0. */
static AttrNumber
column_of_state(const DeltaProgram *program, int state)
{
	int			position = 0;
	ListCell   *lc;

	foreach(lc, program->tree->calls)
	{
		AggregateCall *call = lfirst(lc);

		/*
		 * For a sum the column is NULL where the state is zero; a NULL state
		 * is read as zero.  An average is no sum, and a truth value no count.
		 */
		if (call->kind != AGGREGATE_AVG &&
			call->kind != AGGREGATE_BOOL_AND &&
			call->kind != AGGREGATE_BOOL_OR &&
			program->call_states[position][0] == state &&
			column_of_call(program, position) != 0)
			return column_of_call(program, position);
		position++;
	}
	return 0;
}

static void
find_fresh_keys(DeltaProgram *program)
{
	int			key = 0;
	ListCell   *lc;

	foreach(lc, program->tree->keytypes)
	{
		OutputColumn *column = lfirst(lc);

		if (key >= program->tree->nproper &&
			!equality_is_image(column->type, column->collation))
			program->fresh_keys |= UINT64CONST(1) << key;
		key++;
	}
}

static void
lay_out_group(DeltaProgram *program)
{
	QueryTree  *tree = program->tree;
	Identity   *identity = &program->identity;
	int			hidden_keys = 0;
	int			hidden_states = 0;

	program->key_attnos = palloc0(sizeof(AttrNumber) * (tree->nkeys + 1));
	for (int i = 0; i < tree->nkeys; i++)
	{
		if (identity->keys[i] < 0)
		{
			OutputColumn *key = list_nth(tree->keytypes, i);

			identity->keys[i] =
				add_column(program, psprintf("__pgt_key%d", ++hidden_keys),
						   key->type, key->typmod, key->collation, true);
		}
		program->key_attnos[i] = identity->keys[i];
	}
	for (int i = 0; i < program->nstates; i++)
	{
		StateColumn *state = &program->states[i];

		state->attno = column_of_state(program, i);
		if (state->attno == 0)
			state->attno = add_column(program,
									  state->kind == STATE_ROWS ? "__pgt_count" :
									  psprintf("__pgt_state%d", ++hidden_states),
									  state->type, state->typmod,
									  state->collation, true);
	}
}

static void
lay_out(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->tree->outputs)
	{
		OutputColumn *output = lfirst(lc);

		add_column(program, output->name, output->type, output->typmod,
				   output->collation, false);
	}
	if (program->reason == NULL && program->tree->aggregated)
		lay_out_group(program);
	if (program->identity.kind == IDENTITY_KEY_HASH ||
		program->identity.kind == IDENTITY_BAG)
		program->identity.row_id = add_column(program, "__pgt_row_id", INT8OID,
											  -1, InvalidOid, true);
}

/* (w, wanted columns) of a source */
static void
describe_window(DeltaProgram *program, int i)
{
	ProgramSource *source = program_source(program, i);
	Relation	rel = relation_open(source->relid, NoLock);
	int			ncolumns = bms_num_members(source->wanted);
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns + 1);
	int			attno = -1;
	int			column = 1;

	program->window_attnums[i] = palloc0(sizeof(AttrNumber) * (ncolumns + 1));
	TupleDescInitEntry(desc, 1, "w", INT4OID, -1, 0);
	while ((attno = bms_next_member(source->wanted, attno)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		char		name[NAMEDATALEN];

		program->window_attnums[i][column - 1] = attno;
		snprintf(name, sizeof(name), "c%d", attno);
		TupleDescInitEntry(desc, ++column, name, att->atttypid, att->atttypmod,
						   att->attndims);
		TupleDescInitEntryCollation(desc, column, att->attcollation);
	}
	program->window_desc[i] = desc;
	relation_close(rel, NoLock);
}

TupleDesc
window_descriptor(const Stage *stage)
{
	TupleDesc	desc = CreateTemplateTupleDesc(list_length(stage->columns) + 1);
	int			column = 1;
	ListCell   *lc;

	TupleDescInitEntry(desc, 1, "w", INT4OID, -1, 0);
	foreach(lc, stage->columns)
	{
		OutputColumn *output = lfirst(lc);
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", column);
		TupleDescInitEntry(desc, ++column, name, output->type, output->typmod, 0);
		TupleDescInitEntryCollation(desc, column, output->collation);
	}
	return desc;
}

void
describe_inputs(DeltaProgram *program)
{
	int			nsources = list_length(program->sources);
	ListCell   *lc;

	program->window_desc = palloc0(sizeof(TupleDesc) * (program_ninputs(program) + 1));
	program->window_attnums = palloc0(sizeof(AttrNumber *) * (nsources + 1));
	for (int i = 0; i < nsources; i++)
		describe_window(program, i);
	find_window_flags(program);
	if (program->reason != NULL)
		return;
	foreach(lc, program->stored)
		program->window_desc[stage_input_index(program, lfirst(lc))] =
			window_descriptor(lfirst(lc));
	foreach(lc, program->tree->stages)
		program->window_desc[stage_input_index(program, lfirst(lc))] =
			window_descriptor(lfirst(lc));
}

/*
 * The keys by which stored rows are looked up, where that is not by the
 * identity.
 */
static char *
key_columns(const DeltaProgram *program)
{
	const Stage *stage = tree_reevaluated(program->tree);
	StringInfoData sql;

	if (stage == NULL || stage->nkeys == 0 || program->identity.kind == IDENTITY_KEY)
		return NULL;
	initStringInfo(&sql);
	for (int i = 0; i < list_length(stage->columns); i++)
	{
		OutputColumn *output = list_nth(program->tree->outputs, i);

		if (stage->origins[i] == 0 ||
			!type_fits_index(output->type, output->typmod))
			continue;
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "",
						 quote_identifier(output->name));
	}
	return sql.len > 0 ? sql.data : NULL;
}

static void
place_identity(DeltaProgram *program)
{
	const Identity *identity = &program->identity;

	program->placed = *identity;
	program->placed.keys = palloc0(sizeof(AttrNumber) * (identity->nkeys + 1));
}

/* Attribute of a name, most likely the one after the last that was found. */
static AttrNumber
find_attribute(TupleDesc desc, const char *name, AttrNumber last)
{
	for (int i = 0; i < desc->natts; i++)
	{
		int			n = (last + i) % desc->natts;
		Form_pg_attribute att = TupleDescAttr(desc, n);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return n + 1;
	}
	return InvalidAttrNumber;
}

static bool
attribute_fits(TupleDesc desc, AttrNumber attno, const LayoutColumn *column)
{
	Form_pg_attribute att;

	if (attno == InvalidAttrNumber)
		return false;
	att = TupleDescAttr(desc, attno - 1);
	return att->atttypid == column->type && att->atttypmod == column->typmod &&
		att->attcollation == column->collation && !att->attgenerated;
}

static int
count_attributes(TupleDesc desc)
{
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			n++;
	return n;
}

bool
program_place(DeltaProgram *program, TupleDesc desc)
{
	AttrNumber	last = 0;
	AttrNumber	last_visible = 0;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, program->layout)
	{
		const LayoutColumn *column = lfirst(lc);

		last = find_attribute(desc, column->name, last);
		if (!attribute_fits(desc, last, column) || last < last_visible)
			return false;
		if (!column->hidden)
			last_visible = last;
		program->attnos[n++] = last;
	}
	for (int i = 0; i < program->identity.nkeys; i++)
		program->placed.keys[i] = program->attnos[program->identity.keys[i] - 1];
	if (program->identity.row_id != 0)
		program->placed.row_id = program->attnos[program->identity.row_id - 1];
	return count_attributes(desc) == n;
}

void
program_lay_out(DeltaProgram *program)
{
	ListCell   *lc;

	if (program->reason == NULL && program->index == NULL)
		program->index = key_columns(program);
	if (program->reason == NULL && program->tree->aggregated)
	{
		aggregate_plan_states(program);
		find_fresh_keys(program);
	}
	foreach(lc, program->parts)
		program->unit_weights |= ((DeltaProgram *) lfirst(lc))->unit_weights;
	lay_out(program);
	program->attnos = palloc0(sizeof(AttrNumber) * (list_length(program->layout) + 1));
	place_identity(program);
	describe_inputs(program);
}
