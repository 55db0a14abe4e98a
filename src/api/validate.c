/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  validate_query(): what each construct of a query would get, before
 *	  anything is created.
 *
 * The query takes the way of a definition (api.h) as far as the compiled
 * program.  Nothing is written, so a read-only transaction will do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "delta/explain.h"
#include "refresh/refresh.h"

PG_FUNCTION_INFO_V1(pgt_validate_query);

/* A row of the result; NULL where it says nothing. */
typedef struct ValidateRow
{
	const char *item;
	int			stage;			/* -1: none */
	const char *construct;
	const char *rule;
	const char *key;
	const char *reads;
	const char *note;
} ValidateRow;

static void
put_row(ReturnSetInfo *rsinfo, const ValidateRow *row)
{
	const char *texts[] = {row->item, NULL, row->construct, row->rule, row->key,
	row->reads, row->note};
	Datum		values[lengthof(texts)];
	bool		nulls[lengthof(texts)];

	for (int i = 0; i < lengthof(texts); i++)
	{
		nulls[i] = texts[i] == NULL || texts[i][0] == '\0';
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	nulls[1] = row->stage < 0;
	values[1] = Int32GetDatum(row->stage);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static char *
comma_list(List *strings)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	foreach(lc, strings)
		appendStringInfo(&out, "%s%s", out.len > 0 ? ", " : "", (char *) lfirst(lc));
	return out.data;
}

static char *
reads_text(List *reads)
{
	List	   *words = NIL;
	ListCell   *lc;

	foreach(lc, reads)
	{
		const ExplainedRead *read = lfirst(lc);
		const char *what = read->source != NULL ? read->source->name :
			psprintf("stage %d", read->stage);

		words = lappend(words, read->lookup == NULL ? unconstify(char *, what) :
						psprintf("%s by %s", what, read->lookup));
	}
	return comma_list(words);
}

static void
put_verdict(ReturnSetInfo *rsinfo, const Explanation *explanation,
			const char *reason)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, explanation->sources)
		names = lappend(names, unconstify(char *, ((ExplainedSource *) lfirst(lc))->name));
	put_row(rsinfo, &(ValidateRow) {
		.item = "verdict",
		.stage = -1,
		.construct = "query",
		.rule = reason == NULL ? "DIFFERENTIAL" : "FULL",
		.reads = comma_list(names),
		.note = reason == NULL ?
			"A refresh computes what the changes of the sources change in the result." :
			sentence(psprintf("the result is recomputed %s: %s",
							  explanation->always_recompute ?
							  "at every refresh" : "when a source has changed", reason))
	});
}

static void
put_stage(ReturnSetInfo *rsinfo, const ExplainedStage *stage)
{
	ListCell   *lc;

	put_row(rsinfo, &(ValidateRow) {
		.item = stage->number == 0 ? "result" : "stage",
		.stage = stage->number,
		.construct = stage->construct,
		.rule = stage->rule,
		.key = comma_list(stage->key),
		.reads = reads_text(stage->reads),
		.note = stage->note
	});
	foreach(lc, stage->aggregates)
	{
		const ExplainedAggregate *aggregate = lfirst(lc);

		put_row(rsinfo, &(ValidateRow) {
			.item = "aggregate",
			.stage = stage->number,
			.construct = aggregate->call,
			.note = aggregate->note
		});
	}
}

static void
put_source(ReturnSetInfo *rsinfo, const ExplainedSource *source)
{
	const char *note = "changes of these columns are captured";

	if (source->polled)
		note = psprintf("%s; each refresh reads these columns and compares them with a copy",
						source->uncapturable);
	else if (source->uncapturable != NULL)
		note = source->uncapturable;
	else if (pg_class_aclcheck(source->relid, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		note = psprintf("its changes cannot be captured without the TRIGGER privilege; run GRANT TRIGGER ON %s TO %s",
						source->name,
						quote_identifier(GetUserNameFromId(GetUserId(), false)));
	put_row(rsinfo, &(ValidateRow) {
		.item = "source",
		.stage = -1,
		.construct = source->name,
		.rule = source->uncapturable == NULL ? "captured" :
		source->polled ? "polled" : "not captured",
		.reads = comma_list(source->columns),
		.note = note
	});
}

static void
put_explanation(ReturnSetInfo *rsinfo, const Explanation *explanation,
				const char *reason)
{
	ListCell   *lc;

	put_verdict(rsinfo, explanation, reason);
	foreach(lc, explanation->stages)
		put_stage(rsinfo, lfirst(lc));
	put_row(rsinfo, &(ValidateRow) {
		.item = "identity",
		.stage = -1,
		.construct = "row",
		.rule = explanation->identity,
		.key = comma_list(explanation->identity_columns),
		.note = explanation->identity_note
	});
	foreach(lc, explanation->sources)
		put_source(rsinfo, lfirst(lc));
	foreach(lc, explanation->advice)
	{
		const ExplainedAdvice *advice = lfirst(lc);

		put_row(rsinfo, &(ValidateRow) {
			.item = "advice",
			.stage = -1,
			.construct = "missing index",
			.key = advice->columns,
			.reads = advice->relation,
			.note = advice->statement
		});
	}
}

Datum
pgt_validate_query(PG_FUNCTION_ARGS)
{
	Oid			owner = GetUserId();
	Query	   *query = definition_parse(argument_text(fcinfo, 0, "query", false), owner);
	DeltaProgram *program = definition_compile_query(query, owner);
	Explanation *explanation;
	OwnerContext ctx;

	InitMaterializedSRF(fcinfo, 0);
	owner_context_enter(&ctx, owner);
	explanation = program_describe(program);
	owner_context_leave(&ctx);
	put_explanation((ReturnSetInfo *) fcinfo->resultinfo, explanation,
					definition_full_reason(program));
	return (Datum) 0;
}
