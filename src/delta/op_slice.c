/*-------------------------------------------------------------------------
 *
 * op_slice.c
 *	  Delta rule for what is not linear: evaluate the query before and after on
 *	  the slice that the changes touch.
 *
 * For Q over inputs I with deltas dI, and slices N of I now and O of I before,
 *
 *		dQ = Q(N) - Q(O)		where O = N - dI restricted like N
 *
 * is exact if Q of what is left out is the same before and after and adds to
 * Q of the slice.
 *
 * PARTITION.  Let P(row) = some row of the deltas has the same keys.  Q is a sum
 * over key values; those outside P have not changed, and all rows of the deltas
 * are inside:
 *
 *		N_i = I_i | P,		O_i = N_i - dI_i
 *
 * Any weaker P does as well: what it lets through adds the same to both sides.
 * A key that cannot be collected in an array is left out, and where NULL is
 * among the keys, P asks for each key by itself whether some row has it, or has
 * NULL if that is so.
 *
 * LINEAR in its first input L.  Let P(l) = l matches some row of some dR_j in
 * all pairs of columns.  A row of L outside P meets the same rows of all R
 * before and after, so it matters only if it came or went itself:
 *
 *		N_L = L | P  +  positive part of dL outside P,		O_L = N_L - dL
 *		N_j = R_j | matches N_L or dL,		O_j = N_j - (dR_j | the same)
 *
 * Rows of R are alike if Q(l, R) = b(l) + sum over r in R of g(l, r) unless R, those
 * that match l, is empty: so for outer joins and EXISTS that ask for nothing but
 * the pairs.  Let U be the rows that have not changed, V some of them, any at all
 * unless U is empty, and l a row that neither came nor went.  Then what l
 * contributes is
 *
 *		Q(l, U + dR+) - Q(l, U + dR-) = Q(l, V + dR+) - Q(l, V + dR-)
 *
 * So |dR+| + 1 of the rows that match now, X, or all if they are fewer, will do:
 * less those that came, one of U is left, if there is one.  With M = X - dR,
 *
 *		O_R = positive part of M,		N_R = X + negative part of M
 *
 * A changed R_j without pairs touches every row.  Those whose pairs have the same
 * columns of L and the same equalities ask L for one set of values, which is that
 * of all of them.  An R_j that has not changed, and that the planner sees through
 * to its tables, is read where it is.
 *
 * At the top of a query Q(O) is what the table has.  So a PARTITION whose
 * result might come out otherwise, were it computed again, is computed once:
 *
 *		dQ = Q(I | P) - (table | P)		P on the keys that the result shows
 *
 * Rows are told apart by image, not by any operator.  The slices hold rows of
 * weight 1.
 *
 * Reads:  the deltas of the inputs, and what the inputs hold, at the refresh's
 *		   snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "buffer/consolidate.h"
#include "delta/delta.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Slice
{
	const Stage *stage;
	TupleDesc	desc;			/* w, columns */
	const ChangeWindow *delta;	/* NULL: unchanged */
	bool		absent;			/* read where it is, or under the same name as
								 * an input before it */
	Tuplestorestate *new;
	int64		nnew;
	Tuplestorestate *old;		/* maybe the same */
	int64		nold;
} Slice;

typedef struct SliceRun
{
	DeltaRun   *run;
	const Stage *stage;
	MemoryContext context;
	int			nslices;
	Slice	   *slices;
	uint64		changed;		/* bit i: input i has changed */
	int64		nchanges;		/* rows of its deltas */
	/* the values of slice_keys() */
	int			nparams;
	Oid		   *types;
	Datum	   *values;
	int64		elements;
	uint64		nulls;
	/* the same as relations, if they are many */
	bool		related;
	List	   *relations;		/* of SliceValues */
} SliceRun;

/* The values of the keys with the same input, as a relation. */
typedef struct SliceValues
{
	char	   *name;
	Tuplestorestate *rows;
} SliceValues;

static Tuplestorestate *
make_store(void)
{
	return tuplestore_begin_heap(false, false, work_mem);
}

static bool
same_name_before(const Stage *stage, int i)
{
	for (int j = 0; j < i; j++)
		if (stage_input_at(stage, j)->stage == stage_input_at(stage, i)->stage)
			return true;
	return false;
}

static SliceRun *
slice_begin(DeltaRun *run, const Stage *stage)
{
	SliceRun   *s = palloc0(sizeof(SliceRun));

	s->run = run;
	s->stage = stage;
	s->context = CurrentMemoryContext;
	s->nslices = list_length(stage->inputs);
	s->slices = palloc0(sizeof(Slice) * s->nslices);
	for (int i = 0; i < s->nslices; i++)
	{
		Slice	   *slice = &s->slices[i];
		int			input;

		slice->stage = stage_input_at(stage, i)->stage;
		input = stage_input_index(run->program, slice->stage);
		slice->desc = run->program->window_desc[input];
		if (run->changed & INPUT_BIT(input))
		{
			slice->delta = &run->deltas[input];
			s->changed |= UINT64CONST(1) << i;
			s->nchanges += slice->delta->nrows;
		}
	}
	for (int i = 0; i < s->nslices; i++)
		s->slices[i].absent = same_name_before(stage, i) ||
			slice_reads_stage(stage, s->changed, i);
	return s;
}

static void
slice_end(SliceRun *s)
{
	ListCell   *lc;

	for (int i = 0; i < s->nslices; i++)
	{
		Slice	   *slice = &s->slices[i];

		if (slice->old != NULL && slice->old != slice->new)
			tuplestore_end(slice->old);
		if (slice->new != NULL)
			tuplestore_end(slice->new);
	}
	foreach(lc, s->relations)
	{
		SliceValues *values = lfirst(lc);

		program_unregister(values->name);
		tuplestore_end(values->rows);
	}
}

static RelationOrigin *
slice_origin(const SliceRun *s, const Slice *slice)
{
	return input_origin(s->run->program,
						stage_input_index(s->run->program, slice->stage));
}

static Statement
slice_statement(const SliceRun *s, PlanKind kind, int step)
{
	Statement	statement = {
		.key = {
			.kind = kind,
			.stage = s->stage->number,
			.step = step,
			.mask = s->changed
		},
		.rows = s->nchanges,
		.sizes = sizes_add(0, 0, s->nchanges)
	};

	return statement;
}

/* ---- the values that restrict the slices ---- */

/* The one row: for each key an array, and whether NULL is a value. */
static void
receive_keys(TupleTableSlot *slot, void *arg)
{
	SliceRun   *s = arg;
	MemoryContext old = MemoryContextSwitchTo(s->context);

	slot_getallattrs(slot);
	for (int i = 0; i < s->nparams; i++)
	{
		ArrayType  *array = DatumGetArrayTypePCopy(slot->tts_values[2 * i]);

		s->values[i] = PointerGetDatum(array);
		s->elements += ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
		if (i < MAX_SOURCES && DatumGetBool(slot->tts_values[2 * i + 1]))
			s->nulls |= UINT64CONST(1) << i;
	}
	MemoryContextSwitchTo(old);
}

/* Keys first to last, whose arrays go in step, as a relation. */
static void
relate_keys(SliceRun *s, int input, const Oid *elements, int first, int last)
{
	int			ncolumns = last - first + 1;
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns);
	RelationOrigin *origin = palloc0(sizeof(RelationOrigin));
	SliceValues *relation = palloc0(sizeof(SliceValues));
	Datum	   *row = palloc(sizeof(Datum) * ncolumns);
	bool	   *row_nulls = palloc(sizeof(bool) * ncolumns);
	Datum	  **values = palloc(sizeof(Datum *) * ncolumns);
	bool	  **nulls = palloc(sizeof(bool *) * ncolumns);
	int			nrows = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		Oid			element = elements[first + i];
		int16		typlen;
		bool		typbyval;
		char		typalign;

		get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
		deconstruct_array(DatumGetArrayTypeP(s->values[first + i]), element, typlen,
						  typbyval, typalign, &values[i], &nulls[i], &nrows);
		TupleDescInitEntry(desc, i + 1, psprintf("c%d", i + 1), element, -1, 0);
	}
	relation->name = psprintf(SQLGEN_VALUES_NAME, input);
	relation->rows = make_store();
	for (int n = 0; n < nrows; n++)
	{
		for (int i = 0; i < ncolumns; i++)
		{
			row[i] = values[i][n];
			row_nulls[i] = nulls[i][n];
		}
		tuplestore_putvalues(relation->rows, desc, row, row_nulls);
	}
	origin->distinct = true;
	program_register(relation->name, desc, relation->rows, nrows, origin);
	s->relations = lappend(s->relations, relation);
}

/*
 * Values that are too many for a parameter of a kept plan are read as relations,
 * unless NULL is one of them, which only an array can be asked for.
 */
static void
relate_values(SliceRun *s, List *keys)
{
	Statement	statement = slice_statement(s, PLAN_SLICE_INPUT, 0);
	Oid		   *elements = palloc(sizeof(Oid) * s->nparams);
	int			first = 0;
	ListCell   *lc;

	statement.elements = s->elements;
	s->related = s->nulls == 0 && s->nparams <= MAX_SOURCES && !is_tiny(&statement);
	if (!s->related)
		return;
	foreach(lc, keys)
		elements[foreach_current_index(lc)] = ((SliceKey *) lfirst(lc))->element;
	for (int i = 0; i < s->nparams; i++)
	{
		int			input = ((SliceKey *) list_nth(keys, i))->input;

		if (i + 1 < s->nparams && ((SliceKey *) list_nth(keys, i + 1))->input == input)
			continue;
		relate_keys(s, input, elements, first, i);
		first = i + 1;
	}
}

static void
find_keys(SliceRun *s)
{
	List	   *keys = slice_keys(s->stage, s->changed);
	Statement	statement = slice_statement(s, PLAN_SLICE_KEYS, 0);
	int			i = 0;
	ListCell   *lc;

	s->nparams = list_length(keys);
	if (s->nparams == 0)
		return;
	s->types = palloc(sizeof(Oid) * s->nparams);
	s->values = palloc(sizeof(Datum) * s->nparams);
	foreach(lc, keys)
		s->types[i++] = get_array_type(((SliceKey *) lfirst(lc))->element);
	program_execute(s->run->program, &statement, receive_keys, s);
	relate_values(s, keys);
}

static void
add_params(const SliceRun *s, Statement *statement)
{
	if (s->related)
	{
		statement->key.values = true;
		statement->bulk = true;
		statement->sizes = sizes_add(statement->sizes, 2, s->elements);
		return;
	}
	statement->nparams = s->nparams;
	statement->types = s->types;
	statement->values = s->values;
	statement->elements = s->elements;
}

/* ---- slices now ---- */

/* Takes rows c1, c2, ... [, w] into a slice. */
typedef struct SliceFill
{
	Slice	   *slice;
	Datum	   *values;
	bool	   *isnull;
	bool		weighted;
} SliceFill;

static void
receive_new(TupleTableSlot *slot, void *arg)
{
	SliceFill  *fill = arg;
	Slice	   *slice = fill->slice;
	int			ncolumns = slice->desc->natts - 1;
	int			w = 1;

	slot_getallattrs(slot);
	memcpy(fill->values + 1, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(fill->isnull + 1, slot->tts_isnull, sizeof(bool) * ncolumns);
	if (fill->weighted)
		w = DatumGetInt32(slot->tts_values[ncolumns]);
	for (; w > 0; w--)
	{
		tuplestore_putvalues(slice->new, slice->desc, fill->values, fill->isnull);
		slice->nnew++;
	}
}

static void
fetch_new(SliceRun *s, Slice *slice, Statement *statement, bool weighted)
{
	SliceFill	fill = {.slice = slice, .weighted = weighted};

	fill.values = palloc(sizeof(Datum) * slice->desc->natts);
	fill.isnull = palloc(sizeof(bool) * slice->desc->natts);
	fill.values[0] = Int32GetDatum(1);
	fill.isnull[0] = false;
	statement->desc = slice->desc;
	program_execute(s->run->program, statement, receive_new, &fill);
	pfree(fill.values);
	pfree(fill.isnull);
}

/* ---- slices before ---- */

static void
state_does_not_fit(const SliceRun *s)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of an input does not fit its changes"),
			 errdetail("A row that came to an input of \"%s\" is not there.",
					   s->stage->what),
			 errhint("A source was changed behind pg_trickle's back, or this is a bug; refresh the stream table in mode FULL.")));
}

static void
put_row(Consolidation *c, TupleTableSlot *slot, int w)
{
	int			ncolumns = slot->tts_tupleDescriptor->natts - 1;

	slot_getallattrs(slot);
	memcpy(consolidate_values(c) + 1, slot->tts_values + 1, sizeof(Datum) * ncolumns);
	memcpy(consolidate_isnull(c) + 1, slot->tts_isnull + 1, sizeof(bool) * ncolumns);
	consolidate_add(c, w);
}

/* Add the rows of a store, times their weight and the sign. */
static void
put_store(Consolidation *c, TupleDesc desc, Tuplestorestate *store, int sign)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_select_read_pointer(store, 0);
	tuplestore_rescan(store);
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		put_row(c, slot, sign * DatumGetInt32(slot_getattr(slot, 1, &isnull)));
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* A row c1, c2, ..., w of a delta that is to be taken away */
static void
receive_subtrahend(TupleTableSlot *slot, void *arg)
{
	Consolidation *c = arg;
	int			ncolumns = slot->tts_tupleDescriptor->natts - 1;

	slot_getallattrs(slot);
	memcpy(consolidate_values(c) + 1, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(consolidate_isnull(c) + 1, slot->tts_isnull, sizeof(bool) * ncolumns);
	consolidate_add(c, -DatumGetInt32(slot->tts_values[ncolumns]));
}

/*
 * Rows of an input that is alike, of which N has only so many: what O would owe
 * are rows that came, which N has to have.
 */
static void
complete_new(Slice *slice, ChangeWindow *old)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(slice->desc, &TTSOpsMinimalTuple);
	ChangeWindow kept = {.rows = make_store()};

	tuplestore_rescan(old->rows);
	while (tuplestore_gettupleslot(old->rows, true, false, slot))
	{
		slot_getallattrs(slot);
		if (DatumGetInt32(slot->tts_values[0]) > 0)
		{
			tuplestore_puttupleslot(kept.rows, slot);
			kept.nrows++;
			continue;
		}
		slot->tts_values[0] = Int32GetDatum(1);
		tuplestore_putvalues(slice->new, slice->desc, slot->tts_values, slot->tts_isnull);
		slice->nnew++;
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(old->rows);
	*old = kept;
}

/*
 * O = N - dI.  statement: yields the part of dI that satisfies the slice's
 * restriction, or is NULL if all of it does.
 */
static void
derive_old(SliceRun *s, Slice *slice, bool alike, Statement *statement)
{
	Consolidation *c;
	ChangeWindow old = {0};

	if (slice->delta == NULL)
	{
		slice->old = slice->new;
		slice->nold = slice->nnew;
		return;
	}
	c = consolidate_begin(slice->desc, true);
	consolidate_hold(c);
	if (statement != NULL)
	{
		statement->desc = slice->desc;
		program_execute(s->run->program, statement, receive_subtrahend, c);
	}
	else
		put_store(c, slice->desc, slice->delta->rows, -1);
	consolidate_meet(c);
	put_store(c, slice->desc, slice->new, 1);
	consolidate_end(c, &old);
	if (old.has_negative && alike)
		complete_new(slice, &old);
	if (old.has_negative)
		state_does_not_fit(s);
	slice->old = old.rows != NULL ? old.rows : make_store();
	slice->nold = old.nrows;
}

/* ---- PARTITION ---- */

static void
fetch_partition(SliceRun *s)
{
	for (int i = 0; i < s->nslices; i++)
	{
		Slice	   *slice = &s->slices[i];
		Statement	statement = slice_statement(s, PLAN_SLICE_INPUT, i);

		if (slice->absent)
			continue;
		statement.key.mask = 0;	/* the text depends on the keys only */
		statement.key.nulls = s->nulls;
		add_params(s, &statement);
		slice->new = make_store();
		fetch_new(s, slice, &statement, false);
		derive_old(s, slice, false, NULL);
	}
}

/* ---- LINEAR ---- */

static void
fetch_left(SliceRun *s)
{
	Slice	   *left = &s->slices[0];
	Statement	statement;

	left->new = make_store();
	if (slice_is_whole(s->stage, s->changed))
	{
		statement = slice_statement(s, PLAN_SLICE_LEFT, 0);
		fetch_new(s, left, &statement, false);
	}
	else
	{
		for (int i = 1; i < s->nslices; i++)
		{
			if (s->slices[i].delta == NULL ||
				slice_touched_as(s->stage, s->changed, i) != i)
				continue;
			statement = slice_statement(s, PLAN_SLICE_LEFT, i);
			add_params(s, &statement);
			fetch_new(s, left, &statement, false);
		}
		if (left->delta != NULL)
		{
			statement = slice_statement(s, PLAN_SLICE_OUTSIDE, 0);
			add_params(s, &statement);
			fetch_new(s, left, &statement, true);
		}
	}
	derive_old(s, left, false, NULL);
}

/* Other inputs, where they match the slice of the first one. */
static void
fetch_right(SliceRun *s, int i)
{
	Slice	   *slice = &s->slices[i];
	Statement	statement = slice_statement(s, PLAN_SLICE_INPUT, i);
	Statement	delta = slice_statement(s, PLAN_SLICE_INPUT_DELTA, i);

	if (slice->absent)
		return;
	statement.rows = delta.rows = s->nchanges + s->slices[0].nnew;
	statement.sizes = delta.sizes = sizes_add(statement.sizes, 1, s->slices[0].nnew);
	slice->new = make_store();
	fetch_new(s, slice, &statement, false);
	derive_old(s, slice, stage_input_at(s->stage, i)->alike, &delta);
}

static void
fetch_linear(SliceRun *s)
{
	Slice	   *left = &s->slices[0];
	char	   *name = psprintf(SQLGEN_LEFT_NAME, s->stage->number);

	fetch_left(s);
	if (left->nnew == 0 && left->nold == 0)
		return;
	program_register(name, left->desc, left->new, left->nnew,
					 slice_origin(s, left));
	for (int i = 1; i < s->nslices; i++)
		fetch_right(s, i);
	program_unregister(name);
}

/* ---- Q(N) - Q(O) ---- */

typedef struct ResultRun
{
	Consolidation *c;
	int			w;
} ResultRun;

static void
receive_result(TupleTableSlot *slot, void *arg)
{
	ResultRun  *result = arg;
	int			ncolumns = slot->tts_tupleDescriptor->natts;

	slot_getallattrs(slot);
	memcpy(consolidate_values(result->c) + 1, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(consolidate_isnull(result->c) + 1, slot->tts_isnull, sizeof(bool) * ncolumns);
	consolidate_add(result->c, result->w);
}

static void
evaluate(SliceRun *s, TupleDesc desc, bool new, Consolidation *c)
{
	Statement	statement = slice_statement(s, PLAN_SLICE_RESULT, 0);
	ResultRun	result = {.c = c, .w = new ? 1 : -1};

	statement.desc = desc;
	statement.rows = 0;
	statement.sizes = 0;
	if (s->stage->rule == STAGE_PARTITION)
		statement.key.mask = 0; /* all inputs are slices, whatever changed */
	for (int i = 0; i < s->nslices; i++)
	{
		const Slice *slice = &s->slices[i];

		if (slice->absent)
			continue;
		program_register(psprintf(SQLGEN_STAGE_NAME, slice->stage->number),
						 slice->desc, new ? slice->new : slice->old,
						 new ? slice->nnew : slice->nold, slice_origin(s, slice));
		statement.rows += Max(slice->nnew, slice->nold);
		statement.sizes = sizes_add(statement.sizes, i, Max(slice->nnew, slice->nold));
	}
	program_execute(s->run->program, &statement, receive_result, &result);
	for (int i = 0; i < s->nslices; i++)
		if (!s->slices[i].absent)
			program_unregister(psprintf(SQLGEN_STAGE_NAME,
											 s->slices[i].stage->number));
}

/*
 * Can the result over the slices have rows?  A LINEAR one is nothing without its
 * first input, one with keys without all of its inputs.
 */
static bool
may_have_result(const SliceRun *s, bool new)
{
	int			ninputs = s->stage->rule == STAGE_LINEAR ? 1 : s->nslices;

	if (s->stage->rule == STAGE_PARTITION && s->stage->nkeys == 0)
		return true;
	for (int i = 0; i < ninputs; i++)
		if (!s->slices[i].absent &&
			(new ? s->slices[i].nnew : s->slices[i].nold) > 0)
			return true;
	return false;
}

static void
evaluate_difference(SliceRun *s, MemoryContext context, ChangeWindow *window)
{
	DeltaProgram *program = s->run->program;
	TupleDesc	desc = program->window_desc[stage_input_index(program, s->stage)];
	MemoryContext old = MemoryContextSwitchTo(context);
	Consolidation *c = consolidate_begin(desc, program->unit_weights);

	consolidate_hold(c);
	MemoryContextSwitchTo(old);
	if (may_have_result(s, false))
		evaluate(s, desc, false, c);
	consolidate_meet(c);
	if (may_have_result(s, true))
		evaluate(s, desc, true, c);
	consolidate_end(c, window);
}

void
slice_run_touched(DeltaRun *run, const Stage *stage, RowCallback callback,
				  void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "slices",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SliceRun   *s = slice_begin(run, stage);
	Statement	statement;

	find_keys(s);
	statement = slice_statement(s, PLAN_SLICE_TOUCHED, 0);
	statement.key.mask = 0;		/* the text depends on the keys only */
	statement.key.nulls = s->nulls;
	add_params(s, &statement);
	program_execute(run->program, &statement, callback, arg);
	slice_end(s);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
slice_run_delta(DeltaRun *run, const Stage *stage, ChangeWindow *window)
{
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "slices",
												  ALLOCSET_DEFAULT_SIZES);
	SliceRun   *s;

	MemoryContextSwitchTo(context);
	s = slice_begin(run, stage);
	if (stage->rule == STAGE_PARTITION || !slice_is_whole(stage, s->changed))
		find_keys(s);
	if (stage->rule == STAGE_PARTITION)
		fetch_partition(s);
	else
		fetch_linear(s);
	if (may_have_result(s, false) || may_have_result(s, true))
		evaluate_difference(s, result, window);
	slice_end(s);
	MemoryContextSwitchTo(result);
	MemoryContextDelete(context);
}
