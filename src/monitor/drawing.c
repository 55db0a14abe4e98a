/*-------------------------------------------------------------------------
 *
 * drawing.c
 *	  The graph of sources and stream tables as SVG, DOT and Mermaid.
 *
 * In SVG each box is an svg element of its own, which clips what is in it, so
 * that no name, whatever its glyphs, reaches beyond its box.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "utils/formatting.h"

#include "monitor/drawing.h"
#include "monitor/layout.h"
#include "monitor/markup.h"

#define NAME_COLUMNS	24
#define BOX_WIDTH		202
#define BOX_HEIGHT		42
#define MARGIN			8

/*
 * Colours by custom properties, so that dark mode is one set of them.  The
 * letters after f are those of drawing_class().
 */
const char *const drawing_style =
":root{--bg:#fff;--ink:#1b1f24;--dim:#57606a;--line:#8c959f;--box:#f6f8fa;--edge:#d0d7de;"
"--fresh:#1a7f37;--late:#bf8700;--stale:#cf222e}"
"@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--ink:#e6edf3;--dim:#9198a1;--line:#6e7681;--box:#161b22;--edge:#3d444d;"
"--fresh:#3fb950;--late:#d29922;--stale:#f85149}}"
".g text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--ink)}"
".g .d{font-size:11px;fill:var(--dim)}"
".g path{fill:none;stroke:var(--line);stroke-width:1.3}"
".g .b{fill:var(--box);stroke:var(--edge)}"
".g .o{fill:var(--bg);stroke:var(--line);stroke-dasharray:4 3}"
".ff{fill:var(--fresh)}.fl{fill:var(--late)}.fs,.fe,.fu{fill:var(--stale)}.fn{fill:var(--line)}";

char
drawing_class(Freshness freshness)
{
	return "flsneuo"[freshness];
}

/* ---- which nodes, which edges ---- */

typedef struct Selection
{
	int			n;
	int		   *tables;			/* indexes into the state */
	int		   *nodes;			/* number of each table of the state, or -1 */
} Selection;

static Selection
select_tables(const MonitorState *state, const bool *selected)
{
	Selection	s = {
		.tables = palloc(sizeof(int) * (state->ntables + 1)),
		.nodes = palloc(sizeof(int) * (state->ntables + 1))
	};

	for (int i = 0; i < state->ntables; i++)
	{
		s.nodes[i] = selected == NULL || selected[i] ? s.n : -1;
		if (s.nodes[i] >= 0)
			s.tables[s.n++] = i;
	}
	return s;
}

static void
select_edges(Layout *layout, const MonitorState *state, const Selection *s)
{
	int			n = 0;

	for (int i = 0; i < state->ntables; i++)
		n += state->tables[i].nsources;
	layout->edges = palloc0(sizeof(LayoutEdge) * (n + 1));
	for (int i = 0; i < state->ntables; i++)
		for (int j = 0; j < state->tables[i].nsources; j++)
		{
			int			from = s->nodes[state->tables[i].sources[j]];

			if (s->nodes[i] < 0 || from < 0)
				continue;
			layout->edges[layout->nedges].from = from;
			layout->edges[layout->nedges++].to = s->nodes[i];
		}
}

/* ---- what a box says ---- */

static char *
second_line(const MonitoredTable *table)
{
	switch (table->freshness)
	{
		case FRESHNESS_SOURCE:
			return asc_tolower(table->source_type, strlen(table->source_type));
		case FRESHNESS_EMPTY:
		case FRESHNESS_SUSPENDED:
		case FRESHNESS_FAILING:
			return pstrdup(freshness_name(table->freshness));
		default:
			if (table->target_s < 0)
				return psprintf("%s, %s old", freshness_name(table->freshness),
								markup_duration(table->staleness_s));
			return psprintf("%s, %s of %s", freshness_name(table->freshness),
							table->staleness_s == 0 ? "0" : markup_duration(table->staleness_s),
							table->target_s == 0 ? "0 s" : markup_duration(table->target_s));
	}
}

/* ---- SVG ---- */

static void
draw_box(StringInfo out, const MonitoredTable *table, LayoutPoint at)
{
	bool		source = table->freshness == FRESHNESS_SOURCE;

	appendStringInfo(out, "<svg x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\"><title>",
					 at.x + MARGIN, at.y + MARGIN, BOX_WIDTH, BOX_HEIGHT);
	markup_text(out, table->name, 0);
	appendStringInfo(out, "</title><rect class=\"%s\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"5\"/>",
					 source ? "o" : "b", BOX_WIDTH - 1, BOX_HEIGHT - 1);
	if (!source)
		appendStringInfo(out, "<rect class=\"f%c\" width=\"6\" height=\"%d\" rx=\"3\"/>",
						 drawing_class(table->freshness), BOX_HEIGHT);
	appendStringInfoString(out, "<text x=\"14\" y=\"17\">");
	markup_text(out, markup_columns(table->name) <= NAME_COLUMNS ? table->name : table->short_name,
				NAME_COLUMNS);
	appendStringInfoString(out, "</text><text class=\"d\" x=\"14\" y=\"34\">");
	markup_text(out, second_line(table), NAME_COLUMNS + 2);
	appendStringInfoString(out, "</text></svg>");
}

/* From the right side of one box to the left side of another. */
static void
draw_edge(StringInfo out, const Layout *layout, const LayoutEdge *edge)
{
	LayoutPoint from = layout->nodes[edge->from];
	LayoutPoint to = layout->nodes[edge->to];
	double		x = from.x + BOX_WIDTH + MARGIN;
	double		y = from.y + BOX_HEIGHT / 2.0 + MARGIN;

	appendStringInfo(out, "<path d=\"M%.0f %.0f", x, y);
	for (int i = 0; i <= edge->npoints; i++)
	{
		bool		last = i == edge->npoints;
		double		next_x = (last ? to.x : edge->points[i].x - BOX_WIDTH / 2.0) + MARGIN;
		double		next_y = (last ? to.y + BOX_HEIGHT / 2.0 : edge->points[i].y) + MARGIN;
		double		middle = (x + next_x) / 2;

		appendStringInfo(out, "C%.0f %.0f %.0f %.0f %.0f %.0f",
						 middle, y, middle, next_y, next_x, next_y);
		x = next_x;
		y = next_y;
		if (!last)
		{
			x += BOX_WIDTH;
			appendStringInfo(out, "H%.0f", x);
		}
	}
	appendStringInfoString(out, "\"/>");
}

void
drawing_svg(StringInfo out, const MonitorState *state, const bool *selected,
			bool standalone)
{
	static const LayoutMetrics metrics = {
		.node_width = BOX_WIDTH,
		.node_height = BOX_HEIGHT,
		.layer_gap = 56,
		.node_gap = 12,
		.line_gap = 10
	};
	Selection	s = select_tables(state, selected);
	Layout		layout = {.nnodes = s.n};
	int			width;
	int			height;

	select_edges(&layout, state, &s);
	layout_compute(&layout, &metrics);
	width = (int) layout.width + 2 * MARGIN;
	height = (int) layout.height + 2 * MARGIN;
	appendStringInfo(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"g\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\"><title>sources and stream tables</title>",
					 width, height, width, height);
	if (standalone)
		appendStringInfo(out, "<style>%s</style><rect width=\"100%%\" height=\"100%%\" style=\"fill:var(--bg)\"/>",
						 drawing_style);
	for (int i = 0; i < layout.nedges; i++)
		draw_edge(out, &layout, &layout.edges[i]);
	for (int i = 0; i < s.n; i++)
		draw_box(out, &state->tables[s.tables[i]], layout.nodes[i]);
	appendStringInfoString(out, "</svg>");
}

/* ---- DOT and Mermaid ---- */

void
drawing_text(StringInfo out, const MonitorState *state, const GraphLanguage *language)
{
	appendStringInfoString(out, language->head);
	for (int i = 0; i < state->ntables; i++)
	{
		const MonitoredTable *table = &state->tables[i];
		StringInfoData label;

		initStringInfo(&label);
		graph_label_line(language, &label, table->name);
		graph_label_line(language, &label, second_line(table));
		appendStringInfo(out, table->freshness == FRESHNESS_SOURCE ?
						 language->source : language->table,
						 psprintf("t%d", i), label.data);
	}
	for (int i = 0; i < state->ntables; i++)
		for (int j = 0; j < state->tables[i].nsources; j++)
			appendStringInfo(out, language->edge,
							 psprintf("t%d", state->tables[i].sources[j]),
							 psprintf("t%d", i));
	appendStringInfoString(out, language->foot);
	while (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
}
