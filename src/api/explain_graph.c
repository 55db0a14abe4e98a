/*-------------------------------------------------------------------------
 *
 * explain_graph.c
 *	  Sources, stages and stream table as a graph, for Graphviz and Mermaid.
 *
 * Nodes are named by number.  What users have named stands in labels only, with
 * every character that means something there replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "delta/explain.h"

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

static const char *
dot_escape(char c)
{
	switch (c)
	{
		case '"':
			return "\\\"";
		case '\\':
			return "\\\\";
		case '&':
			return "&amp;";
		default:
			return NULL;
	}
}

static const char *
mermaid_escape(char c)
{
	switch (c)
	{
		case '"':
			return "#quot;";
		case '#':
			return "#35;";
		case '&':
			return "#amp;";
		case '<':
			return "#lt;";
		case '>':
			return "#gt;";
		case '`':
			return "#96;";
		case '\\':
			return "#92;";
		case ';':
			return "#59;";
		case '%':
			return "#37;";
		default:
			return NULL;
	}
}

static const GraphLanguage dot = {
	.head = "digraph stream_table {\n  rankdir=BT;\n  node [shape=box];\n",
	.foot = "}",
	.newline = "\\n",
	.source = "  %s [shape=cylinder, label=\"%s\"];\n",
	.stage = "  %s [label=\"%s\"];\n",
	.table = "  %s [shape=box3d, label=\"%s\"];\n",
	.edge = "  %s -> %s;\n",
	.labelled_edge = "  %s -> %s [label=\"%s\"];\n",
	.escape = dot_escape
};

static const GraphLanguage mermaid = {
	.head = "flowchart BT\n",
	.foot = "",
	.newline = "<br/>",
	.source = "  %s[(\"%s\")]\n",
	.stage = "  %s[\"%s\"]\n",
	.table = "  %s[[\"%s\"]]\n",
	.edge = "  %s --> %s\n",
	.labelled_edge = "  %1$s -- \"%3$s\" --> %2$s\n",
	.escape = mermaid_escape
};

/* Append text to a label, on a line of its own. */
static void
add_line(const GraphLanguage *language, StringInfo label, const char *text)
{
	if (label->len > 0)
		appendStringInfoString(label, language->newline);
	while (*text != '\0')
	{
		int			len = pg_mblen(text);
		const char *escaped = len == 1 ? language->escape(*text) : NULL;

		if (escaped != NULL)
			appendStringInfoString(label, escaped);
		else if (len == 1 && (unsigned char) *text < ' ')
			appendStringInfoChar(label, ' ');
		else
			appendBinaryStringInfo(label, text, len);
		text += len;
	}
}

static char *
source_node(const Explanation *explanation, const ExplainedSource *source)
{
	int			number = 0;
	ListCell   *lc;

	foreach(lc, explanation->sources)
	{
		number++;
		if (lfirst(lc) == source)
			break;
	}
	return psprintf("source%d", number);
}

static char *
stage_node(int number)
{
	return number == 0 ? "result" : psprintf("stage%d", number);
}

static void
graph_source(const GraphLanguage *language, const Explanation *explanation,
			 const ExplainedSource *source, StringInfo out)
{
	StringInfoData label;

	initStringInfo(&label);
	add_line(language, &label, source->name);
	appendStringInfo(out, language->source, source_node(explanation, source),
					 label.data);
}

static void
stage_lines(const GraphLanguage *language, const ExplainedStage *stage,
			StringInfo label)
{
	StringInfoData key;
	ListCell   *lc;

	initStringInfo(&key);
	foreach(lc, stage->key)
		appendStringInfo(&key, "%s%s", key.len > 0 ? ", " : "", (char *) lfirst(lc));
	add_line(language, label, stage->number == 0 ? stage->construct :
			 psprintf("%d: %s", stage->number, stage->construct));
	if (key.len > 0)
		add_line(language, label, psprintf("(%s)", key.data));
	foreach(lc, stage->aggregates)
		add_line(language, label, ((ExplainedAggregate *) lfirst(lc))->call);
	add_line(language, label, stage->rule);
	if (stage->table != NULL)
		add_line(language, label, stage->table);
}

static void
graph_reads(const GraphLanguage *language, const Explanation *explanation,
			const ExplainedStage *stage, StringInfo out)
{
	ListCell   *lc;

	foreach(lc, stage->reads)
	{
		const ExplainedRead *read = lfirst(lc);
		char	   *from = read->source != NULL ?
			source_node(explanation, read->source) : stage_node(read->stage);
		StringInfoData label;

		if (read->lookup == NULL)
		{
			appendStringInfo(out, language->edge, from, stage_node(stage->number));
			continue;
		}
		initStringInfo(&label);
		add_line(language, &label, read->lookup);
		appendStringInfo(out, language->labelled_edge, from,
						 stage_node(stage->number), label.data);
	}
}

static void
graph_stage(const GraphLanguage *language, const Explanation *explanation,
			const ExplainedStage *stage, StringInfo out)
{
	StringInfoData label;

	if (stage->number > 0)
	{
		initStringInfo(&label);
		stage_lines(language, stage, &label);
		appendStringInfo(out, language->stage, stage_node(stage->number), label.data);
	}
	graph_reads(language, explanation, stage, out);
}

static void
graph_table(const GraphLanguage *language, const StreamTable *st,
			const Explanation *explanation, StringInfo out)
{
	StringInfoData label;

	initStringInfo(&label);
	add_line(language, &label, quote_qualified_identifier(st->schema, st->name));
	if (explanation->stages != NIL)
		stage_lines(language, linitial(explanation->stages), &label);
	else
		add_line(language, &label, "full");
	appendStringInfo(out, language->table, stage_node(0), label.data);
}

static char *
graph(const GraphLanguage *language, const StreamTable *st,
	  const Explanation *explanation)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	appendStringInfoString(&out, language->head);
	graph_table(language, st, explanation, &out);
	foreach(lc, explanation->sources)
	{
		graph_source(language, explanation, lfirst(lc), &out);
		if (explanation->stages == NIL)
			appendStringInfo(&out, language->edge,
							 source_node(explanation, lfirst(lc)), stage_node(0));
	}
	foreach(lc, explanation->stages)
		graph_stage(language, explanation, lfirst(lc), &out);
	appendStringInfoString(&out, language->foot);
	if (out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return out.data;
}

char *
explain_dot(const StreamTable *st, const Explanation *explanation)
{
	return graph(&dot, st, explanation);
}

char *
explain_mermaid(const StreamTable *st, const Explanation *explanation)
{
	return graph(&mermaid, st, explanation);
}
