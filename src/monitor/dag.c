/*-------------------------------------------------------------------------
 *
 * dag.c
 *	  dag() and dependency_tree(): all stream tables that the caller may see, and
 *	  what they read.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "monitor/drawing.h"
#include "monitor/state.h"

PG_FUNCTION_INFO_V1(pgt_dag);
PG_FUNCTION_INFO_V1(pgt_dependency_tree);

Datum
pgt_dag(PG_FUNCTION_ARGS)
{
	char	   *format = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));
	const GraphLanguage *language = NULL;
	StringInfoData out;

	if (pg_strcasecmp(format, "dot") == 0)
		language = &graph_dot;
	else if (pg_strcasecmp(format, "mermaid") == 0)
		language = &graph_mermaid;
	else if (pg_strcasecmp(format, "svg") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid format: \"%s\"", format),
				 errhint("The formats are dot, mermaid and svg.")));

	initStringInfo(&out);
	if (language != NULL)
		drawing_text(&out, monitor_read_state(), language);
	else
		drawing_svg(&out, monitor_read_state(), NULL, true);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* ---- the tree ---- */

typedef struct TreeWalk
{
	const MonitorState *state;
	bool	   *shown;			/* with what it reads */
	ReturnSetInfo *rsinfo;
} TreeWalk;

/*
 * One line, and what is below it.  What was shown before with all that it reads
 * is not shown so again: of a graph with many ways there would be no end.
 */
static void
walk(TreeWalk *w, int index, const char *indent, const char *branch, int depth)
{
	const MonitoredTable *table = &w->state->tables[index];
	bool		source = table->freshness == FRESHNESS_SOURCE;
	bool		again = !source && table->nsources > 0 && w->shown[index];
	char	   *below = psprintf("%s%s", indent, depth == 0 ? "" :
								 branch[0] == '|' ? "|   " : "    ");
	Datum		values[6] = {
		CStringGetTextDatum(psprintf("%s%s%s%s", indent, branch, table->name,
									 source ? " [src]" : again ? " (see above)" : "")),
		CStringGetTextDatum(table->name),
		CStringGetTextDatum(source ? "source_table" : "stream_table"),
		Int32GetDatum(depth)
	};
	bool		nulls[6] = {false, false, false, false, source, source};

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (!source)
	{
		values[4] = CStringGetTextDatum(table->status);
		values[5] = CStringGetTextDatum(table->mode);
	}
	tuplestore_putvalues(w->rsinfo->setResult, w->rsinfo->setDesc, values, nulls);
	if (again)
		return;
	w->shown[index] = true;
	for (int i = 0; i < table->nsources; i++)
		walk(w, table->sources[i], below,
			 i + 1 < table->nsources ? "|-- " : "`-- ", depth + 1);
}

/* From those that nobody reads, down to the sources. */
Datum
pgt_dependency_tree(PG_FUNCTION_ARGS)
{
	MonitorState *state = monitor_read_state();
	bool	   *read = palloc0(sizeof(bool) * (state->ntables + 1));
	TreeWalk	w = {
		.state = state,
		.shown = palloc0(sizeof(bool) * (state->ntables + 1)),
		.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo
	};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < state->nstream_tables; i++)
		for (int j = 0; j < state->tables[i].nsources; j++)
			read[state->tables[i].sources[j]] = true;
	for (int i = 0; i < state->nstream_tables; i++)
		if (!read[i])
			walk(&w, i, "", "", 0);
	return (Datum) 0;
}
