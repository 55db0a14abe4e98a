/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  The graph of pgt_dependencies: topological order, cycles, groups.
 *
 * A stream table d is right only if everything that it reads shows one state
 * of each source x, and it may meet x on several paths.  If all of them lead
 * through one stream table y, then what d sees of x is what y has stored,
 * which is one state.  If no such y exists,
 *
 *		x is a split of d:	there are two paths from x to d that have
 *							nothing in common but their ends
 *
 * (Menger's theorem), and every stream table on a path from x to d must be
 * refreshed at the snapshot at which d is.  These sets, united where they
 * overlap, are the consistency groups.  In terms of dominators of the graph
 * that can be reached from x: x is a split of d iff x is the immediate
 * dominator of d and d reads more than one thing there.
 *
 *		A -> B -> C				no split: each is a group of its own
 *		A -> B, A -> C, B -> D, C -> D			A splits D: B, C, D
 *		A -> B, A -> D, B -> D					A splits D: B, D
 *
 * x itself, if it is a stream table, need not be in the group: what it has
 * stored at the snapshot is one state.
 *
 * The graph of the database is kept until a dependency or a relation in it
 * changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog/catalog.h"
#include "dag/dag.h"

typedef struct GraphNode
{
	Oid			relid;
	List	   *sources;		/* of int: what it reads */
	int			nreaders;
	int			group;			/* a member of its group: union-find */
	List	   *members;		/* oids of the group, at the one that stands for it */
	bool		visited;
} GraphNode;

/* Once built, sources stand before those that read them. */
typedef struct Graph
{
	int			nnodes;
	int			maxnodes;
	GraphNode	   *nodes;
	HTAB	   *index;			/* relid -> GraphEntry */
} Graph;

typedef struct GraphEntry
{
	Oid			relid;			/* hash key */
	int			node;
} GraphEntry;

static MemoryContext known_context = NULL;
static Graph *known = NULL;
static bool known_valid = false;
static bool loading = false;
static Oid	known_from = InvalidOid;	/* oid of pgt_dependencies */

/* ---- building ---- */

static int
find_node(const Graph *graph, Oid relid)
{
	GraphEntry  *entry = hash_search(graph->index, &relid, HASH_FIND, NULL);

	return entry ? entry->node : -1;
}

static int
ensure_node(Graph *graph, Oid relid)
{
	bool		found;
	GraphEntry  *entry = hash_search(graph->index, &relid, HASH_ENTER, &found);

	if (found)
		return entry->node;
	if (graph->nnodes == graph->maxnodes)
	{
		graph->maxnodes *= 2;
		graph->nodes = repalloc(graph->nodes, sizeof(GraphNode) * graph->maxnodes);
	}
	entry->node = graph->nnodes++;
	memset(&graph->nodes[entry->node], 0, sizeof(GraphNode));
	graph->nodes[entry->node].relid = relid;
	return entry->node;
}

static void
add_edge(Graph *graph, Oid consumer, Oid source)
{
	int			from = ensure_node(graph, source);
	int			to = ensure_node(graph, consumer);

	graph->nodes[to].sources = list_append_unique_int(graph->nodes[to].sources, from);
}

/* Append a node behind all that it reads. */
static void
order_visit(Graph *graph, int node, int *order, int *norder)
{
	ListCell   *lc;

	check_stack_depth();
	if (graph->nodes[node].visited)
		return;
	graph->nodes[node].visited = true;
	foreach(lc, graph->nodes[node].sources)
		order_visit(graph, lfirst_int(lc), order, norder);
	order[(*norder)++] = node;
}

/* Renumber the nodes so that each stands behind all that it reads. */
static void
sort_nodes(Graph *graph)
{
	int		   *order = palloc(sizeof(int) * Max(graph->nnodes, 1));
	int		   *rank = palloc(sizeof(int) * Max(graph->nnodes, 1));
	GraphNode	   *sorted = palloc(sizeof(GraphNode) * Max(graph->nnodes, 1));
	int			norder = 0;

	for (int i = 0; i < graph->nnodes; i++)
		order_visit(graph, i, order, &norder);
	for (int i = 0; i < norder; i++)
		rank[order[i]] = i;
	for (int i = 0; i < norder; i++)
	{
		GraphEntry  *entry;
		ListCell   *lc;

		sorted[i] = graph->nodes[order[i]];
		sorted[i].group = i;
		sorted[i].visited = false;
		foreach(lc, sorted[i].sources)
		{
			lfirst_int(lc) = rank[lfirst_int(lc)];
			sorted[lfirst_int(lc)].nreaders++;
		}
		entry = hash_search(graph->index, &sorted[i].relid, HASH_FIND, NULL);
		entry->node = i;
	}
	graph->nodes = sorted;
}

static Graph *
make_graph(List *edges)
{
	Graph	   *graph = palloc0(sizeof(Graph));
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(GraphEntry),
		.hcxt = CurrentMemoryContext
	};
	ListCell   *lc;

	graph->maxnodes = 64;
	graph->nodes = palloc(sizeof(GraphNode) * graph->maxnodes);
	graph->index = hash_create("pg_trickle graph", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, edges)
	{
		DependencyEdge *edge = lfirst(lc);

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(edge->consumer)))
			add_edge(graph, edge->consumer, edge->source);
	}
	sort_nodes(graph);
	return graph;
}

/* ---- groups ---- */

static int
group_of(const Graph *graph, int node)
{
	while (graph->nodes[node].group != node)
		node = graph->nodes[node].group;
	return node;
}

static void
unite(Graph *graph, int a, int b)
{
	graph->nodes[group_of(graph, a)].group = group_of(graph, b);
}

/* idom[i]: immediate dominator of i as seen from the start, -1: not reached */
static int
common_dominator(const int *idom, int a, int b)
{
	while (a != b)
	{
		if (a > b)
			a = idom[a];
		else
			b = idom[b];
	}
	return a;
}

/* Unite a node with all that lies on the paths from start to it. */
static void
unite_paths(Graph *graph, const int *idom, int start, int node, Bitmapset **seen)
{
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, graph->nodes[node].sources)
	{
		int			source = lfirst_int(lc);

		if (source == start || idom[source] < 0 || bms_is_member(source, *seen))
			continue;
		*seen = bms_add_member(*seen, source);
		unite(graph, source, node);
		unite_paths(graph, idom, start, source, seen);
	}
}

static void
unite_splits_of(Graph *graph, int start, int *idom)
{
	for (int i = 0; i < graph->nnodes; i++)
		idom[i] = -1;
	idom[start] = start;
	for (int i = start + 1; i < graph->nnodes; i++)
	{
		int			nsources = 0;
		Bitmapset  *seen = NULL;
		ListCell   *lc;

		foreach(lc, graph->nodes[i].sources)
		{
			int			source = lfirst_int(lc);

			if (idom[source] < 0)
				continue;
			idom[i] = nsources++ == 0 ? source :
				common_dominator(idom, idom[i], source);
		}
		if (nsources > 1 && idom[i] == start)
			unite_paths(graph, idom, start, i, &seen);
		bms_free(seen);
	}
}

/* Two paths that have only their ends in common begin with two edges. */
static void
find_groups(Graph *graph)
{
	int		   *idom = palloc(sizeof(int) * Max(graph->nnodes, 1));

	for (int i = 0; i < graph->nnodes; i++)
		if (graph->nodes[i].nreaders > 1)
			unite_splits_of(graph, i, idom);
	pfree(idom);
	for (int i = 0; i < graph->nnodes; i++)
	{
		GraphNode  *group = &graph->nodes[group_of(graph, i)];

		group->members = lappend_oid(group->members, graph->nodes[i].relid);
	}
}

static List *
group_members(const Graph *graph, Oid relid)
{
	int			node = find_node(graph, relid);

	if (node < 0)
		return list_make1_oid(relid);
	return list_copy(graph->nodes[group_of(graph, node)].members);
}

/* ---- the graph of the database ---- */

static void
relation_changed(Datum arg, Oid relid)
{
	if (loading || !OidIsValid(relid) || relid == known_from ||
		(known != NULL && find_node(known, relid) >= 0))
		known_valid = false;
}

void
dag_init(void)
{
	relations_watch(relation_changed);
}

static void
load_graph(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_trickle graph",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext save = MemoryContextSwitchTo(context);
	MemoryContext old_context = known_context;
	Graph	   *graph = make_graph(dependency_edges());

	find_groups(graph);
	MemoryContextSwitchTo(save);
	MemoryContextSetParent(context, TopMemoryContext);
	known = graph;
	known_context = context;
	if (old_context)
		MemoryContextDelete(old_context);
}

/* A message that comes while the graph is loaded makes it be loaded again. */
static void
load_known(Oid from)
{
	known_from = from;
	known_valid = true;
	loading = true;
	PG_TRY();
	{
		load_graph();
	}
	PG_CATCH();
	{
		loading = false;
		known_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	loading = false;
}

List *
dag_group(Oid relid)
{
	Oid			from = pgt_catalog_relid("pgt_dependencies");

	while (!known_valid || known_from != from)
		load_known(from);
	return group_members(known, relid);
}

/* ---- what if ---- */

static Graph *
graph_with(Oid relid, const List *sources)
{
	List	   *edges = NIL;
	ListCell   *lc;

	foreach(lc, dependency_edges())
		if (((DependencyEdge *) lfirst(lc))->consumer != relid)
			edges = lappend(edges, lfirst(lc));
	foreach(lc, sources)
	{
		DependencyEdge *edge = palloc(sizeof(DependencyEdge));

		edge->consumer = relid;
		edge->source = lfirst_oid(lc);
		edges = lappend(edges, edge);
	}
	return make_graph(edges);
}

List *
dag_group_with(Oid relid, const List *sources)
{
	Graph	   *graph = graph_with(relid, sources);

	find_groups(graph);
	return group_members(graph, relid);
}

List *
dag_stream_tables(const List *sources)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, sources)
		if (stream_table_exists(lfirst_oid(lc)))
			result = lappend_oid(result, lfirst_oid(lc));
	return result;
}

/* Append what leads from a node down to target, both included. */
static bool
find_path(Graph *graph, int node, int target, List **path)
{
	ListCell   *lc;

	check_stack_depth();
	if (graph->nodes[node].visited)
		return false;
	graph->nodes[node].visited = true;
	*path = lappend_oid(*path, graph->nodes[node].relid);
	if (node == target)
		return true;
	foreach(lc, graph->nodes[node].sources)
		if (find_path(graph, lfirst_int(lc), target, path))
			return true;
	*path = list_delete_last(*path);
	return false;
}

static char *
path_text(const List *path)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, path)
		appendStringInfo(&text, "%s\"%s\"", text.len > 0 ? ", which reads " : "",
						 get_rel_name(lfirst_oid(lc)));
	return text.data;
}

void
dag_refuse_cycle(Oid relid, const List *sources)
{
	Graph	   *graph;
	ListCell   *lc;

	if (dag_stream_tables(sources) == NIL)
		return;
	LockDatabaseObject(pgt_catalog_relid("pgt_dependencies"), InvalidOid, 0,
					   ExclusiveLock);
	graph = make_graph(dependency_edges());
	foreach(lc, sources)
	{
		int			source = find_node(graph, lfirst_oid(lc));
		int			target = find_node(graph, relid);
		List	   *path = NIL;

		if (lfirst_oid(lc) == relid)
			path = list_make1_oid(relid);
		else if (source < 0 || target < 0 ||
				 !find_path(graph, source, target, &path))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("stream table \"%s\" cannot depend on itself",
						get_rel_name(relid)),
				 errdetail("Its query reads %s.", path_text(path)),
				 errhint("Leave out of the query what is computed from the stream table.")));
	}
}

char *
dag_gate_reason(const StreamTable *st)
{
	List	   *gates = gate_read_all(NULL);
	ListCell   *lc;

	if (gates == NIL)
		return NULL;
	foreach(lc, dag_group(st->relid))
	{
		Oid			relid = lfirst_oid(lc);
		StreamTable *member = relid == st->relid ? NULL : stream_table_read(relid, NULL);
		Oid			source;

		if (relid != st->relid && member == NULL)
			continue;
		if (!gate_holds(gates, member ? member->pgt_id : st->pgt_id, &source))
			continue;
		if (!OidIsValid(source))
			return pstrdup("all stream tables are paused");
		if (member == NULL)
			return psprintf("source \"%s\" is gated", get_rel_name(source));
		return psprintf("source \"%s\" of \"%s\", which is refreshed together with it, is gated",
						get_rel_name(source), member->name);
	}
	return NULL;
}
