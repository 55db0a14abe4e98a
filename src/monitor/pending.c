/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Which of all stream tables have something to do.
 *
 *		pending(T) = T is empty, to be recomputed, or without its query
 *				  or the clock is an input of T and has moved
 *				  or some source of T is not captured
 *				  or some source of T has changes that are new to T
 *				  or some source of T is a stream table that is pending
 *
 * Catalogs are read once, and every change buffer is opened once: buffer by
 * buffer, so that no more than one is locked.  The last line of the rule is
 * then followed through the graph in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/table.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "buffer/buffer.h"
#include "catalog/catalog.h"
#include "monitor/pending.h"
#include "refresh/refresh.h"

typedef enum NodeState
{
	NODE_UNKNOWN,
	NODE_VISITED,				/* being looked at, or found to have nothing */
	NODE_PENDING
} NodeState;

typedef struct GraphNode
{
	const StreamTable *st;
	NodeState	state;
	List	   *sources;		/* GraphNode *, those that are stream tables */
} GraphNode;

/* Finds a node by pgt_id, or by the oid of the relation. */
typedef struct NodeEntry
{
	int64		key;
	GraphNode	   *node;
} NodeEntry;

static HTAB *
node_table(const char *name)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(NodeEntry),
		.hcxt = CurrentMemoryContext
	};

	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
node_put(HTAB *table, int64 key, GraphNode *node)
{
	NodeEntry  *entry = hash_search(table, &key, HASH_ENTER, NULL);

	entry->node = node;
}

static GraphNode *
node_get(HTAB *table, int64 key)
{
	NodeEntry  *entry = hash_search(table, &key, HASH_FIND, NULL);

	return entry ? entry->node : NULL;
}

static void
node_init(GraphNode *node, const StreamTable *st)
{
	node->st = st;
	node->sources = NIL;
	node->state = refresh_pending_by_itself(st) ? NODE_PENDING : NODE_UNKNOWN;
}

static int
compare_buffers(const ListCell *a, const ListCell *b)
{
	Oid			x = ((OwnedDependency *) lfirst(a))->dep.source;
	Oid			y = ((OwnedDependency *) lfirst(b))->dep.source;

	return x < y ? -1 : x > y;
}

static void
look_at_buffer(Relation buffer, BlockNumber nblocks, GraphNode *node,
			   const SourceIdentifier *source)
{
	const SourceFrontier *since;

	if (node->state == NODE_PENDING)
		return;
	since = frontier_lookup(node->st->frontier, source);
	if (buffer == NULL || since == NULL ||
		(nblocks > 0 && buffer_has_changes(buffer, since, GetActiveSnapshot())))
		node->state = NODE_PENDING;
}

/*
 * The captured dependencies, sorted by buffer.  Rows that come to a buffer after
 * its blocks were counted are not in the snapshot.
 */
static List *
look_at_buffers(List *dependencies, HTAB *by_id)
{
	List	   *sizes = NIL;
	SourceIdentifier source = {.oid = InvalidOid};
	Relation	buffer = NULL;
	BlockNumber nblocks = 0;
	ListCell   *lc;

	foreach(lc, dependencies)
	{
		OwnedDependency *owned = lfirst(lc);
		GraphNode	   *node = node_get(by_id, owned->pgt_id);

		if (source.oid != owned->dep.source)
		{
			Oid			relid;

			source = dependency_source(&owned->dep);
			relid = buffer_relid(&source);
			CHECK_FOR_INTERRUPTS();
			if (buffer != NULL)
				table_close(buffer, AccessShareLock);
			buffer = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
			nblocks = buffer ? RelationGetNumberOfBlocks(buffer) : 0;
			if (buffer != NULL)
			{
				BufferSize *size = palloc(sizeof(BufferSize));

				size->source = owned->dep.source;
				size->bytes = (int64) nblocks * BLCKSZ;
				sizes = lappend(sizes, size);
			}
		}
		if (node != NULL)
			look_at_buffer(buffer, nblocks, node, &source);
	}
	if (buffer != NULL)
		table_close(buffer, AccessShareLock);
	return sizes;
}

static bool
is_pending(GraphNode *node)
{
	ListCell   *lc;

	check_stack_depth();
	if (node->state != NODE_UNKNOWN)
		return node->state == NODE_PENDING;
	node->state = NODE_VISITED;
	foreach(lc, node->sources)
		if (is_pending(lfirst(lc)))
		{
			node->state = NODE_PENDING;
			break;
		}
	return node->state == NODE_PENDING;
}

/* Returns the dependencies whose buffers have to be looked at. */
static List *
link_nodes(HTAB *by_id, HTAB *by_relid)
{
	List	   *captured = NIL;
	ListCell   *lc;

	foreach(lc, dependency_read_all())
	{
		OwnedDependency *owned = lfirst(lc);
		GraphNode	   *node = node_get(by_id, owned->pgt_id);
		GraphNode	   *source = node_get(by_relid, owned->dep.source);

		if (owned->dep.captured)
			captured = lappend(captured, owned);
		if (!dependency_is_captured(&owned->dep) && node != NULL)
			node->state = NODE_PENDING;
		if (node != NULL && source != NULL)
			node->sources = lappend(node->sources, source);
	}
	list_sort(captured, compare_buffers);
	return captured;
}

PendingWork *
pending_work(List *stream_tables)
{
	PendingWork *work = palloc0(sizeof(PendingWork));
	GraphNode	   *nodes = palloc(sizeof(GraphNode) * (list_length(stream_tables) + 1));
	HTAB	   *by_id = node_table("pg_trickle stream tables by id");
	HTAB	   *by_relid = node_table("pg_trickle stream tables by relation");
	bool		pushed = !ActiveSnapshotSet();
	ListCell   *lc;

	foreach(lc, stream_tables)
	{
		GraphNode	   *node = &nodes[foreach_current_index(lc)];

		node_init(node, lfirst(lc));
		node_put(by_id, node->st->pgt_id, node);
		node_put(by_relid, node->st->relid, node);
	}

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	work->buffers = look_at_buffers(link_nodes(by_id, by_relid), by_id);
	if (pushed)
		PopActiveSnapshot();

	work->pending = palloc(sizeof(bool) * (list_length(stream_tables) + 1));
	for (int i = 0; i < list_length(stream_tables); i++)
		work->pending[i] = is_pending(&nodes[i]);
	hash_destroy(by_id);
	hash_destroy(by_relid);
	return work;
}
