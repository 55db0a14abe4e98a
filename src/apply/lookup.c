/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Where a row is stored: the index that serves an identity.
 *
 * The index is recognised by what it indexes, never by its name, so that it
 * survives renames, REINDEX CONCURRENTLY and a restore.  Lookups see the
 * snapshot of the refresh: rows that this apply wrote are invisible, rows that
 * it deleted are still returned, which lets a scan go on while its rows are
 * deleted.
 *
 * A partitioned table is looked up in every leaf, because the key need not
 * tell the partition.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "apply/apply_internal.h"

/* Number of the i-th column that the identity's index must have, in a heap. */
static AttrNumber
index_attribute(const Identity *identity, const TupleConversionMap *map, int i)
{
	AttrNumber	attnum;

	attnum = identity->kind == IDENTITY_KEY ? identity->keys[i] : identity->row_id;
	return map ? map->attrMap->attnums[attnum - 1] : attnum;
}

static bool
index_serves(Relation index, const Identity *identity,
			 const TupleConversionMap *map)
{
	Form_pg_index form = index->rd_index;
	int			nkeys = identity->kind == IDENTITY_KEY ? identity->nkeys : 1;

	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid ||
		form->indnkeyatts != nkeys ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return false;
	if (identity->kind == IDENTITY_KEY &&
		!(form->indisunique && form->indimmediate && form->indnullsnotdistinct))
		return false;
	for (int i = 0; i < nkeys; i++)
	{
		if (form->indkey.values[i] != index_attribute(identity, map, i))
			return false;
		if (identity->kind == IDENTITY_KEY &&
			index->rd_indcollation[i] != identity->collations[i])
			return false;
	}
	return true;
}

static void
index_missing(ApplyState *state, Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("stream table \"%s\" lacks the index that finds its rows",
					RelationGetRelationName(rel)),
			 errhint("Create it again: %s",
					 apply_index_ddl(RelationGetRelid(state->st),
									 state->identity))));
}

/* Open the index; note whether there are other unique ones. */
static void
heap_open_index(ApplyState *state, ApplyHeap *heap)
{
	List	   *indexes = RelationGetIndexList(heap->rel);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (heap->index == NULL && state->identity->kind != IDENTITY_SINGLE &&
			index_serves(index, state->identity, heap->map))
		{
			heap->index = index;
			continue;
		}
		if (index->rd_index->indisunique || index->rd_index->indisexclusion)
			state->other_unique = true;
		index_close(index, NoLock);
	}
	list_free(indexes);
	if (heap->index == NULL && state->identity->kind != IDENTITY_SINGLE &&
		state->path != APPLY_SWAP)
		index_missing(state, heap->rel);
}

static void
open_leaves(ApplyState *state)
{
	List	   *oids = find_all_inheritors(RelationGetRelid(state->st),
										   RowExclusiveLock, NULL);
	ListCell   *cell;

	state->heaps = palloc0(sizeof(ApplyHeap) * list_length(oids));
	foreach(cell, oids)
	{
		Relation	leaf = table_open(lfirst_oid(cell), NoLock);
		ApplyHeap  *heap;

		if (leaf->rd_rel->relkind != RELKIND_RELATION)
		{
			table_close(leaf, NoLock);
			continue;
		}
		heap = &state->heaps[state->nheaps++];
		heap->rel = leaf;
		heap->map = convert_tuples_by_name(RelationGetDescr(leaf), state->desc);
		heap->slot = table_slot_create(leaf, NULL);
		heap_open_index(state, heap);
	}
}

static void
search_init(ApplyState *state)
{
	Relation	index;

	if (state->identity->kind == IDENTITY_SINGLE || state->nheaps == 0 ||
		state->heaps[0].index == NULL)
		return;
	index = state->heaps[0].index;
	state->nsearch = IndexRelationGetNumberOfKeyAttributes(index);
	state->search = palloc0(sizeof(ScanKeyData) * state->nsearch);
	for (int i = 0; i < state->nsearch; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			eqop = get_opfamily_member(index->rd_opfamily[i], type, type,
											   BTEqualStrategyNumber);

		ScanKeyEntryInitialize(&state->search[i], 0, i + 1,
							   BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], get_opcode(eqop),
							   (Datum) 0);
	}
}

void
lookup_init(ApplyState *state)
{
	if (state->st->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		open_leaves(state);
	else
	{
		state->heaps = palloc0(sizeof(ApplyHeap));
		state->nheaps = 1;
		state->heaps[0].rel = state->st;
		heap_open_index(state, &state->heaps[0]);
	}
	search_init(state);
}

static void
heap_close_scans(ApplyHeap *heap)
{
	fetch_end(heap);
	if (heap->index_scan)
		index_endscan(heap->index_scan);
	if (heap->table_scan)
		table_endscan(heap->table_scan);
	heap->index_scan = NULL;
	heap->table_scan = NULL;
}

void
lookup_end(ApplyState *state)
{
	for (int i = 0; i < state->nheaps; i++)
	{
		ApplyHeap  *heap = &state->heaps[i];

		heap_close_scans(heap);
		if (heap->index)
			index_close(heap->index, NoLock);
		if (heap->slot)
			ExecDropSingleTupleTableSlot(heap->slot);
		if (heap->rel != state->st)
			table_close(heap->rel, NoLock);
	}
	state->nheaps = 0;
}

void
lookup_start(ApplyState *state, const Datum *values, const bool *isnull)
{
	for (int i = 0; i < state->nsearch; i++)
	{
		state->search[i].sk_argument = isnull[i] ? (Datum) 0 : values[i];
		state->search[i].sk_flags = isnull[i] ? SK_ISNULL | SK_SEARCHNULL : 0;
	}
	for (int i = 0; i < state->nheaps; i++)
		state->heaps[i].positioned = false;
	state->lookup_heap = 0;
}

/* A scan keeps memory of its own between calls: the callers see to it. */
static void
heap_position(ApplyState *state, ApplyHeap *heap)
{
	heap->positioned = true;
	if (heap->index == NULL)
	{
		if (heap->table_scan)
			table_endscan(heap->table_scan);
		heap->table_scan = table_beginscan(heap->rel, state->snapshot, 0, NULL);
		return;
	}
	if (heap->index_scan == NULL)
		heap->index_scan = index_beginscan(heap->rel, heap->index,
										   state->snapshot, NULL,
										   state->nsearch, 0);
	index_rescan(heap->index_scan, state->search, state->nsearch, NULL, 0);
}

static bool
heap_next(ApplyHeap *heap, TupleTableSlot *slot)
{
	if (heap->index)
		return fetch_next(heap, slot);
	return table_scan_getnextslot(heap->table_scan, ForwardScanDirection, slot);
}

/* A leaf's row in the layout of the table, with its own address. */
static void
leaf_row_store(ApplyHeap *heap, TupleTableSlot *slot)
{
	if (heap->map)
		execute_attr_map_slot(heap->map->attrMap, heap->slot, slot);
	else
		ExecCopySlot(slot, heap->slot);
	ExecMaterializeSlot(slot);
	slot->tts_tid = heap->slot->tts_tid;
	slot->tts_tableOid = RelationGetRelid(heap->rel);
}

bool
lookup_next(ApplyState *state, TupleTableSlot *slot)
{
	MemoryContext save = MemoryContextSwitchTo(state->context);
	bool		found = false;

	for (; state->lookup_heap < state->nheaps; state->lookup_heap++)
	{
		ApplyHeap  *heap = &state->heaps[state->lookup_heap];

		if (!heap->positioned)
			heap_position(state, heap);
		found = heap_next(heap, heap->slot ? heap->slot : slot);
		if (found)
			break;
	}
	if (!found)
		ExecClearTuple(slot);
	else if (state->heaps[state->lookup_heap].slot)
		leaf_row_store(&state->heaps[state->lookup_heap], slot);
	MemoryContextSwitchTo(save);
	return found;
}

bool
lookup_key(ApplyState *state, const Datum *keys, const bool *isnull,
		   TupleTableSlot *slot)
{
	Datum		row_id;
	bool		row_id_isnull = false;

	if (state->identity->kind != IDENTITY_KEY_HASH)
	{
		lookup_start(state, keys, isnull);
		return lookup_next(state, slot);
	}

	row_id = Int64GetDatum((int64) identity_key_hash(state, keys, isnull));
	lookup_start(state, &row_id, &row_id_isnull);
	while (lookup_next(state, slot))
	{
		slot_getallattrs(slot);
		if (identity_same_key(state, slot->tts_values, slot->tts_isnull,
							  keys, isnull, true))
			return true;
	}
	return false;
}

bool
apply_find(ApplyState *state, const Datum *keys, const bool *isnull,
		   TupleTableSlot *old)
{
	MemoryContext save = MemoryContextSwitchTo(state->row_context);
	bool		found;

	MemoryContextReset(state->row_context);
	found = lookup_key(state, keys, isnull, old);
	MemoryContextSwitchTo(save);
	return found;
}

/* Call for every stored row, in the shape of the stream table. */
static void
for_each_stored(ApplyState *state, void (*take) (ApplyState *state, Oid relid,
												 TupleTableSlot *row))
{
	TupleTableSlot *row = table_slot_create(state->st, NULL);

	if (state->path == APPLY_SWAP)
		elog(ERROR, "a table without pages has no stored images");
	for (int i = 0; i < state->nheaps; i++)
	{
		ApplyHeap  *heap = &state->heaps[i];
		TableScanDesc scan = table_beginscan(heap->rel, state->snapshot, 0, NULL);
		TupleTableSlot *found = heap->slot ? heap->slot : row;

		while (table_scan_getnextslot(scan, ForwardScanDirection, found))
		{
			CHECK_FOR_INTERRUPTS();
			if (heap->slot)
				leaf_row_store(heap, row);
			slot_getallattrs(row);
			take(state, RelationGetRelid(heap->rel), row);
		}
		table_endscan(scan);
	}
	ExecDropSingleTupleTableSlot(row);
}

static void
count_once(ApplyState *state, Oid relid, TupleTableSlot *row)
{
	net_add(state, row->tts_values, row->tts_isnull, -1, relid, &row->tts_tid);
}

void
apply_stored_images(ApplyState *state)
{
	for_each_stored(state, count_once);
}

static void
delete_row(ApplyState *state, Oid relid, TupleTableSlot *row)
{
	apply_row_delete(state, relid, &row->tts_tid, row->tts_values, row->tts_isnull);
}

void
apply_delete_stored(ApplyState *state)
{
	for_each_stored(state, delete_row);
}

bool
apply_index_exists(Relation st, const Identity *identity)
{
	List	   *indexes = RelationGetIndexList(st);
	bool		found = identity->kind == IDENTITY_SINGLE;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index_serves(index, identity, NULL);
		index_close(index, NoLock);
	}
	list_free(indexes);
	return found;
}

/* What the names of the indexes end with, but for a number. */
#define INDEX_OF_KEY	"pgt_key"
#define INDEX_OF_ROW_ID "pgt_row_id"

List *
apply_indexes_made(Relation st)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(st))
	{
		const char *name = get_rel_name(lfirst_oid(cell));

		if (strstr(name, "_" INDEX_OF_KEY) || strstr(name, "_" INDEX_OF_ROW_ID))
			result = lappend_oid(result, lfirst_oid(cell));
	}
	return result;
}

char *
apply_index_ddl(Oid relid, const Identity *identity)
{
	StringInfoData sql;
	char	   *relname = get_rel_name(relid);
	Oid			namespace = get_rel_namespace(relid);
	bool		key = identity->kind == IDENTITY_KEY;

	if (identity->kind == IDENTITY_SINGLE)
		return NULL;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %sINDEX %s ON %s USING btree (",
					 key ? "UNIQUE " : "",
					 quote_identifier(ChooseRelationName(relname, NULL,
														 key ? INDEX_OF_KEY : INDEX_OF_ROW_ID,
														 namespace, false)),
					 quote_qualified_identifier(get_namespace_name(namespace),
												relname));
	for (int i = 0; i < (key ? identity->nkeys : 1); i++)
	{
		AttrNumber	attnum = key ? identity->keys[i] : identity->row_id;
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(get_attname(relid, attnum, false)));
		if (key && identity->collations[i] != collation)
			appendStringInfo(&sql, " COLLATE %s",
							 generate_collation_name(identity->collations[i]));
	}
	appendStringInfo(&sql, ")%s", key ? " NULLS NOT DISTINCT" : "");
	return sql.data;
}
