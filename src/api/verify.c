/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  verify_stream_table(): is the stream table equal to its query?
 *
 *		missing = |query EXCEPT ALL stream table|	(at one snapshot S)
 *		surplus = |stream table EXCEPT ALL query|
 *
 * A stream table that merely lags is not wrong, so S must be a snapshot at
 * which no change of a source is waiting.  Under the refresh lock nobody else
 * moves the frontier.  So refresh; the frontier then names the snapshot of that
 * refresh, and both sides are read by it, however fast others write.  A
 * snapshot registered before the refresh keeps vacuum from removing what that
 * one sees.  If there was nothing to refresh the frontier is older than that:
 * then any snapshot serves at which the windows still are empty.
 *
 * A query that is recomputed by every refresh may have no frontier, and a
 * source that is polled is read anew by each statement.  There the sources are
 * locked against writers, so that the refresh and the count see the same rows.
 * Foreign servers do not know the lock; the count agrees with the refresh if
 * they, as postgres_fdw does, read at one snapshot for all of a transaction.
 *
 * Sums of floating-point numbers depend on the order of addition, so those
 * are compared by fewer digits than they have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "api/api.h"
#include "refresh/refresh.h"

PG_FUNCTION_INFO_V1(pgt_verify_stream_table);

typedef struct VerifyCounts
{
	int64		missing;
	int64		surplus;
} VerifyCounts;

/*
 * What is compared of a column.
 *
 * Floating point: the factor is arbitrary, and keeps the limits between two
 * rounded values away from numbers with few decimals, which are the ones that
 * occur.  Types that cannot be sorted have no EXCEPT: what they look like is
 * compared.  A cast to text would not do, for it may be a function that whoever
 * owns the type has made for others to run.
 */
static char *
comparable_expression(const char *column, Oid type)
{
	Oid			base = getBaseType(type);

	if (base == FLOAT4OID || base == FLOAT8OID)
		return psprintf("CASE WHEN %1$s::pg_catalog.float8 IN ('NaN', 'Infinity', '-Infinity')"
						" THEN %1$s::pg_catalog.text"
						" ELSE pg_catalog.to_char(%1$s::pg_catalog.float8 * 0.7390851332151607 + 0, '%2$s')"
						" END",
						column,
						base == FLOAT8OID ? "9.99999999EEEE" : "9.9999EEEE");
	if (!OidIsValid(lookup_type_cache(base, TYPECACHE_LT_OPR)->lt_opr))
		return psprintf("pg_catalog.format('%%L', %s)", column);
	return pstrdup(column);
}

/* SELECT of the comparable visible columns of a relation; counts them. */
static char *
comparable_select(Oid relid, int *ncolumns)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	StringInfoData sql;

	*ncolumns = 0;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || attribute_is_hidden(att))
			continue;
		appendStringInfo(&sql, "%s%s AS c%d", *ncolumns > 0 ? ", " : "",
						 comparable_expression(psprintf("r.%s", quote_identifier(NameStr(att->attname))),
											   att->atttypid),
						 *ncolumns + 1);
		(*ncolumns)++;
	}
	appendStringInfo(&sql, " FROM %s AS r",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)));
	relation_close(rel, NoLock);
	return sql.data;
}

static char *
count_sql(const StreamTable *st)
{
	int			nquery;
	int			ntable;
	char	   *query = comparable_select(st->defview, &nquery);
	char	   *table = comparable_select(st->relid, &ntable);

	if (nquery != ntable)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream table \"%s\" has not the columns of its query",
						st->name),
				 errdetail("The table has %d columns, its query %d.",
						   ntable, nquery),
				 errhint("Create it again.")));
	return psprintf("WITH q AS MATERIALIZED (%s), t AS MATERIALIZED (%s)"
					" SELECT (SELECT count(*) FROM (TABLE q EXCEPT ALL TABLE t) AS d),"
					" (SELECT count(*) FROM (TABLE t EXCEPT ALL TABLE q) AS d)",
					query, table);
}

/* Count under the active snapshot, as the owner. */
static void
count_differences(const StreamTable *st, VerifyCounts *counts)
{
	OwnerContext ctx;
	TupleDesc	desc;
	HeapTuple	tuple;
	bool		isnull;

	owner_context_enter(&ctx, pgt_relation_owner(st->relid));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(count_sql(st), true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "comparison of stream table \"%s\" returned no row", st->name);
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	counts->missing = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
	counts->surplus = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
	SPI_finish();
	owner_context_leave(&ctx);
}

static void
push_newest_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
}

/* For a query that is always recomputed: nobody writes from here to the count. */
static void
verify_locked(const StreamTable *st, VerifyCounts *counts)
{
	ListCell   *lc;

	foreach(lc, dependency_read(st->pgt_id))
		LockRelationOid(((Dependency *) lfirst(lc))->source, ShareLock);
	(void) refresh_run(st->relid, true, NULL);
	push_newest_snapshot();
	count_differences(st, counts);
	PopActiveSnapshot();
}

/*
 * The snapshot that a frontier was written from, as this transaction may use
 * it now.  It has no subtransactions; "overflowed" makes them be looked up.
 */
static Snapshot
frontier_snapshot(const SourceFrontier *frontier)
{
	Snapshot	snapshot = palloc(sizeof(SnapshotData));

	*snapshot = *GetLatestSnapshot();
	snapshot->xmin = (TransactionId) frontier->xmin;
	snapshot->xmax = (TransactionId) frontier->xmax;
	snapshot->xcnt = frontier->nxip;
	snapshot->xip = palloc((frontier->nxip + 1) * sizeof(TransactionId));
	for (int i = 0; i < frontier->nxip; i++)
		snapshot->xip[i] = (TransactionId) frontier->xip[i];
	snapshot->subxcnt = 0;
	snapshot->subxip = NULL;
	snapshot->suboverflowed = true;
	snapshot->snapXactCompletionCount = 0;
	return snapshot;
}

static void
verify_at_frontier(const StreamTable *st, VerifyCounts *counts)
{
	CommandCounterIncrement();
	PushCopiedSnapshot(frontier_snapshot(&st->frontier->sources[0]));
	count_differences(st, counts);
	PopActiveSnapshot();
}

/* Returns false if a change came after the refresh that found nothing. */
static bool
verify_unchanged(const StreamTable *st, VerifyCounts *counts)
{
	bool		exact;

	push_newest_snapshot();
	exact = !refresh_has_changes(st);
	if (exact)
		count_differences(st, counts);
	PopActiveSnapshot();
	return exact;
}

static void
verify_captured(const StreamTable *st, VerifyCounts *counts)
{
	Snapshot	keep = RegisterSnapshot(GetLatestSnapshot());
	bool		done = false;

	while (!done)
	{
		RefreshResult result = refresh_run(st->relid, true, NULL);

		CHECK_FOR_INTERRUPTS();
		st = stream_table_read(st->relid, NULL);
		if (result == REFRESH_DONE && st->frontier->nsources > 0)
		{
			verify_at_frontier(st, counts);
			done = true;
		}
		else
			done = verify_unchanged(st, counts);
	}
	UnregisterSnapshot(keep);
}

static void
verify(const StreamTable *st, VerifyCounts *counts)
{
	DeltaProgram *program;

	stream_table_require_definition(st);
	if (!st->is_populated)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream table \"%s\" has not been filled yet", st->name),
				 errhint("Run pgtrickle.refresh_stream_table() first.")));

	program = definition_compile(st->defview, pgt_relation_owner(st->relid));
	if (program_always_recompute(program) || program_polls(program))
		verify_locked(st, counts);
	else
		verify_captured(st, counts);
}

Datum
pgt_verify_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	VerifyCounts counts;
	TupleDesc	desc;
	Datum		values[2];
	bool		isnull[2] = {false, false};

	begin_change("verify_stream_table()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	verify(stream_table_open_group(name), &counts);
	values[0] = Int64GetDatum(counts.missing);
	values[1] = Int64GetDatum(counts.surplus);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, isnull)));
}
