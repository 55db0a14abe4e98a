/*-------------------------------------------------------------------------
 *
 * drawing.h
 *	  The graph of sources and stream tables, drawn.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_DRAWING_H
#define PGT_DRAWING_H

#include "pgt.h"
#include "lib/stringinfo.h"

#include "monitor/graph_language.h"
#include "monitor/state.h"

/* Tables to be drawn; NULL in place of selected: all. */
extern void drawing_svg(StringInfo out, const MonitorState *state,
						const bool *selected, bool standalone);
extern void drawing_text(StringInfo out, const MonitorState *state,
						 const GraphLanguage *language);

/* Rules that the drawing needs, for a style element. */
extern const char *const drawing_style;

/* Letter of a freshness in names of classes. */
extern char drawing_class(Freshness freshness);

#endif							/* PGT_DRAWING_H */
