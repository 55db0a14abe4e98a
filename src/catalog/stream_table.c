/*-------------------------------------------------------------------------
 *
 * stream_table.c
 *	  Rows of pgt_stream_tables, and the refresh lock that guards them.
 *
 * Whoever writes a row holds its refresh lock, so the row that was read after
 * taking the lock is the newest one, unless the transaction reads under an
 * older snapshot or somebody edited the table by hand: writers check, and
 * raise a serialization failure instead of overwriting what they have not
 * seen.
 *
 * The two indexed columns never change in a refresh and the pages are left
 * half empty, so that recording a refresh is one heap-only update.
 *
 * A row that was read is kept, with its place and the transaction that wrote it.
 * If a snapshot sees a row in that place of the same file that was written by that
 * transaction, it is the same row: a place is used again only when the transaction
 * that left it has ended, and an id comes again only after the table was frozen.
 * What does not stand in the row is looked up each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "catalog/catalog.h"

#define STREAM_TABLES		"pgt_stream_tables"
#define STREAM_TABLES_INDEX "pgt_stream_tables_relid"
#define STREAM_TABLES_SEQ	"pgt_stream_tables_pgt_id_seq"
#define HISTORY				"pgt_refresh_history"
#define HISTORY_INDEX		"pgt_refresh_history_pkey"
#define HISTORY_PGT_ID		2

/*
 * Columns of pgt_stream_tables: those of every layout in the order of
 * sql/00_tables.sql, and later ones.
 */
enum
{
	COL_PGT_ID = 1,
	COL_RELID,
	COL_SCHEMA,
	COL_NAME,
	COL_DEFINITION,
	COL_SCHEDULE,
	COL_MODE,
	COL_STATUS,
	COL_IS_POPULATED,
	COL_NEEDS_REINIT,
	COL_REINIT_REASON,
	COL_FRONTIER,
	COL_DATA_TIMESTAMP,
	COL_EVALUATED_AT,
	COL_CONSECUTIVE_ERRORS,
	COL_LAST_ERROR,
	COL_LAST_REFRESH_AT,
	COL_LAST_REFRESH_ACTION,
	COL_LAST_REFRESH_REASON,
	COL_TOTAL_REFRESHES,
	COL_FAILED_REFRESHES,
	COL_FULL_REFRESHES,
	COL_ROWS_INSERTED,
	COL_ROWS_UPDATED,
	COL_ROWS_DELETED,
	COL_DURATION_MS,
	COL_LEARNED_COSTS,
	COL_CREATED_AT,
	COL_ORIGINAL_QUERY,
	COL_FUSE_CEILING,
	COL_FUSE_BLOWN_AT,
	NFIXED = COL_FUSE_BLOWN_AT,
	COL_PLACEMENT,
	NCOLS = COL_PLACEMENT
};

static const CatalogColumns columns = {
	.ncolumns = NCOLS,
	.nfixed = NFIXED,
	.later = (const char *const[])
	{
		"st_placement"
	}
};

/* One row, taken apart; replace says which columns were set. */
typedef struct Row
{
	Datum		values[NCOLS];
	bool		isnull[NCOLS];
	bool		replace[NCOLS];
	NameData	schema;			/* what values[COL_SCHEMA - 1] may point to */
	NameData	name;
} Row;

static const char *const mode_names[] = {
	[REFRESH_MODE_AUTO] = "AUTO",
	[REFRESH_MODE_FULL] = "FULL",
	[REFRESH_MODE_DIFFERENTIAL] = "DIFFERENTIAL",
};

static const char *const status_names[] = {
	[STREAM_TABLE_ACTIVE] = "ACTIVE",
	[STREAM_TABLE_SUSPENDED] = "SUSPENDED",
	[STREAM_TABLE_ERROR] = "ERROR",
};

const char *
refresh_mode_name(RefreshMode mode)
{
	return mode_names[mode];
}

RefreshMode
refresh_mode_from_name(const char *name)
{
	for (int i = 0; i < lengthof(mode_names); i++)
		if (pg_strcasecmp(name, mode_names[i]) == 0)
			return (RefreshMode) i;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid refresh mode: \"%s\"", name),
			 errhint("The modes are AUTO, DIFFERENTIAL and FULL.")));
}

const char *
stream_table_status_name(StreamTableStatus status)
{
	return status_names[status];
}

static StreamTableStatus
status_from_name(const char *name)
{
	for (int i = 0; i < lengthof(status_names); i++)
		if (strcmp(name, status_names[i]) == 0)
			return (StreamTableStatus) i;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown stream table status: \"%s\"", name)));
}

bool
stream_table_lock(Oid relid, bool wait)
{
	Oid			classid = pgt_catalog_relid(STREAM_TABLES);

	if (!wait)
		return ConditionalLockRelationOid(classid, RowExclusiveLock) &&
			ConditionalLockDatabaseObject(classid, relid, 0, ExclusiveLock);
	LockRelationOid(classid, RowExclusiveLock);
	LockDatabaseObject(classid, relid, 0, ExclusiveLock);
	return true;
}

static Relation
stream_tables_open(LOCKMODE lockmode)
{
	Relation	rel = table_open(pgt_catalog_relid(STREAM_TABLES), lockmode);

	if (RelationGetNumberOfAttributes(rel) < NFIXED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the tables of extension pg_trickle are older than its library"),
				 errhint("Run ALTER EXTENSION pg_trickle UPDATE.")));
	return rel;
}

static void
row_set(Row *row, int column, Datum value)
{
	row->values[column - 1] = value;
	row->isnull[column - 1] = false;
	row->replace[column - 1] = true;
}

static void
row_set_null(Row *row, int column)
{
	row->values[column - 1] = (Datum) 0;
	row->isnull[column - 1] = true;
	row->replace[column - 1] = true;
}

static void
row_set_text(Row *row, int column, const char *value)
{
	if (value == NULL)
		row_set_null(row, column);
	else
		row_set(row, column, CStringGetTextDatum(value));
}

/* 0: NULL */
static void
row_set_time(Row *row, int column, TimestampTz value)
{
	if (value == 0)
		row_set_null(row, column);
	else
		row_set(row, column, TimestampTzGetDatum(value));
}

static void
row_add_int64(Row *row, int column, int64 n)
{
	row_set(row, column,
			Int64GetDatum(DatumGetInt64(row->values[column - 1]) + n));
}

static char *
row_get_text(const Row *row, int column)
{
	if (row->isnull[column - 1])
		return NULL;
	return TextDatumGetCString(row->values[column - 1]);
}

/* The name follows the relation, which may have been renamed since. */
static void
row_set_name(Row *row, const StreamTable *st)
{
	namestrcpy(&row->schema, st->schema);
	namestrcpy(&row->name, st->name);
	row_set(row, COL_SCHEMA, NameGetDatum(&row->schema));
	row_set(row, COL_NAME, NameGetDatum(&row->name));
}

/* Where the rows are may change behind our back. */
static void
row_set_placement(Row *row, const StreamTable *st)
{
	PlacementKind kind = placement_of(st->relid).kind;

	if (kind != st->placement)
		row_set_text(row, COL_PLACEMENT, placement_name(kind));
}

static void
row_set_costs(Row *row, const LearnedCosts *learned)
{
	Datum	   *numbers = palloc(sizeof(Datum) * learned->n);

	for (int i = 0; i < learned->n; i++)
		numbers[i] = Float4GetDatum(learned->numbers[i]);
	row_set(row, COL_LEARNED_COSTS,
			PointerGetDatum(construct_array(numbers, learned->n, FLOAT4OID,
											sizeof(float4), true, TYPALIGN_INT)));
}

/* What somebody has edited by hand may have any shape. */
static void
row_get_costs(const Row *row, LearnedCosts *learned)
{
	ArrayType  *array;

	if (row->isnull[COL_LEARNED_COSTS - 1])
		return;
	array = DatumGetArrayTypeP(row->values[COL_LEARNED_COSTS - 1]);
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		return;
	learned->n = ARR_DIMS(array)[0];
	learned->numbers = palloc(sizeof(float4) * learned->n);
	memcpy(learned->numbers, ARR_DATA_PTR(array), sizeof(float4) * learned->n);
}

static void
row_read(Row *row, HeapTuple tuple, Relation rel)
{
	catalog_deform(&columns, rel, tuple, row->values, row->isnull);
	memset(row->replace, 0, sizeof(row->replace));
}

/*
 * Nothing removes the oid from our row when the view goes.  Citus drops the
 * views over a table that it puts another one in the place of, and creates them
 * again.  Nobody but a superuser creates anything in that schema, so a view of
 * that name is the definition.
 */
static void
find_definition(StreamTable *st, Oid recorded)
{
	st->defview = recorded;
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(recorded)))
		return;
	st->defview = get_relname_relid(definition_view_name(st->pgt_id),
									get_namespace_oid(PGT_DEFS_SCHEMA, false));
	st->definition_moved = OidIsValid(st->defview);
}

char *
definition_view_name(int64 pgt_id)
{
	return psprintf("def_%lld", (long long) pgt_id);
}

/* What the row says is only what it was when it was written. */
static void
look_around(StreamTable *st)
{
	char	   *name = get_rel_name(st->relid);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(st->relid)) : NULL;

	if (schema != NULL)
	{
		st->schema = schema;
		st->name = name;
	}
	if (OidIsValid(st->defview))
		find_definition(st, st->defview);
}

/* As it stands in the row but for the frontier. */
static StreamTable *
from_row(const Row *row, ItemPointer tid)
{
	StreamTable *st = palloc0(sizeof(StreamTable));

	st->tid = *tid;
	st->pgt_id = DatumGetInt64(row->values[COL_PGT_ID - 1]);
	st->relid = DatumGetObjectId(row->values[COL_RELID - 1]);
	st->mode = refresh_mode_from_name(row_get_text(row, COL_MODE));
	st->status = status_from_name(row_get_text(row, COL_STATUS));
	st->schedule = row_get_text(row, COL_SCHEDULE);
	st->is_populated = DatumGetBool(row->values[COL_IS_POPULATED - 1]);
	st->needs_reinit = DatumGetBool(row->values[COL_NEEDS_REINIT - 1]);
	st->reinit_reason = row_get_text(row, COL_REINIT_REASON);
	st->consecutive_errors = DatumGetInt32(row->values[COL_CONSECUTIVE_ERRORS - 1]);
	st->last_error = row_get_text(row, COL_LAST_ERROR);
	row_get_costs(row, &st->learned);
	st->fuse_ceiling = row->isnull[COL_FUSE_CEILING - 1] ? -1 :
		DatumGetInt64(row->values[COL_FUSE_CEILING - 1]);
	if (!row->isnull[COL_FUSE_BLOWN_AT - 1])
		st->fuse_blown_at = DatumGetTimestampTz(row->values[COL_FUSE_BLOWN_AT - 1]);

	if (!row->isnull[COL_DATA_TIMESTAMP - 1])
		st->data_timestamp =
			DatumGetTimestampTz(row->values[COL_DATA_TIMESTAMP - 1]);

	if (!row->isnull[COL_EVALUATED_AT - 1])
		st->evaluated_at = DatumGetTimestampTz(row->values[COL_EVALUATED_AT - 1]);

	if (!row->isnull[COL_LAST_REFRESH_AT - 1])
		st->last_refresh_at = DatumGetTimestampTz(row->values[COL_LAST_REFRESH_AT - 1]);
	st->recorded.refreshes = DatumGetInt64(row->values[COL_TOTAL_REFRESHES - 1]);
	st->recorded.failed = DatumGetInt64(row->values[COL_FAILED_REFRESHES - 1]);
	st->recorded.full = DatumGetInt64(row->values[COL_FULL_REFRESHES - 1]);
	st->recorded.rows_inserted = DatumGetInt64(row->values[COL_ROWS_INSERTED - 1]);
	st->recorded.rows_updated = DatumGetInt64(row->values[COL_ROWS_UPDATED - 1]);
	st->recorded.rows_deleted = DatumGetInt64(row->values[COL_ROWS_DELETED - 1]);
	st->recorded.duration_ms = DatumGetFloat8(row->values[COL_DURATION_MS - 1]);

	if (!row->isnull[COL_DEFINITION - 1])
		st->defview = DatumGetObjectId(row->values[COL_DEFINITION - 1]);
	st->placement = row->isnull[COL_PLACEMENT - 1] ? PLACEMENT_LOCAL :
		placement_from_name(row_get_text(row, COL_PLACEMENT));
	st->schema = pstrdup(NameStr(*DatumGetName(row->values[COL_SCHEMA - 1])));
	st->name = pstrdup(NameStr(*DatumGetName(row->values[COL_NAME - 1])));
	return st;
}

static StreamTable *
stream_table_from_tuple(HeapTuple tuple, Relation rel)
{
	Row			row;
	StreamTable *st;

	row_read(&row, tuple, rel);
	st = from_row(&row, &tuple->t_self);
	if (!row.isnull[COL_FRONTIER - 1])
		st->frontier =
			frontier_from_jsonb(DatumGetJsonbP(row.values[COL_FRONTIER - 1]));
	return st;
}

/* ---- rows that were read ---- */

typedef struct KnownRow
{
	Oid			relid;			/* hash key */
	Oid			catalog;		/* where it was read, as that was then */
	Oid			relfilenode;
	TransactionId relfrozenxid;
	TransactionId xmin;
	MemoryContext context;
	StreamTable *st;			/* as it stands in the row */
} KnownRow;

static HTAB *known_rows = NULL;

static char *
copy_text(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

static StreamTable *
copy_row(const StreamTable *st)
{
	StreamTable *copy = palloc(sizeof(StreamTable));

	*copy = *st;
	copy->schema = pstrdup(st->schema);
	copy->name = pstrdup(st->name);
	copy->schedule = copy_text(st->schedule);
	copy->reinit_reason = copy_text(st->reinit_reason);
	copy->last_error = copy_text(st->last_error);
	if (st->frontier != NULL)
		copy->frontier = frontier_copy(st->frontier);
	if (st->learned.n > 0)
	{
		copy->learned.numbers = palloc(sizeof(float4) * st->learned.n);
		memcpy(copy->learned.numbers, st->learned.numbers, sizeof(float4) * st->learned.n);
	}
	return copy;
}

static KnownRow *
known_row(Oid relid, HASHACTION action)
{
	KnownRow   *known;
	bool		found;

	if (known_rows == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(KnownRow),
			.hcxt = TopMemoryContext
		};

		known_rows = hash_create("pg_trickle stream tables", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	known = hash_search(known_rows, &relid, action, &found);
	if (known != NULL && !found)
	{
		known->context = NULL;
		known->st = NULL;
	}
	return known;
}

static void
remember_row(Relation rel, const StreamTable *st, HeapTuple tuple)
{
	KnownRow   *known = known_row(st->relid, HASH_ENTER);
	MemoryContext save;

	known->st = NULL;
	if (known->context == NULL)
		known->context = AllocSetContextCreate(TopMemoryContext,
											   "pg_trickle stream table",
											   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(known->context);
	known->catalog = RelationGetRelid(rel);
	known->relfilenode = rel->rd_rel->relfilenode;
	known->relfrozenxid = rel->rd_rel->relfrozenxid;
	known->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	save = MemoryContextSwitchTo(known->context);
	known->st = copy_row(st);
	MemoryContextSwitchTo(save);
}

/* What was just written need not be parsed when it is read. */
static void
remember_written(Relation rel, Row *row, HeapTuple tuple, const Frontier *frontier)
{
	StreamTable *st;

	if (catalog_attribute(&columns, rel, COL_PLACEMENT) == InvalidAttrNumber)
		row_set_null(row, COL_PLACEMENT);
	st = from_row(row, &tuple->t_self);
	st->frontier = unconstify(Frontier *, frontier);
	remember_row(rel, st, tuple);
}

static void
forget_row(KnownRow *known)
{
	if (known->context != NULL)
		MemoryContextDelete(known->context);
	(void) known_row(known->relid, HASH_REMOVE);
}

void
stream_table_forget(Oid relid)
{
	HASH_SEQ_STATUS scan;
	KnownRow   *known;

	if (known_rows == NULL)
		return;
	if (OidIsValid(relid))
	{
		known = known_row(relid, HASH_FIND);
		if (known != NULL)
			forget_row(known);
		return;
	}
	hash_seq_init(&scan, known_rows);
	while ((known = hash_seq_search(&scan)) != NULL)
		forget_row(known);
}

/* NULL if it is not there any more, or another one is. */
static StreamTable *
read_known_row(Relation rel, Oid relid, Snapshot snapshot)
{
	KnownRow   *known = known_row(relid, HASH_FIND);
	HeapTupleData tuple;
	Buffer		buffer;
	bool		same;

	if (known == NULL || known->st == NULL ||
		known->catalog != RelationGetRelid(rel) ||
		known->relfilenode != rel->rd_rel->relfilenode ||
		known->relfrozenxid != rel->rd_rel->relfrozenxid)
		return NULL;
	tuple.t_self = known->st->tid;
	if (ItemPointerGetBlockNumber(&tuple.t_self) >= RelationGetNumberOfBlocks(rel) ||
		!heap_fetch(rel, snapshot, &tuple, &buffer, false))
		return NULL;
	same = HeapTupleHeaderGetRawXmin(tuple.t_data) == known->xmin;
	/* as an index scan does: the next version needs the room of the old ones */
	heap_page_prune_opt(rel, buffer);
	ReleaseBuffer(buffer);
	return same ? copy_row(known->st) : NULL;
}

static List *
scan_rows(Relation rel, Oid relid, Snapshot snapshot)
{
	List	   *result = NIL;
	ScanKeyData key[1];
	SysScanDesc scan;
	HeapTuple	tuple;

	if (OidIsValid(relid))
	{
		ScanKeyInit(&key[0], COL_RELID, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(relid));
		scan = systable_beginscan(rel, pgt_catalog_relid(STREAM_TABLES_INDEX),
								  true, snapshot, 1, key);
	}
	else
		scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		StreamTable *st = stream_table_from_tuple(tuple, rel);

		if (OidIsValid(relid))
			remember_row(rel, st, tuple);
		result = lappend(result, st);
	}
	systable_endscan(scan);
	return result;
}

/* Read by relid, or all rows if it is invalid. */
static List *
stream_table_scan(Oid relid, Snapshot snapshot)
{
	Relation	rel = stream_tables_open(AccessShareLock);
	Snapshot	registered = RegisterSnapshot(snapshot ? snapshot : GetLatestSnapshot());
	StreamTable *known = OidIsValid(relid) ? read_known_row(rel, relid, registered) : NULL;
	List	   *rows = known ? list_make1(known) : scan_rows(rel, relid, registered);
	ListCell   *lc;

	UnregisterSnapshot(registered);
	table_close(rel, AccessShareLock);
	foreach(lc, rows)
		look_around(lfirst(lc));
	return rows;
}

StreamTable *
stream_table_read(Oid relid, Snapshot snapshot)
{
	List	   *rows;

	if (!OidIsValid(relid))
		return NULL;
	rows = stream_table_scan(relid, snapshot);
	return rows == NIL ? NULL : linitial(rows);
}

List *
stream_table_read_all(void)
{
	return stream_table_scan(InvalidOid, NULL);
}

/* The relation, by a user's spelling of its name. */
static Oid
find_by_name(const char *name)
{
	RangeVar   *rv;
	Oid			relid;

	rv = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	relid = RangeVarGetRelid(rv, NoLock, true);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream table \"%s\" does not exist", name),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	return relid;
}

static StreamTable *
read_named(const char *name, Oid relid)
{
	StreamTable *st = stream_table_read(relid, NULL);

	if (st == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream table", name),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	return st;
}

static void
require_owner(const char *name, Oid relid)
{
	if (object_ownercheck(RelationRelationId, relid, GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of stream table \"%s\"", name),
			 errdetail("It is owned by role \"%s\".",
					   GetUserNameFromId(pgt_relation_owner(relid), true)),
			 errhint("Ask its owner, or run SET ROLE first.")));
}

/* What was one when it was last read is read again under its refresh lock. */
Oid
stream_table_find_maintained(const char *name)
{
	Oid			relid = find_by_name(name);

	if (known_row(relid, HASH_FIND) == NULL)
		(void) read_named(name, relid);
	if (!pgt_may_maintain(relid, GetUserId()))
		require_owner(name, relid);
	return relid;
}

/*
 * The right is checked before the lock, since nobody else may hold up
 * refreshes, and once more with it: the table may have been given to another
 * role while we waited, as whom the caller must not go on.  The lock on the
 * table keeps it from being given away afterwards.
 */
StreamTable *
stream_table_open(const char *name, bool lock)
{
	Oid			relid = find_by_name(name);
	StreamTable *st = read_named(name, relid);

	require_owner(name, relid);
	if (!lock)
		return st;

	stream_table_lock(relid, true);
	LockRelationOid(relid, AccessShareLock);
	st = stream_table_read(relid, NULL);
	if (st == NULL || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream table \"%s\" does not exist", name),
				 errdetail("It was dropped by another session.")));
	require_owner(name, relid);
	return st;
}

bool
stream_table_owns_query(const StreamTable *st)
{
	Oid			owner = pgt_relation_owner(st->relid);
	const Frontier *frontier = st->frontier;

	if (pgt_relation_owner(st->defview) != owner)
		return false;
	return frontier == NULL || !OidIsValid(frontier->owner) ||
		!frontier_is_local(frontier) || frontier->owner == owner;
}

bool
stream_table_may_see(Oid relid)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		return true;

	/* any one of them suffices for pg_class_aclcheck() */
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_ALL_RIGHTS_RELATION) == ACLCHECK_OK;
}

void
stream_table_require_definition(const StreamTable *st)
{
	if (!OidIsValid(st->defview))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream table \"%s\" has lost its query", st->name),
				 errdetail("The query was dropped together with something it used."),
				 errhint("Give it a query with pgtrickle.create_or_replace_stream_table(), or drop it.")));
	if (!stream_table_owns_query(st))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the query of stream table \"%s\" belongs to another role",
						st->name),
				 errdetail("The table is owned by \"%s\", who did not give it that query.",
						   GetUserNameFromId(pgt_relation_owner(st->relid), true)),
				 errhint("Look at the query, and give it again with pgtrickle.create_or_replace_stream_table().")));
}

int64
stream_table_new_id(void)
{
	return nextval_internal(pgt_catalog_relid(STREAM_TABLES_SEQ), false);
}

static void
row_set_frontier(Row *row, const Frontier *frontier)
{
	if (frontier == NULL)
		row_set_null(row, COL_FRONTIER);
	else
		row_set(row, COL_FRONTIER, JsonbPGetDatum(frontier_to_jsonb(frontier)));
}

/* What stream_table_update() writes, too. */
static void
row_set_definition(Row *row, const StreamTable *st)
{
	row_set(row, COL_RELID, ObjectIdGetDatum(st->relid));
	row_set_name(row, st);
	if (OidIsValid(st->defview))
		row_set(row, COL_DEFINITION, ObjectIdGetDatum(st->defview));
	else
		row_set_null(row, COL_DEFINITION);
	row_set_text(row, COL_SCHEDULE, st->schedule);
	row_set_text(row, COL_MODE, refresh_mode_name(st->mode));
	row_set_text(row, COL_STATUS, stream_table_status_name(st->status));
	row_set(row, COL_IS_POPULATED, BoolGetDatum(st->is_populated));
	row_set(row, COL_NEEDS_REINIT, BoolGetDatum(st->needs_reinit));
	row_set_text(row, COL_REINIT_REASON, st->reinit_reason);
	row_set_frontier(row, st->frontier);
	row_set(row, COL_CONSECUTIVE_ERRORS, Int32GetDatum(st->consecutive_errors));
	row_set_text(row, COL_LAST_ERROR, st->last_error);
	if (st->fuse_ceiling >= 0)
		row_set(row, COL_FUSE_CEILING, Int64GetDatum(st->fuse_ceiling));
	else
		row_set_null(row, COL_FUSE_CEILING);
	row_set_time(row, COL_FUSE_BLOWN_AT, st->fuse_blown_at);
}

void
stream_table_insert(StreamTable *st, const char *defining_query)
{
	Relation	rel = stream_tables_open(RowExclusiveLock);
	Row			row;
	HeapTuple	tuple;

	if (st->pgt_id == 0)
		st->pgt_id = stream_table_new_id();

	row_set(&row, COL_PGT_ID, Int64GetDatum(st->pgt_id));
	row_set_definition(&row, st);
	row_set_null(&row, COL_DATA_TIMESTAMP);
	row_set_null(&row, COL_EVALUATED_AT);
	row_set_null(&row, COL_LAST_REFRESH_AT);
	row_set_null(&row, COL_LAST_REFRESH_ACTION);
	row_set_null(&row, COL_LAST_REFRESH_REASON);
	for (int column = COL_TOTAL_REFRESHES; column <= COL_ROWS_DELETED; column++)
		row_set(&row, column, Int64GetDatum(0));
	row_set(&row, COL_DURATION_MS, Float8GetDatum(0));
	row_set_null(&row, COL_LEARNED_COSTS);
	row_set_text(&row, COL_PLACEMENT, placement_name(PLACEMENT_LOCAL));
	row_set(&row, COL_CREATED_AT,
			TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	row_set_text(&row, COL_ORIGINAL_QUERY, defining_query);

	tuple = catalog_form(&columns, rel, row.values, row.isnull);
	CatalogTupleInsert(rel, tuple);
	st->tid = tuple->t_self;
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * The row that st was read from, for writing; *tuple and *row live in the
 * caller's context.  Raises an error if it is not the newest version.
 */
static void
stream_table_fetch_newest(Relation rel, const StreamTable *st,
						  HeapTuple *tuple, Row *row)
{
	HeapTupleData current;
	Buffer		buffer;

	current.t_self = st->tid;
	if (!heap_fetch(rel, SnapshotSelf, &current, &buffer, false))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent refresh of stream table \"%s\"",
						st->name),
				 errhint("Run the transaction again.")));
	*tuple = heap_copytuple(&current);
	ReleaseBuffer(buffer);
	row_read(row, *tuple, rel);
	if (DatumGetInt64(row->values[COL_PGT_ID - 1]) != st->pgt_id)
		elog(ERROR, "row of stream table %lld has moved", (long long) st->pgt_id);
}

/* Returns the new version, where it stands now. */
static HeapTuple
stream_table_write(Relation rel, HeapTuple old, const Row *row)
{
	HeapTuple	new = catalog_modify(&columns, rel, old, row->values, row->isnull,
									 row->replace);

	CatalogTupleUpdate(rel, &old->t_self, new);
	CommandCounterIncrement();
	return new;
}

void
stream_table_update(const StreamTable *st)
{
	Relation	rel = stream_tables_open(RowExclusiveLock);
	HeapTuple	old;
	Row			row;

	stream_table_fetch_newest(rel, st, &old, &row);
	row_set_definition(&row, st);
	stream_table_write(rel, old, &row);
	table_close(rel, RowExclusiveLock);
}

void
stream_table_set_query(Oid relid, const char *defining_query)
{
	StreamTable *st = stream_table_read(relid, NULL);
	Relation	rel = stream_tables_open(RowExclusiveLock);
	HeapTuple	old;
	Row			row;

	if (st == NULL)
		elog(ERROR, "no stream table with relation %u", relid);
	stream_table_fetch_newest(rel, st, &old, &row);
	row_set_name(&row, st);
	row_set_text(&row, COL_ORIGINAL_QUERY, defining_query);
	stream_table_write(rel, old, &row);
	table_close(rel, RowExclusiveLock);
}

/*
 * Delete the history of a stream table: our own deletes fire no triggers, so
 * the foreign key's cascade would not do it.
 */
static void
history_delete(int64 pgt_id)
{
	Relation	rel = table_open(pgt_catalog_relid(HISTORY), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key[1];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], HISTORY_PGT_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(pgt_id));
	scan = systable_beginscan(rel, pgt_catalog_relid(HISTORY_INDEX), true,
							  snapshot, 1, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, RowExclusiveLock);
}

void
stream_table_delete(const StreamTable *st)
{
	Relation	rel = stream_tables_open(RowExclusiveLock);
	HeapTuple	old;
	Row			row;

	stream_table_fetch_newest(rel, st, &old, &row);
	dependency_delete(st->pgt_id);
	history_delete(st->pgt_id);
	(void) subscription_delete(st->pgt_id, NULL);
	CatalogTupleDelete(rel, &old->t_self);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static float8
elapsed_ms(TimestampTz start, TimestampTz end)
{
	return (float8) (end - start) / 1000.0;
}

/* What a refresh did that did something. */
static void
row_count_refresh(Row *row, const RefreshOutcome *outcome)
{
	float8		total_ms = DatumGetFloat8(row->values[COL_DURATION_MS - 1]) +
		elapsed_ms(outcome->start_time, outcome->end_time);

	row_set(row, COL_LAST_REFRESH_AT, TimestampTzGetDatum(outcome->end_time));
	row_set_text(row, COL_LAST_REFRESH_ACTION, outcome->action);
	row_set_text(row, COL_LAST_REFRESH_REASON, outcome->reason);
	row_add_int64(row, COL_TOTAL_REFRESHES, 1);
	if (strcmp(outcome->action, "DIFFERENTIAL") != 0)
		row_add_int64(row, COL_FULL_REFRESHES, 1);
	row_add_int64(row, COL_ROWS_INSERTED, outcome->rows_inserted);
	row_add_int64(row, COL_ROWS_UPDATED, outcome->rows_updated);
	row_add_int64(row, COL_ROWS_DELETED, outcome->rows_deleted);
	row_set(row, COL_DURATION_MS, Float8GetDatum(total_ms));
	row_set_costs(row, &outcome->learned);
}

void
stream_table_refreshed(const StreamTable *st, const RefreshOutcome *outcome)
{
	Relation	rel = stream_tables_open(RowExclusiveLock);
	bool		nothing = strcmp(outcome->action, "NO_DATA") == 0;
	HeapTuple	old;
	Row			row;

	stream_table_fetch_newest(rel, st, &old, &row);

	row_set_name(&row, st);
	row_set_placement(&row, st);
	row_set(&row, COL_IS_POPULATED, BoolGetDatum(true));
	row_set(&row, COL_NEEDS_REINIT, BoolGetDatum(false));
	row_set_null(&row, COL_REINIT_REASON);
	row_set_frontier(&row, outcome->frontier);
	row_set(&row, COL_DATA_TIMESTAMP,
			TimestampTzGetDatum(outcome->data_timestamp));
	row_set_time(&row, COL_EVALUATED_AT, outcome->evaluated_at);
	row_set(&row, COL_CONSECUTIVE_ERRORS, Int32GetDatum(0));
	row_set_null(&row, COL_LAST_ERROR);

	/* A suspended table stays so when it is refreshed by hand. */
	if (st->status == STREAM_TABLE_ERROR)
		row_set_text(&row, COL_STATUS,
					 stream_table_status_name(STREAM_TABLE_ACTIVE));

	if (!nothing)
		row_count_refresh(&row, outcome);
	remember_written(rel, &row, stream_table_write(rel, old, &row), outcome->frontier);
	table_close(rel, RowExclusiveLock);

	if (!nothing)
		history_insert(st, outcome, "COMPLETED", NULL, NULL);
}

bool
stream_table_failed(Oid relid, TimestampTz start_time,
					const char *message, int sqlerrcode)
{
	RefreshOutcome outcome = {0};
	Relation	rel;
	StreamTable *st;
	HeapTuple	old;
	Row			row;
	bool		blown;

	stream_table_lock(relid, true);
	st = stream_table_read(relid, NULL);
	if (st == NULL)
		return false;			/* dropped meanwhile: nothing to record */

	st->consecutive_errors++;
	st->last_error = pstrdup(message);
	blown = sqlerrcode == ERRCODE_PGT_FUSE_BLOWN;
	if (blown)
		st->fuse_blown_at = GetCurrentTimestamp();
	if (st->status != STREAM_TABLE_SUSPENDED)
		st->status = (blown ||
					  (pgt_max_consecutive_errors > 0 &&
					   st->consecutive_errors >= pgt_max_consecutive_errors)) ?
			STREAM_TABLE_SUSPENDED : STREAM_TABLE_ERROR;

	rel = stream_tables_open(RowExclusiveLock);
	stream_table_fetch_newest(rel, st, &old, &row);
	row_set_placement(&row, st);
	row_set_text(&row, COL_STATUS, stream_table_status_name(st->status));
	row_set(&row, COL_CONSECUTIVE_ERRORS, Int32GetDatum(st->consecutive_errors));
	row_set_text(&row, COL_LAST_ERROR, st->last_error);
	row_set_time(&row, COL_FUSE_BLOWN_AT, st->fuse_blown_at);
	row_add_int64(&row, COL_FAILED_REFRESHES, 1);
	stream_table_write(rel, old, &row);
	table_close(rel, RowExclusiveLock);

	/* what it would have been */
	if (st->needs_reinit)
		outcome.action = "REINITIALIZE";
	else if (st->mode == REFRESH_MODE_FULL || !st->is_populated)
		outcome.action = "FULL";
	else
		outcome.action = "DIFFERENTIAL";
	outcome.data_timestamp = st->data_timestamp;
	outcome.start_time = start_time;
	outcome.end_time = GetCurrentTimestamp();
	history_insert(st, &outcome, "FAILED", message,
				   unpack_sql_state(sqlerrcode));
	return st->status == STREAM_TABLE_SUSPENDED;
}
