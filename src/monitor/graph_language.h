/*-------------------------------------------------------------------------
 *
 * graph_language.h
 *	  Graphs as text, for Graphviz and Mermaid.
 *
 * Nodes are named by number.  What users have named stands in labels only, with
 * every character that means something there replaced.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_GRAPH_LANGUAGE_H
#define PGT_GRAPH_LANGUAGE_H

#include "pgt.h"
#include "lib/stringinfo.h"

typedef struct GraphLanguage
{
	const char *head;
	const char *foot;
	const char *newline;		/* in a label */
	/* formats of a node: its name, its label */
	const char *source;
	const char *stage;
	const char *table;
	/* of an edge: from, to; and with a label, from, to, label */
	const char *edge;
	const char *labelled_edge;
	const char *(*escape) (char c);	/* what stands for it, NULL: itself */
} GraphLanguage;

extern const GraphLanguage graph_dot;
extern const GraphLanguage graph_mermaid;

/* Append text to a label, on a line of its own. */
extern void graph_label_line(const GraphLanguage *language, StringInfo label,
							 const char *text);

#endif							/* PGT_GRAPH_LANGUAGE_H */
