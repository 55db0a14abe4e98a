/*-------------------------------------------------------------------------
 *
 * layout.h
 *	  Where the nodes of an acyclic graph are drawn: in layers, from left to
 *	  right, with few crossings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_LAYOUT_H
#define PGT_LAYOUT_H

#include "pgt.h"

/* All boxes are of one size; so is what is between them. */
typedef struct LayoutMetrics
{
	double		node_width;
	double		node_height;
	double		layer_gap;		/* between boxes of neighbouring layers */
	double		node_gap;		/* between boxes of one layer */
	double		line_gap;		/* around a line that passes through a layer */
} LayoutMetrics;

typedef struct LayoutPoint
{
	double		x;
	double		y;
} LayoutPoint;

/* From one node to another, and where its line passes layers between them. */
typedef struct LayoutEdge
{
	int			from;
	int			to;
	int			npoints;
	LayoutPoint *points;		/* middle of the layer */
} LayoutEdge;

typedef struct Layout
{
	int			nnodes;
	LayoutPoint *nodes;			/* left upper corners */
	int			nedges;
	LayoutEdge *edges;
	double		width;
	double		height;
} Layout;

/*
 * Fill in where nodes and edges are; edges has from and to.  An edge that closes
 * a cycle is drawn, but does not order the layers.
 */
extern void layout_compute(Layout *layout, const LayoutMetrics *metrics);

#endif							/* PGT_LAYOUT_H */
