/*-------------------------------------------------------------------------
 *
 * bypass.c
 *	  Changes of a table that its own statement triggers do not see.
 *
 * A statement fires the statement triggers of the table that it names: those of
 * a parent, if it changes a child through it.  What comes by logical replication
 * fires none.  Row triggers fire for all of it.  A table can become a child, or
 * be subscribed to a publication, and cease to be, all between two refreshes,
 * and nothing may be left that tells so.  So a source that is captured by
 * statement has a row trigger besides, with the condition
 *
 *		WHEN (pgtrickle.cdc_bypassed(source))
 *
 * Whoever changes rows holds a lock on the source that keeps it from becoming a
 * child, and from being none any more, so the condition gives one answer for all
 * rows of a statement; it is found out at the first.  If it is true the trigger
 * leaves a marker: the rows may be those that the statement triggers are given
 * as well.
 *
 * In other statements, which are nearly all, a row costs no more than the call of
 * a function that knows its answer.  A session remembers the last answers until
 * any table is altered: whoever makes a table a child of another one, even of one
 * without columns, has the caches of that one forgotten everywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"

#include "capture/triggers.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgt_cdc_bypassed);

/* The state of a condition lasts as long as the statement. */
typedef struct Bypassed
{
	Oid			source;
	bool		answer;
} Bypassed;

/* Who is no child, as far as is known. */
#define REMEMBERED	16
static Oid	no_child[REMEMBERED];
static bool watching = false;

static void
forget(Datum arg, Oid relid)
{
	memset(no_child, 0, sizeof(no_child));
}

/* What was seen of a transaction that did not happen. */
static void
forget_at_abort(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		forget((Datum) 0, InvalidOid);
}

static void
forget_at_subabort(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget((Datum) 0, InvalidOid);
}

/* Once it is true there is more to do than to ask again. */
static bool
is_child(Oid source)
{
	Oid		   *remembered = &no_child[source % REMEMBERED];

	if (*remembered == source)
		return false;
	if (!watching)
	{
		relations_watch(forget);
		RegisterXactCallback(forget_at_abort, NULL);
		RegisterSubXactCallback(forget_at_subabort, NULL);
		watching = true;
	}
	if (has_superclass(source))
		return true;
	*remembered = source;
	return false;
}

static bool
is_bypassed(Oid source)
{
	return IsLogicalWorker() || is_child(source);
}

Datum
pgt_cdc_bypassed(PG_FUNCTION_ARGS)
{
	Oid			source = PG_GETARG_OID(0);
	Bypassed   *known = fcinfo->flinfo->fn_extra;

	if (known == NULL || known->source != source)
	{
		known = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Bypassed));
		known->source = source;
		known->answer = is_bypassed(source);
		fcinfo->flinfo->fn_extra = known;
	}
	PG_RETURN_BOOL(known->answer);
}

/* The condition as SQL, of a table whose name is quoted and qualified. */
char *
bypass_condition(const char *table)
{
	return psprintf(PGT_SCHEMA ".cdc_bypassed(%s)", quote_literal_cstr(table));
}

bool
bypass_condition_matches(const char *condition, Oid relid)
{
	FuncExpr   *call;
	Const	   *argument;

	if (condition == NULL)
		return false;
	call = stringToNode(condition);
	if (!IsA(call, FuncExpr) || list_length(call->args) != 1)
		return false;
	argument = linitial(call->args);
	return call->funcid == LookupFuncName(list_make2(makeString(PGT_SCHEMA),
													 makeString("cdc_bypassed")),
										  -1, NULL, true) &&
		IsA(argument, Const) && !argument->constisnull &&
		DatumGetObjectId(argument->constvalue) == relid;
}

/*
 * Is the marker of this command already written?  The number of a command that
 * failed is used again, but not in the same subtransaction.
 */
bool
bypass_is_marked(Oid buffer)
{
	static FullTransactionId xid = {0};
	static CommandId command = InvalidCommandId;
	static Oid	marked = InvalidOid;
	bool		result = marked == buffer && command == GetCurrentCommandId(false) &&
		FullTransactionIdEquals(xid, GetCurrentFullTransactionId());

	marked = buffer;
	command = GetCurrentCommandId(false);
	xid = GetCurrentFullTransactionId();
	return result;
}
