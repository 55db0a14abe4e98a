/*-------------------------------------------------------------------------
 *
 * explain_json.c
 *	  The maintenance of a stream table as one JSON document, whose keys are
 *	  part of the interface.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/api.h"
#include "delta/explain.h"

static void
push_string_value(JsonbParseState **state, JsonbIteratorToken token, const char *string)
{
	JsonbValue	value = {.type = jbvNull};

	if (string != NULL)
	{
		value.type = jbvString;
		value.val.string.val = unconstify(char *, string);
		value.val.string.len = strlen(string);
	}
	(void) pushJsonbValue(state, token, &value);
}

static void
push_key(JsonbParseState **state, const char *key)
{
	push_string_value(state, WJB_KEY, key);
}

/* NULL becomes null. */
static void
push_string(JsonbParseState **state, const char *key, const char *string)
{
	push_key(state, key);
	push_string_value(state, WJB_VALUE, string);
}

static void
push_bool(JsonbParseState **state, const char *key, bool boolean)
{
	JsonbValue	value = {.type = jbvBool};

	value.val.boolean = boolean;
	push_key(state, key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_int(JsonbParseState **state, const char *key, int number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(number);
	push_key(state, key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_strings(JsonbParseState **state, const char *key, List *strings)
{
	ListCell   *lc;

	push_key(state, key);
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, strings)
		push_string_value(state, WJB_ELEM, lfirst(lc));
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

typedef void (*PushObject) (JsonbParseState **state, const void *object);

static void
push_objects(JsonbParseState **state, const char *key, List *objects,
			 PushObject push)
{
	ListCell   *lc;

	push_key(state, key);
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, objects)
	{
		(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		push(state, lfirst(lc));
		(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
push_source(JsonbParseState **state, const void *object)
{
	const ExplainedSource *source = object;

	push_string(state, "name", source->name);
	push_strings(state, "columns", source->columns);
	push_bool(state, "captured", source->uncapturable == NULL);
	push_bool(state, "polled", source->polled);
	push_string(state, "reason", source->uncapturable);
}

static void
push_read(JsonbParseState **state, const void *object)
{
	const ExplainedRead *read = object;

	if (read->source != NULL)
		push_string(state, "source", read->source->name);
	else
		push_int(state, "stage", read->stage);
	push_string(state, "lookup", read->lookup);
}

static void
push_aggregate(JsonbParseState **state, const void *object)
{
	const ExplainedAggregate *aggregate = object;

	push_string(state, "call", aggregate->call);
	push_string(state, "note", aggregate->note);
}

static void
push_stage(JsonbParseState **state, const void *object)
{
	const ExplainedStage *stage = object;

	push_int(state, "stage", stage->number);
	push_string(state, "construct", stage->construct);
	push_string(state, "rule", stage->rule);
	push_strings(state, "key", stage->key);
	push_objects(state, "reads", stage->reads, push_read);
	push_objects(state, "aggregates", stage->aggregates, push_aggregate);
	push_string(state, "note", stage->note);
	push_string(state, "table", stage->table);
}

static void
push_advice(JsonbParseState **state, const void *object)
{
	const ExplainedAdvice *advice = object;

	push_string(state, "relation", advice->relation);
	push_string(state, "columns", advice->columns);
	push_string(state, "statement", advice->statement);
}

static void
push_identity(JsonbParseState **state, const Explanation *explanation)
{
	push_key(state, "identity");
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_string(state, "kind", explanation->identity);
	push_strings(state, "columns", explanation->identity_columns);
	push_string(state, "note", explanation->identity_note);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

char *
explain_json(const StreamTable *st, const Explanation *explanation)
{
	JsonbParseState *state = NULL;
	Jsonb	   *document;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, "stream_table",
				quote_qualified_identifier(st->schema, st->name));
	push_string(&state, "refresh_mode", refresh_mode_name(st->mode));
	push_bool(&state, "differential", explanation->reason == NULL);
	push_string(&state, "reason", explanation->reason);
	push_identity(&state, explanation);
	push_objects(&state, "sources", explanation->sources, push_source);
	push_objects(&state, "stages", explanation->stages, push_stage);
	push_objects(&state, "advice", explanation->advice, push_advice);
	document = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JsonbToCStringIndent(NULL, &document->root, VARSIZE(document));
}
