/*-------------------------------------------------------------------------
 *
 * graph_language.c
 *	  The languages of Graphviz and Mermaid.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "mb/pg_wchar.h"

#include "monitor/graph_language.h"

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

const GraphLanguage graph_dot = {
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

const GraphLanguage graph_mermaid = {
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

void
graph_label_line(const GraphLanguage *language, StringInfo label, const char *text)
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
