/*-------------------------------------------------------------------------
 *
 * explain_graph.c
 *	  Sources, stages and stream table as a graph, for Graphviz and Mermaid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "delta/explain.h"
#include "monitor/graph_language.h"

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
	graph_label_line(language, &label, source->name);
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
	graph_label_line(language, label, stage->number == 0 ? stage->construct :
			 psprintf("%d: %s", stage->number, stage->construct));
	if (key.len > 0)
		graph_label_line(language, label, psprintf("(%s)", key.data));
	foreach(lc, stage->aggregates)
		graph_label_line(language, label, ((ExplainedAggregate *) lfirst(lc))->call);
	graph_label_line(language, label, stage->rule);
	if (stage->table != NULL)
		graph_label_line(language, label, stage->table);
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
		graph_label_line(language, &label, read->lookup);
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
	graph_label_line(language, &label, quote_qualified_identifier(st->schema, st->name));
	if (explanation->stages != NIL)
		stage_lines(language, linitial(explanation->stages), &label);
	else
		graph_label_line(language, &label, "full");
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
	return graph(&graph_dot, st, explanation);
}

char *
explain_mermaid(const StreamTable *st, const Explanation *explanation)
{
	return graph(&graph_mermaid, st, explanation);
}
