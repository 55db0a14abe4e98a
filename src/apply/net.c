/*-------------------------------------------------------------------------
 *
 * net.c
 *	  Image deltas: what is left of many signed images.
 *
 *		for every image i:	n(i) = sum of its weights
 *		bag:	n(i) < 0 removes -n(i) rows, n(i) > 0 adds n(i) rows
 *		key:	one image at -1 and one at +1 is an update of that row;
 *				one alone is a delete or an insert; anything else is an error
 *
 * Images are sorted by identity: by the keys in the order of their index, or
 * by row id.  A group of equal row ids may hold several keys or images; they
 * are told apart by comparing.  The sort makes the lookups that follow walk
 * the index from left to right.
 *
 * Victims are looked up, unless apply_stored_images() was called: then every
 * stored row is among the images and brings its address along.
 *
 * A few images stay in an array; more go into a tuplesort, which spills.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "apply/apply_internal.h"

/* So many images are sorted in place. */
#define ARRAY_SIZE	64

/* From so many images in a group on, they are compared by hash first. */
#define HASHED_IMAGES 8

typedef struct ArrayRow
{
	MinimalTuple tuple;
	Datum	   *keys;			/* the columns to sort by */
	bool	   *isnull;
} ArrayRow;

typedef struct StoredAt
{
	Oid			relid;
	ItemPointerData tid;
} StoredAt;

/* One image of a group, all its occurrences added up. */
typedef struct Image
{
	Datum	   *values;
	bool	   *isnull;
	int64		w;
	uint32		hash;			/* once the group has HASHED_IMAGES */
	bool		done;
	StoredAt   *stored;			/* where it is stored, if that was given */
	int64		nstored;
	int64		maxstored;
} Image;

typedef struct ApplyNet
{
	MemoryContext context;		/* holds all of this */
	MemoryContext group_context;	/* reset after every group */
	TupleDesc	desc;			/* the table's columns, w, heap, ctid */
	TupleTableSlot *in;
	TupleTableSlot *out;
	TupleTableSlot *victim;
	bool		has_stored;		/* every stored row is among the images */

	int			nsort;
	AttrNumber *sort_columns;
	Oid		   *sort_operators;
	Oid		   *sort_collations;
	bool	   *nulls_first;
	SortSupport sort_support;

	ArrayRow   *rows;
	int			nrows;
	Tuplesortstate *sort;		/* takes over when the array is full */

	Image	   *images;			/* of the group at hand */
	int			nimages;
	int			maximages;
} ApplyNet;

#define ATTR_W(net)		((net)->desc->natts - 2)
#define ATTR_HEAP(net)	((net)->desc->natts - 1)
#define ATTR_TID(net)	((net)->desc->natts)

/* ---- Beginning ---- */

static void
sort_column_init(ApplyNet *net, int i, AttrNumber attnum, Oid type,
				 Oid collation)
{
	SortSupport support = &net->sort_support[i];

	net->sort_columns[i] = attnum;
	net->sort_operators[i] = lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr;
	net->sort_collations[i] = collation;
	net->nulls_first[i] = false;

	support->ssup_cxt = net->context;
	support->ssup_collation = collation;
	support->ssup_nulls_first = false;
	support->ssup_attno = attnum;
	PrepareSortSupportFromOrderingOp(net->sort_operators[i], support);
}

static void
sort_init(ApplyState *state, ApplyNet *net)
{
	const Identity *identity = state->identity;
	int			nsort = identity->kind == IDENTITY_KEY ? identity->nkeys : 1;

	if (identity->kind == IDENTITY_SINGLE)
		return;
	net->nsort = nsort;
	net->sort_columns = palloc(sizeof(AttrNumber) * nsort);
	net->sort_operators = palloc(sizeof(Oid) * nsort);
	net->sort_collations = palloc(sizeof(Oid) * nsort);
	net->nulls_first = palloc(sizeof(bool) * nsort);
	net->sort_support = palloc0(sizeof(SortSupportData) * nsort);
	if (identity->kind != IDENTITY_KEY)
	{
		sort_column_init(net, 0, identity->row_id, INT8OID, InvalidOid);
		return;
	}
	for (int i = 0; i < nsort; i++)
		sort_column_init(net, i, identity->keys[i],
						 TupleDescAttr(state->desc, identity->keys[i] - 1)->atttypid,
						 identity->collations[i]);
}

static TupleDesc
image_desc(TupleDesc st)
{
	TupleDesc	desc = CreateTemplateTupleDesc(st->natts + 3);

	for (int i = 1; i <= st->natts; i++)
		TupleDescCopyEntry(desc, i, st, i);
	TupleDescInitEntry(desc, st->natts + 1, "w", INT4OID, -1, 0);
	TupleDescInitEntry(desc, st->natts + 2, "heap", OIDOID, -1, 0);
	TupleDescInitEntry(desc, st->natts + 3, "tid", TIDOID, -1, 0);
	return desc;
}

static ApplyNet *
net_begin(ApplyState *state)
{
	MemoryContext context = AllocSetContextCreate(state->context,
												  "pg_trickle net",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext save = MemoryContextSwitchTo(context);
	ApplyNet   *net = palloc0(sizeof(ApplyNet));

	net->context = context;
	net->group_context = AllocSetContextCreate(context, "pg_trickle net group",
											   ALLOCSET_DEFAULT_SIZES);
	net->desc = image_desc(state->desc);
	net->in = MakeSingleTupleTableSlot(net->desc, &TTSOpsVirtual);
	net->out = MakeSingleTupleTableSlot(net->desc, &TTSOpsMinimalTuple);
	net->victim = table_slot_create(state->st, NULL);
	net->rows = palloc(sizeof(ArrayRow) * ARRAY_SIZE);
	net->maximages = 4;
	net->images = palloc(sizeof(Image) * net->maximages);
	sort_init(state, net);
	MemoryContextSwitchTo(save);
	return net;
}

static void
net_end(ApplyState *state)
{
	ApplyNet   *net = state->net;

	if (net->sort)
		tuplesort_end(net->sort);
	ExecDropSingleTupleTableSlot(net->in);
	ExecDropSingleTupleTableSlot(net->out);
	ExecDropSingleTupleTableSlot(net->victim);
	MemoryContextDelete(net->context);
	state->net = NULL;
}

/* ---- Errors ---- */

#define HINT_RECOMPUTE \
	errhint("Set its refresh mode to FULL with pgtrickle.alter_stream_table(), refresh it, and set the mode back.")

static void
error_victim_missing(ApplyState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stream table \"%s\" does not hold a row that its change removes",
					RelationGetRelationName(state->st)),
			 errdetail("No stored row has the same %s.",
					   state->identity->kind == IDENTITY_BAG ? "image" : "key"),
			 HINT_RECOMPUTE));
}

static void
error_row_present(ApplyState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stream table \"%s\" already holds a row that its change adds",
					RelationGetRelationName(state->st)),
			 errdetail("A stored row has the same key."),
			 HINT_RECOMPUTE));
}

static void
error_impossible_weight(ApplyState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stream table \"%s\" would hold a key twice, or a row less than never",
					RelationGetRelationName(state->st)),
			 errdetail("The changes of one key do not add up to one row going and one coming."),
			 HINT_RECOMPUTE));
}

/* ---- Images of one group ---- */

static void
image_remember_place(ApplyNet *net, Image *image, TupleTableSlot *row)
{
	StoredAt   *place;

	if (row->tts_isnull[ATTR_TID(net) - 1])
		return;
	if (image->nstored == image->maxstored)
	{
		image->maxstored = Max(1, image->maxstored * 2);
		image->stored = image->stored == NULL ?
			MemoryContextAlloc(net->group_context, sizeof(StoredAt)) :
			repalloc_huge(image->stored, sizeof(StoredAt) * image->maxstored);
	}
	place = &image->stored[image->nstored++];
	place->relid = DatumGetObjectId(row->tts_values[ATTR_HEAP(net) - 1]);
	place->tid = *(ItemPointer) DatumGetPointer(row->tts_values[ATTR_TID(net) - 1]);
}

static Image *
image_find(ApplyState *state, const Datum *values, const bool *isnull,
		   uint32 hash)
{
	ApplyNet   *net = state->net;

	for (int i = 0; i < net->nimages; i++)
	{
		Image	   *image = &net->images[i];

		if (net->nimages >= HASHED_IMAGES && image->hash != hash)
			continue;
		if (identity_same_image(state, image->values, image->isnull, values, isnull))
			return image;
	}
	return NULL;
}

/* A new image, its values copied. */
static Image *
image_add(ApplyState *state, TupleTableSlot *row)
{
	ApplyNet   *net = state->net;
	MemoryContext save = MemoryContextSwitchTo(net->group_context);
	MinimalTuple copy = ExecCopySlotMinimalTuple(row);
	HeapTupleData tuple;
	Image	   *image;

	if (net->nimages == net->maximages)
	{
		net->maximages *= 2;
		net->images = repalloc(net->images, sizeof(Image) * net->maximages);
	}
	image = &net->images[net->nimages++];
	memset(image, 0, sizeof(Image));
	image->values = palloc(sizeof(Datum) * net->desc->natts);
	image->isnull = palloc(sizeof(bool) * net->desc->natts);
	tuple.t_len = copy->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) copy - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&tuple, net->desc, image->values, image->isnull);
	MemoryContextSwitchTo(save);

	if (net->nimages == HASHED_IMAGES)
	{
		for (int i = 0; i < net->nimages; i++)
			net->images[i].hash = identity_image_hash32(state,
														net->images[i].values,
														net->images[i].isnull);
	}
	return image;
}

/* Add a row, all of whose columns are in row's arrays, to the group. */
static void
group_add(ApplyState *state, TupleTableSlot *row)
{
	ApplyNet   *net = state->net;
	MemoryContext save = MemoryContextSwitchTo(state->row_context);
	uint32		hash = 0;
	Image	   *image;

	if (net->nimages >= HASHED_IMAGES)
		hash = identity_image_hash32(state, row->tts_values, row->tts_isnull);
	image = image_find(state, row->tts_values, row->tts_isnull, hash);
	if (image == NULL)
	{
		image = image_add(state, row);
		if (net->nimages > HASHED_IMAGES)
			image->hash = hash;
	}
	image->w += DatumGetInt32(row->tts_values[ATTR_W(net) - 1]);
	image_remember_place(net, image, row);
	MemoryContextSwitchTo(save);
	MemoryContextReset(state->row_context);
}

static bool
group_fits(ApplyState *state, TupleTableSlot *row)
{
	ApplyNet   *net = state->net;

	for (int i = 0; i < net->nsort; i++)
	{
		int			n = net->sort_columns[i] - 1;

		if (ApplySortComparator(net->images[0].values[n],
								net->images[0].isnull[n],
								row->tts_values[n], row->tts_isnull[n],
								&net->sort_support[i]) != 0)
			return false;
	}
	return true;
}

/* ---- A group of a bag ---- */

static void
bag_delete_stored(ApplyState *state, Image *image)
{
	if (image->nstored < -image->w)
		error_impossible_weight(state);
	for (; image->w < 0; image->w++)
	{
		StoredAt   *place = &image->stored[--image->nstored];

		apply_row_delete(state, place->relid, &place->tid,
						 image->values, image->isnull);
	}
}

static Image *
bag_wants(ApplyState *state, TupleTableSlot *row)
{
	ApplyNet   *net = state->net;

	for (int i = 0; i < net->nimages; i++)
	{
		Image	   *image = &net->images[i];

		if (image->w < 0 &&
			identity_same_image(state, image->values, image->isnull,
								row->tts_values, row->tts_isnull))
			return image;
	}
	return NULL;
}

/* One walk over the rows of the group's row id finds every victim. */
static void
bag_delete_found(ApplyState *state, int64 nvictims)
{
	ApplyNet   *net = state->net;
	int			row_id = state->identity->row_id - 1;

	lookup_start(state, &net->images[0].values[row_id],
				 &net->images[0].isnull[row_id]);
	while (nvictims > 0 && lookup_next(state, net->victim))
	{
		Image	   *image;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(net->victim);
		image = bag_wants(state, net->victim);
		if (image == NULL)
			continue;
		apply_row_delete(state, net->victim->tts_tableOid, &net->victim->tts_tid,
						 net->victim->tts_values, net->victim->tts_isnull);
		image->w++;
		nvictims--;
	}
	if (nvictims > 0)
		error_victim_missing(state);
}

static void
bag_apply(ApplyState *state)
{
	ApplyNet   *net = state->net;
	int64		nvictims = 0;

	for (int i = 0; i < net->nimages; i++)
	{
		if (net->images[i].w >= 0)
			continue;
		if (net->has_stored)
			bag_delete_stored(state, &net->images[i]);
		else
			nvictims -= net->images[i].w;
	}
	if (nvictims > 0)
		bag_delete_found(state, nvictims);

	for (int i = 0; i < net->nimages; i++)
	{
		for (int64 n = net->images[i].w; n > 0; n--)
			apply_row_insert(state, net->images[i].values, net->images[i].isnull);
	}
}

/* ---- A group of keyed rows ---- */

static bool
find_by_image_key(ApplyState *state, Image *image)
{
	ApplyNet   *net = state->net;
	int			nkeys = state->identity->nkeys;
	Datum		keys[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	for (int i = 0; i < nkeys; i++)
	{
		keys[i] = image->values[state->keys[i].att];
		isnull[i] = image->isnull[state->keys[i].att];
	}
	return lookup_key(state, keys, isnull, net->victim);
}

/* The stored row that has gone, and the row that comes in its place. */
static void
key_replace(ApplyState *state, Oid relid, ItemPointer tid,
			const Datum *old_values, const bool *old_isnull, Image *plus)
{
	if (plus)
		apply_row_update(state, relid, tid, old_values, old_isnull,
						 plus->values, plus->isnull);
	else
		apply_row_delete(state, relid, tid, old_values, old_isnull);
}

static void
key_apply_stored(ApplyState *state, Image *minus, Image *plus)
{
	if (minus == NULL)
		apply_row_insert(state, plus->values, plus->isnull);
	else if (minus->nstored != 1)
		error_impossible_weight(state);
	else
		key_replace(state, minus->stored->relid, &minus->stored->tid,
					minus->values, minus->isnull, plus);
}

static void
key_apply_found(ApplyState *state, Image *minus, Image *plus)
{
	TupleTableSlot *victim = state->net->victim;

	if (minus == NULL)
	{
		/* a unique index finds it out by itself */
		if (state->identity->kind != IDENTITY_KEY &&
			find_by_image_key(state, plus))
			error_row_present(state);
		apply_row_insert(state, plus->values, plus->isnull);
		return;
	}
	if (!find_by_image_key(state, minus))
		error_victim_missing(state);
	slot_getallattrs(victim);
	key_replace(state, victim->tts_tableOid, &victim->tts_tid,
				victim->tts_values, victim->tts_isnull, plus);
}

/* All images of one key, from the given one on. */
static void
key_apply(ApplyState *state, int first)
{
	ApplyNet   *net = state->net;
	Image	   *head = &net->images[first];
	Image	   *minus = NULL;
	Image	   *plus = NULL;
	int64		remain = 0;

	for (int i = first; i < net->nimages; i++)
	{
		Image	   *image = &net->images[i];
		Image	  **sign = image->w < 0 ? &minus : &plus;

		if (image->done)
			continue;
		if (image != head && state->identity->kind == IDENTITY_KEY_HASH &&
			!identity_same_key(state, head->values, head->isnull,
							   image->values, image->isnull, false))
			continue;
		image->done = true;
		remain += image->nstored + image->w;
		if (image->w == 0)
			continue;
		if (*sign || image->w < -1 || image->w > 1)
			error_impossible_weight(state);
		*sign = image;
	}
	if (net->has_stored && (remain < 0 || remain > 1))
		error_impossible_weight(state);
	if (minus == NULL && plus == NULL)
		return;
	if (net->has_stored)
		key_apply_stored(state, minus, plus);
	else
		key_apply_found(state, minus, plus);
}

static void
group_apply(ApplyState *state)
{
	ApplyNet   *net = state->net;
	MemoryContext save = MemoryContextSwitchTo(net->group_context);

	CHECK_FOR_INTERRUPTS();
	if (state->identity->kind == IDENTITY_BAG)
		bag_apply(state);
	else
	{
		for (int i = 0; i < net->nimages; i++)
		{
			if (!net->images[i].done)
				key_apply(state, i);
		}
	}
	net->nimages = 0;
	MemoryContextSwitchTo(save);
	MemoryContextReset(net->group_context);
}

static void
group_take(ApplyState *state, TupleTableSlot *row)
{
	slot_getallattrs(row);
	if (state->net->nimages > 0 && !group_fits(state, row))
		group_apply(state);
	group_add(state, row);
}

/* ---- Sorting ---- */

static void
sort_begin(ApplyNet *net)
{
	MemoryContext save = MemoryContextSwitchTo(net->context);

	net->sort = tuplesort_begin_heap(net->desc, net->nsort, net->sort_columns,
									 net->sort_operators, net->sort_collations,
									 net->nulls_first, work_mem, NULL,
									 TUPLESORT_NONE);
	MemoryContextSwitchTo(save);
	for (int i = 0; i < net->nrows; i++)
	{
		ExecStoreMinimalTuple(net->rows[i].tuple, net->out, true);
		tuplesort_puttupleslot(net->sort, net->out);
		pfree(net->rows[i].keys);
		pfree(net->rows[i].isnull);
	}
	ExecClearTuple(net->out);
	net->nrows = 0;
}

static void
array_add(ApplyNet *net)
{
	MemoryContext save = MemoryContextSwitchTo(net->context);
	ArrayRow   *row = &net->rows[net->nrows++];

	row->tuple = ExecCopySlotMinimalTuple(net->in);
	row->keys = palloc(sizeof(Datum) * net->nsort);
	row->isnull = palloc(sizeof(bool) * net->nsort);
	ExecStoreMinimalTuple(row->tuple, net->out, false);
	for (int i = 0; i < net->nsort; i++)
		row->keys[i] = slot_getattr(net->out, net->sort_columns[i],
									&row->isnull[i]);
	ExecClearTuple(net->out);
	MemoryContextSwitchTo(save);
}

void
net_add(ApplyState *state, const Datum *values, const bool *isnull, int32 w,
		Oid relid, ItemPointer tid)
{
	int			natts = state->desc->natts;
	int			row_id = state->identity->row_id - 1;
	MemoryContext save;
	ApplyNet   *net;
	TupleTableSlot *in;

	if (state->net == NULL)
		state->net = net_begin(state);
	net = state->net;
	in = net->in;
	save = MemoryContextSwitchTo(state->row_context);

	ExecClearTuple(in);
	memset(in->tts_isnull, true, sizeof(bool) * net->desc->natts);
	for (int i = 0; i < state->nimage; i++)
	{
		in->tts_values[state->image[i]] = values[state->image[i]];
		in->tts_isnull[state->image[i]] = isnull[state->image[i]];
	}
	if (tid)
	{
		net->has_stored = true;
		in->tts_values[natts + 1] = ObjectIdGetDatum(relid);
		in->tts_isnull[natts + 1] = false;
		in->tts_values[natts + 2] = PointerGetDatum(tid);
		in->tts_isnull[natts + 2] = false;
	}

	/*
	 * A stored row is known by the row id that it has, not by the one that it
	 * should have: were they to differ, it must be replaced.
	 */
	if (row_id >= 0)
	{
		in->tts_values[row_id] = tid ? values[row_id] :
			Int64GetDatum(identity_row_id(state, values, isnull));
		in->tts_isnull[row_id] = tid ? isnull[row_id] : false;
	}
	in->tts_values[natts] = Int32GetDatum(w);
	in->tts_isnull[natts] = false;
	ExecStoreVirtualTuple(in);

	if (net->nsort == 0)
		group_take(state, in);
	else if (net->sort)
		tuplesort_puttupleslot(net->sort, in);
	else
	{
		array_add(net);
		if (net->nrows == ARRAY_SIZE)
			sort_begin(net);
	}
	MemoryContextSwitchTo(save);
	MemoryContextReset(state->row_context);
}

static int
array_compare(const void *a, const void *b, void *arg)
{
	const ArrayRow *row1 = a;
	const ArrayRow *row2 = b;
	ApplyNet   *net = arg;

	for (int i = 0; i < net->nsort; i++)
	{
		int			order = ApplySortComparator(row1->keys[i], row1->isnull[i],
												row2->keys[i], row2->isnull[i],
												&net->sort_support[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

static void
take_array(ApplyState *state)
{
	ApplyNet   *net = state->net;

	if (net->nrows > 1)
		qsort_arg(net->rows, net->nrows, sizeof(ArrayRow), array_compare, net);
	for (int i = 0; i < net->nrows; i++)
	{
		ExecStoreMinimalTuple(net->rows[i].tuple, net->out, false);
		group_take(state, net->out);
	}
}

static void
take_sorted(ApplyState *state)
{
	ApplyNet   *net = state->net;

	tuplesort_performsort(net->sort);
	while (tuplesort_gettupleslot(net->sort, true, false, net->out, NULL))
		group_take(state, net->out);
}

void
apply_image(ApplyState *state, TupleTableSlot *row, int32 w)
{
	slot_getallattrs(row);
	if (state->path != APPLY_SWAP)
	{
		if (w != 0)
			net_add(state, row->tts_values, row->tts_isnull, w, InvalidOid, NULL);
		return;
	}
	if (w < 0)
		error_impossible_weight(state);
	for (; w > 0; w--)
		apply_row_insert(state, row->tts_values, row->tts_isnull);
}

void
apply_images_done(ApplyState *state)
{
	ApplyNet   *net = state->net;

	if (net == NULL)
		return;
	if (net->sort)
		take_sorted(state);
	else
		take_array(state);
	ExecClearTuple(net->out);
	if (net->nimages > 0)
		group_apply(state);
	net_end(state);
}
