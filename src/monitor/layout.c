/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  A layered drawing of an acyclic graph.
 *
 * Sugiyama's method, in its plain form:
 *
 *	1. layer(v) = 1 + max over edges u -> v of layer(u), 0 if there is none; what
 *	   nobody feeds then moves right, to just before the first that reads it.
 *	2. An edge that spans layers passes each of them through a place of its own.
 *	3. Sweeps right and left order each layer by the mean place of what its
 *	   members are joined with in the layer before; the best of them counts.
 *	4. Sweeps move members towards the mean height of what they are joined with,
 *	   as far as their neighbours in the layer let them.
 *
 * What is not connected is drawn by itself, one below the other.
 *
 * Lines run between layers, or through places that nothing else has, so they
 * never meet a box that they do not belong to.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "miscadmin.h"

#include "monitor/layout.h"

#define ORDER_SWEEPS	12
#define HEIGHT_SWEEPS	40

/* A node, or the place where an edge passes a layer. */
typedef struct Place
{
	int			node;			/* -1: of an edge */
	int			layer;
	int			rank;			/* in its layer, from 0 */
	double		key;			/* what it is ordered by, or its wanted height */
	double		y;				/* of its middle */
	int			nleft;
	int			nright;
	int		   *left;			/* places that it is joined with */
	int		   *right;
} Place;

typedef struct Drawing
{
	Layout	   *layout;
	const LayoutMetrics *metrics;
	int			nplaces;
	Place	   *places;
	int			nlayers;
	int		   *sizes;			/* of the layers */
	int		  **layers;			/* places of each, in order */
	int		  **passes;			/* of each edge: the first place of it, per layer */
} Drawing;

/* ---- layers ---- */

static void
find_layers(const Layout *layout, int *layer)
{
	bool		changed = true;

	memset(layer, 0, sizeof(int) * layout->nnodes);
	/* as many rounds as the longest path has edges, unless there is a cycle */
	for (int round = 0; changed && round < layout->nnodes; round++)
	{
		changed = false;
		for (int i = 0; i < layout->nedges; i++)
		{
			const LayoutEdge *edge = &layout->edges[i];

			if (layer[edge->to] <= layer[edge->from] && layer[edge->from] + 1 < layout->nnodes)
			{
				layer[edge->to] = layer[edge->from] + 1;
				changed = true;
			}
		}
	}
}

static void
pull_sources(const Layout *layout, int *layer)
{
	int		   *nearest = palloc(sizeof(int) * (layout->nnodes + 1));

	for (int i = 0; i < layout->nnodes; i++)
		nearest[i] = layout->nnodes;
	for (int i = 0; i < layout->nedges; i++)
		nearest[layout->edges[i].from] = Min(nearest[layout->edges[i].from],
											 layer[layout->edges[i].to]);
	for (int i = 0; i < layout->nnodes; i++)
		if (layer[i] == 0 && nearest[i] < layout->nnodes)
			layer[i] = Max(nearest[i] - 1, 0);
}

static int
place_add(Drawing *d, int node, int layer)
{
	Place	   *place = &d->places[d->nplaces];

	memset(place, 0, sizeof(Place));
	place->node = node;
	place->layer = layer;
	return d->nplaces++;
}

static int *
list_add(int *list, int *n, int value)
{
	if (list == NULL)
		list = palloc(sizeof(int) * 4);
	else if (*n >= 4 && (*n & (*n - 1)) == 0)
		list = repalloc(list, sizeof(int) * 2 * *n);
	list[(*n)++] = value;
	return list;
}

static void
join(Drawing *d, int left, int right)
{
	Place	   *l = &d->places[left];
	Place	   *r = &d->places[right];

	l->right = list_add(l->right, &l->nright, right);
	r->left = list_add(r->left, &r->nleft, left);
}

static void
add_places(Drawing *d, const int *layer)
{
	Layout	   *layout = d->layout;
	int			n = layout->nnodes;

	for (int i = 0; i < layout->nedges; i++)
		n += Max(layer[layout->edges[i].to] - layer[layout->edges[i].from] - 1, 0);
	d->places = palloc(sizeof(Place) * (n + 1));
	d->passes = palloc0(sizeof(int *) * (layout->nedges + 1));

	for (int i = 0; i < layout->nnodes; i++)
		place_add(d, i, layer[i]);
	for (int i = 0; i < layout->nedges; i++)
	{
		LayoutEdge *edge = &layout->edges[i];
		int			last = edge->from;

		edge->npoints = Max(layer[edge->to] - layer[edge->from] - 1, 0);
		edge->points = palloc(sizeof(LayoutPoint) * (edge->npoints + 1));
		d->passes[i] = palloc(sizeof(int) * (edge->npoints + 1));
		if (layer[edge->to] <= layer[edge->from])
			continue;
		for (int j = 0; j < edge->npoints; j++)
		{
			d->passes[i][j] = place_add(d, -1, layer[edge->from] + 1 + j);
			join(d, last, d->passes[i][j]);
			last = d->passes[i][j];
		}
		join(d, last, edge->to);
	}
}

static void
fill_layers(Drawing *d)
{
	d->nlayers = 0;
	for (int i = 0; i < d->nplaces; i++)
		d->nlayers = Max(d->nlayers, d->places[i].layer + 1);
	d->sizes = palloc0(sizeof(int) * (d->nlayers + 1));
	d->layers = palloc(sizeof(int *) * (d->nlayers + 1));
	for (int i = 0; i < d->nplaces; i++)
		d->sizes[d->places[i].layer]++;
	for (int i = 0; i < d->nlayers; i++)
	{
		d->layers[i] = palloc(sizeof(int) * (d->sizes[i] + 1));
		d->sizes[i] = 0;
	}
	for (int i = 0; i < d->nplaces; i++)
	{
		Place	   *place = &d->places[i];

		place->rank = d->sizes[place->layer];
		d->layers[place->layer][d->sizes[place->layer]++] = i;
	}
}

/* ---- order ---- */

static Place *sort_places;

static int
compare_keys(const void *a, const void *b)
{
	const Place *pa = &sort_places[*(const int *) a];
	const Place *pb = &sort_places[*(const int *) b];

	if (pa->key != pb->key)
		return pa->key < pb->key ? -1 : 1;
	return pa->rank - pb->rank;
}

static double
mean_rank(const Drawing *d, const int *joined, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += d->places[joined[i]].rank;
	return sum / n;
}

static void
order_layer(Drawing *d, int layer, bool rightwards)
{
	for (int i = 0; i < d->sizes[layer]; i++)
	{
		Place	   *place = &d->places[d->layers[layer][i]];
		int			n = rightwards ? place->nleft : place->nright;

		place->key = n == 0 ? place->rank :
			mean_rank(d, rightwards ? place->left : place->right, n);
	}
	sort_places = d->places;
	qsort(d->layers[layer], d->sizes[layer], sizeof(int), compare_keys);
	for (int i = 0; i < d->sizes[layer]; i++)
		d->places[d->layers[layer][i]].rank = i;
}

/* Pairs of lines behind a layer that cross. */
static int64
crossings(const Drawing *d, int layer)
{
	int64		n = 0;
	int			size = d->sizes[layer + 1];
	int		   *below = palloc0(sizeof(int) * (size + 1));
	int			total = 0;

	/* below[r]: lines of places before this one that end at rank r */
	for (int i = 0; i < d->sizes[layer]; i++)
	{
		const Place *place = &d->places[d->layers[layer][i]];

		for (int j = 0; j < place->nright; j++)
			for (int r = d->places[place->right[j]].rank + 1; total > 0 && r < size; r++)
				n += below[r];
		for (int j = 0; j < place->nright; j++, total++)
			below[d->places[place->right[j]].rank]++;
	}
	pfree(below);
	return n;
}

static int64
all_crossings(const Drawing *d)
{
	int64		n = 0;

	for (int i = 0; i + 1 < d->nlayers; i++)
		n += crossings(d, i);
	return n;
}

static void
keep_ranks(const Drawing *d, int *ranks)
{
	for (int i = 0; i < d->nplaces; i++)
		ranks[i] = d->places[i].rank;
}

static void
restore_ranks(Drawing *d, const int *ranks)
{
	for (int i = 0; i < d->nplaces; i++)
	{
		d->places[i].rank = ranks[i];
		d->layers[d->places[i].layer][ranks[i]] = i;
	}
}

static void
order_layers(Drawing *d)
{
	int		   *best = palloc(sizeof(int) * (d->nplaces + 1));
	int64		fewest = all_crossings(d);

	keep_ranks(d, best);
	for (int sweep = 0; sweep < ORDER_SWEEPS && fewest > 0; sweep++)
	{
		int64		n;

		CHECK_FOR_INTERRUPTS();
		if (sweep % 2 == 0)
			for (int i = 1; i < d->nlayers; i++)
				order_layer(d, i, true);
		else
			for (int i = d->nlayers - 2; i >= 0; i--)
				order_layer(d, i, false);
		n = all_crossings(d);
		if (n < fewest)
		{
			fewest = n;
			keep_ranks(d, best);
		}
	}
	restore_ranks(d, best);
}

/* ---- heights ---- */

static double
place_height(const Drawing *d, const Place *place)
{
	return place->node >= 0 ? d->metrics->node_height : 0;
}

/* Least distance of the middles of a place and the next one. */
static double
distance(const Drawing *d, const Place *a, const Place *b)
{
	double		gap = a->node >= 0 && b->node >= 0 ?
		d->metrics->node_gap : d->metrics->line_gap;

	return (place_height(d, a) + place_height(d, b)) / 2 + gap;
}

/*
 * Give each member of a layer a height near the one that it wants, such that the
 * order and the distances hold.  Less the sum of the distances before it, that is
 * to find an ascending sequence next to a given one, in the sense of squares:
 * neighbours that are not in order are pooled, and get their mean.
 */
static void
settle_layer(Drawing *d, int layer)
{
	int		   *members = d->layers[layer];
	int			n = d->sizes[layer];
	double	   *means = palloc(sizeof(double) * (n + 1));
	int		   *counts = palloc(sizeof(int) * (n + 1));
	double		offset = 0;
	int			npools = 0;
	int			next = 0;

	for (int i = 0; i < n; i++)
	{
		Place	   *place = &d->places[members[i]];

		if (i > 0)
			offset += distance(d, &d->places[members[i - 1]], place);
		place->y = offset;
		means[npools] = place->key - offset;
		counts[npools++] = 1;
		while (npools > 1 && means[npools - 2] >= means[npools - 1])
		{
			npools--;
			means[npools - 1] = (means[npools - 1] * counts[npools - 1] +
								 means[npools] * counts[npools]) /
				(counts[npools - 1] + counts[npools]);
			counts[npools - 1] += counts[npools];
		}
	}
	for (int i = 0; i < npools; i++)
		for (int j = 0; j < counts[i]; j++)
			d->places[members[next++]].y += means[i];
	pfree(means);
	pfree(counts);
}

static double
mean_height(const Drawing *d, const Place *place)
{
	double		sum = 0;
	int			n = place->nleft + place->nright;

	for (int i = 0; i < place->nleft; i++)
		sum += d->places[place->left[i]].y;
	for (int i = 0; i < place->nright; i++)
		sum += d->places[place->right[i]].y;
	return n == 0 ? place->y : sum / n;
}

static void
find_heights(Drawing *d)
{
	for (int layer = 0; layer < d->nlayers; layer++)
	{
		for (int i = 0; i < d->sizes[layer]; i++)
			d->places[d->layers[layer][i]].key = 0;
		settle_layer(d, layer);
	}
	for (int sweep = 0; sweep < HEIGHT_SWEEPS; sweep++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < d->nlayers; j++)
		{
			int			layer = sweep % 2 == 0 ? j : d->nlayers - 1 - j;

			for (int i = 0; i < d->sizes[layer]; i++)
			{
				Place	   *place = &d->places[d->layers[layer][i]];

				place->key = mean_height(d, place);
			}
			settle_layer(d, layer);
		}
	}
}

/* ---- the result ---- */

static void
give_places(Drawing *d)
{
	Layout	   *layout = d->layout;
	const LayoutMetrics *m = d->metrics;
	double		top = 0;
	double		bottom = 0;

	for (int i = 0; i < d->nplaces; i++)
	{
		double		half = place_height(d, &d->places[i]) / 2;

		top = i == 0 ? d->places[i].y - half : Min(top, d->places[i].y - half);
		bottom = i == 0 ? d->places[i].y + half : Max(bottom, d->places[i].y + half);
	}
	for (int i = 0; i < layout->nnodes; i++)
	{
		layout->nodes[i].x = d->places[i].layer * (m->node_width + m->layer_gap);
		layout->nodes[i].y = d->places[i].y - top - m->node_height / 2;
	}
	for (int i = 0; i < layout->nedges; i++)
		for (int j = 0; j < layout->edges[i].npoints; j++)
		{
			const Place *place = &d->places[d->passes[i][j]];

			layout->edges[i].points[j].x = place->layer * (m->node_width + m->layer_gap) +
				m->node_width / 2;
			layout->edges[i].points[j].y = place->y - top;
		}
	layout->width = d->nlayers == 0 ? 0 :
		d->nlayers * (m->node_width + m->layer_gap) - m->layer_gap;
	layout->height = bottom - top;
}

static void
compute_connected(Layout *layout, const LayoutMetrics *metrics)
{
	Drawing		d = {.layout = layout, .metrics = metrics};
	int		   *layer = palloc(sizeof(int) * (layout->nnodes + 1));

	layout->nodes = palloc(sizeof(LayoutPoint) * (layout->nnodes + 1));
	layout->width = layout->height = 0;
	find_layers(layout, layer);
	pull_sources(layout, layer);
	add_places(&d, layer);
	fill_layers(&d);
	order_layers(&d);
	find_heights(&d);
	give_places(&d);
}

/* ---- what is not connected ---- */

static int
root_of(int *parents, int i)
{
	while (parents[i] != i)
		i = parents[i] = parents[parents[i]];
	return i;
}

static int *
find_roots(const Layout *layout)
{
	int		   *parents = palloc(sizeof(int) * (layout->nnodes + 1));

	for (int i = 0; i < layout->nnodes; i++)
		parents[i] = i;
	for (int i = 0; i < layout->nedges; i++)
		parents[root_of(parents, layout->edges[i].from)] =
			root_of(parents, layout->edges[i].to);
	for (int i = 0; i < layout->nnodes; i++)
		parents[i] = root_of(parents, i);
	return parents;
}

/* Lay out the nodes of one root, below what there is; numbers is scratch. */
static void
compute_part(Layout *layout, const LayoutMetrics *metrics, const int *roots,
			 int root, int *numbers)
{
	Layout		part = {.edges = palloc(sizeof(LayoutEdge) * (layout->nedges + 1))};
	double		top = layout->height > 0 ? layout->height + 2 * metrics->node_gap : 0;
	int			n = 0;

	for (int i = 0; i < layout->nnodes; i++)
		if (roots[i] == root)
			numbers[i] = part.nnodes++;
	for (int i = 0; i < layout->nedges; i++)
		if (roots[layout->edges[i].from] == root)
		{
			part.edges[part.nedges].from = numbers[layout->edges[i].from];
			part.edges[part.nedges++].to = numbers[layout->edges[i].to];
		}
	compute_connected(&part, metrics);

	for (int i = 0; i < layout->nnodes; i++)
		if (roots[i] == root)
		{
			layout->nodes[i] = part.nodes[numbers[i]];
			layout->nodes[i].y += top;
		}
	for (int i = 0; i < layout->nedges; i++)
		if (roots[layout->edges[i].from] == root)
		{
			layout->edges[i].npoints = part.edges[n].npoints;
			layout->edges[i].points = part.edges[n++].points;
			for (int j = 0; j < layout->edges[i].npoints; j++)
				layout->edges[i].points[j].y += top;
		}
	layout->width = Max(layout->width, part.width);
	layout->height = top + part.height;
}

void
layout_compute(Layout *layout, const LayoutMetrics *metrics)
{
	int		   *roots = find_roots(layout);
	int		   *numbers = palloc(sizeof(int) * (layout->nnodes + 1));
	bool	   *done = palloc0(sizeof(bool) * (layout->nnodes + 1));

	layout->nodes = palloc(sizeof(LayoutPoint) * (layout->nnodes + 1));
	layout->width = layout->height = 0;
	for (int i = 0; i < layout->nnodes; i++)
	{
		if (!done[roots[i]])
			compute_part(layout, metrics, roots, roots[i], numbers);
		done[roots[i]] = true;
	}
}
