/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  explain_stream_table() and explain_delta(): how the query is maintained,
 *	  and why so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "delta/explain.h"
#include "monitor/monitor.h"
#include "refresh/program_cache.h"
#include "refresh/refresh.h"

PG_FUNCTION_INFO_V1(pgt_explain_stream_table);
PG_FUNCTION_INFO_V1(pgt_explain_delta);
PG_FUNCTION_INFO_V1(pgt_full_reason);

static char *explain_text(const StreamTable *st, DeltaProgram *program);
static char *describe_json(const StreamTable *st, DeltaProgram *program);
static char *describe_dot(const StreamTable *st, DeltaProgram *program);
static char *describe_mermaid(const StreamTable *st, DeltaProgram *program);

typedef char *(*ExplainForm) (const StreamTable *st, DeltaProgram *program);

static const struct
{
	const char *name;
	ExplainForm explain;
}			forms[] =
{
	{"text", explain_text},
	{"json", describe_json},
	{"dot", describe_dot},
	{"mermaid", describe_mermaid}
};

static ExplainForm
form_from_name(const char *name)
{
	for (int i = 0; i < lengthof(forms); i++)
		if (pg_strcasecmp(name, forms[i].name) == 0)
			return forms[i].explain;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid format: \"%s\"", name),
			 errhint("The formats are text, json, dot and mermaid.")));
}

static char *
explain_text(const StreamTable *st, DeltaProgram *program)
{
	StringInfoData text;

	initStringInfo(&text);
	program_explain(program, st->relid, &text);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	return text.data;
}

static char *
describe_json(const StreamTable *st, DeltaProgram *program)
{
	return explain_json(st, program_describe(program));
}

static char *
describe_dot(const StreamTable *st, DeltaProgram *program)
{
	return explain_dot(st, program_describe(program));
}

static char *
describe_mermaid(const StreamTable *st, DeltaProgram *program)
{
	return explain_mermaid(st, program_describe(program));
}

/* To be followed by owner_context_leave(). */
static DeltaProgram *
compile_as_owner(const StreamTable *st, OwnerContext *ctx)
{
	stream_table_require_definition(st);
	LockRelationOid(st->defview, AccessShareLock);
	owner_context_enter(ctx, pgt_relation_owner(st->relid));
	return program_compile_for(st);
}

Datum
pgt_explain_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	ExplainForm explain = form_from_name(argument_text(fcinfo, 1, "format", false));
	StreamTable *st = stream_table_open(name, false);
	OwnerContext ctx;
	DeltaProgram *program = compile_as_owner(st, &ctx);
	char	   *result = explain(st, program);

	owner_context_leave(&ctx);
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

Datum
pgt_explain_delta(PG_FUNCTION_ARGS)
{
	StreamTable *st = stream_table_open(argument_text(fcinfo, 0, "name", false), false);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	OwnerContext ctx;
	List	   *statements;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	statements = program_statements(compile_as_owner(st, &ctx), st->relid);
	owner_context_leave(&ctx);
	foreach(lc, statements)
	{
		const ExplainedStatement *statement = lfirst(lc);
		Datum		values[3] = {
			Int32GetDatum(statement->stage),
			CStringGetTextDatum(statement->step),
			CStringGetTextDatum(statement->sql)
		};
		bool		nulls[3] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * Why the query of a stream table is always recomputed; NULL if it is not, or if
 * this is not for the caller to know.
 */
Datum
pgt_full_reason(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	StreamTable *st = stream_table_may_see(relid) ? stream_table_read(relid, NULL) : NULL;
	OwnerContext ctx;
	const char *reason;

	if (st == NULL)
		PG_RETURN_NULL();
	reason = definition_full_reason(compile_as_owner(st, &ctx));
	owner_context_leave(&ctx);
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
