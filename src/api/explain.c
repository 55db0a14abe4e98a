/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  explain_stream_table(): how the query is maintained, and why so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "api/api.h"
#include "refresh/refresh.h"

PG_FUNCTION_INFO_V1(pgt_explain_stream_table);

typedef enum ExplainForm
{
	EXPLAIN_TEXT,
	EXPLAIN_JSON
} ExplainForm;

static ExplainForm
form_from_name(const char *name)
{
	if (pg_strcasecmp(name, "text") == 0)
		return EXPLAIN_TEXT;
	if (pg_strcasecmp(name, "json") == 0)
		return EXPLAIN_JSON;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid format: \"%s\"", name),
			 errhint("The formats are text and json.")));
}

/* The same text, line by line, with what a program wants to ask first. */
static char *
explain_as_json(const StreamTable *st, const char *reason, char *text)
{
	StringInfoData json;
	char	   *save;
	bool		first = true;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"stream_table\": ");
	escape_json(&json, quote_qualified_identifier(st->schema, st->name));
	appendStringInfoString(&json, ", \"refresh_mode\": ");
	escape_json(&json, refresh_mode_name(st->mode));
	appendStringInfo(&json, ", \"differential\": %s, \"reason\": ",
					 reason == NULL ? "true" : "false");
	if (reason == NULL)
		appendStringInfoString(&json, "null");
	else
		escape_json(&json, reason);
	appendStringInfoString(&json, ", \"plan\": [");
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		 line = strtok_r(NULL, "\n", &save))
	{
		if (!first)
			appendStringInfoString(&json, ", ");
		escape_json(&json, line);
		first = false;
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}

Datum
pgt_explain_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	ExplainForm form = form_from_name(argument_text(fcinfo, 1, "format", false));
	StreamTable *st = stream_table_open(name, false);
	OwnerContext ctx;
	DeltaProgram *program;
	StringInfoData text;
	const char *reason;

	stream_table_require_definition(st);
	initStringInfo(&text);
	LockRelationOid(st->defview, AccessShareLock);
	owner_context_enter(&ctx, pgt_relation_owner(st->relid));
	program = program_compile(st->defview);
	program_explain(program, &text);
	reason = program_reason(program);
	owner_context_leave(&ctx);

	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (form == EXPLAIN_JSON)
		PG_RETURN_TEXT_P(cstring_to_text(explain_as_json(st, reason, text.data)));
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
