/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  NOTIFY for subscribers.
 *
 * A notification goes with the transaction that makes it true, so who hears of a
 * refresh sees it.  All that notify take a lock that orders their commits, hence
 * nothing is sent that nobody asked for, and a process that refreshes all the
 * time sends no more than four notifications a second for each stream table:
 *
 *		sent + unsent = sum over the committed refreshes
 *
 * where unsent is kept here until it is a quarter of a second since the last.  It
 * is lost with the process; then the next refresh is told without it.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/xact.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "monitor/notify.h"
#include "monitor/state.h"

#define COALESCE_US			INT64CONST(250000)

/* A dump is restored without telling us. */
#define REREAD_US			(10 * USECS_PER_SEC)

/* Of one stream table, in a process that coalesces. */
typedef struct Told
{
	int64		pgt_id;			/* hash key */
	Oid			relid;
	TimestampTz sent_at;
	int64		inserted;		/* unsent, of committed refreshes */
	int64		updated;
	int64		deleted;
	bool		unsent;
} Told;

/* What this transaction will have done to one of these. */
typedef struct Pending
{
	int64		pgt_id;
	Oid			relid;
	bool		send;			/* together with all that was unsent */
	int64		inserted;
	int64		updated;
	int64		deleted;
} Pending;

static bool coalescing = false;
static HTAB *told = NULL;
static List *pending = NIL;		/* in TopTransactionContext */

/* ---- who asked ---- */

static MemoryContext known_context = NULL;
static List *known = NIL;		/* of Subscription * */
static bool known_valid = false;
static Oid	known_relid = InvalidOid;
static TimestampTz known_at = 0;

static void
forget_subscriptions(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == known_relid || known_relid == InvalidOid)
		known_valid = false;
}

static List *
subscriptions(void)
{
	static bool registered = false;
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext save;

	if (known_valid && now >= known_at && now < known_at + REREAD_US)
		return known;
	if (!registered)
	{
		relations_watch(forget_subscriptions);
		registered = true;
	}
	if (known_context == NULL)
		known_context = AllocSetContextCreate(TopMemoryContext, "pg_trickle subscriptions",
											  ALLOCSET_SMALL_SIZES);
	known = NIL;
	MemoryContextReset(known_context);
	known_relid = subscription_relid();
	known_at = 0;				/* until the reading has come to its end */
	known_valid = true;			/* unless we hear otherwise meanwhile */
	save = MemoryContextSwitchTo(known_context);
	known = subscription_read_all();
	MemoryContextSwitchTo(save);
	known_at = now;
	return known;
}

/* Send to those who asked for alerts, or for refreshes; NULL: look only. */
static bool
send_to(int64 pgt_id, bool alert, const char *payload)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, subscriptions())
	{
		const Subscription *subscription = lfirst(lc);

		if (subscription->pgt_id != pgt_id ||
			(strcmp(subscription->channel, NOTIFY_ALERT_CHANNEL) == 0) != alert)
			continue;
		any = true;
		if (payload != NULL)
			Async_Notify(subscription->channel, payload);
	}
	return any;
}

/* ---- payloads ---- */

/* NULL if it is gone. */
static char *
qualified_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	return name ? quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name) : NULL;
}

static void
send_refresh(int64 pgt_id, Oid relid, int64 inserted, int64 updated, int64 deleted)
{
	char	   *name = qualified_name(relid);
	StringInfoData payload;

	if (name == NULL)
		return;
	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"name\": ");
	escape_json(&payload, name);
	appendStringInfo(&payload, ", \"inserted\": " INT64_FORMAT ", \"updated\": " INT64_FORMAT ", \"deleted\": " INT64_FORMAT "}",
					 inserted, updated, deleted);
	send_to(pgt_id, false, payload.data);
}

void
notify_alert(int64 pgt_id, Oid relid, const char *event, const char *detail)
{
	char	   *name;
	StringInfoData payload;

	if (!send_to(pgt_id, true, NULL))
		return;
	name = qualified_name(relid);
	if (name == NULL)
		return;
	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"event\": \"%s\", \"name\": ", event);
	escape_json(&payload, name);
	if (detail != NULL)
	{
		appendStringInfoString(&payload, ", \"detail\": ");
		escape_json(&payload, detail);
	}
	appendStringInfoChar(&payload, '}');
	send_to(pgt_id, true, payload.data);
}

/* ---- refreshes ---- */

static Told *
told_get(int64 pgt_id)
{
	bool		found;
	Told	   *entry;

	if (told == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(int64),
			.entrysize = sizeof(Told),
			.hcxt = TopMemoryContext
		};

		told = hash_create("pg_trickle notified", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(told, &pgt_id, HASH_ENTER, &found);
	if (!found)
	{
		memset(entry, 0, sizeof(Told));
		entry->pgt_id = pgt_id;
	}
	return entry;
}

static void
pend(const StreamTable *st, const RefreshOutcome *outcome, bool send)
{
	MemoryContext save = MemoryContextSwitchTo(TopTransactionContext);
	Pending    *p = palloc0(sizeof(Pending));

	p->pgt_id = st->pgt_id;
	p->relid = st->relid;
	p->send = send;
	p->inserted = outcome->rows_inserted;
	p->updated = outcome->rows_updated;
	p->deleted = outcome->rows_deleted;
	pending = lappend(pending, p);
	MemoryContextSwitchTo(save);
}

void
notify_refreshed(const StreamTable *st, const RefreshOutcome *outcome)
{
	Told	   *entry;

	if (strcmp(outcome->action, "REINITIALIZE") == 0)
		notify_alert(st->pgt_id, st->relid, "reinitialised", NULL);
	if (outcome->rows_inserted == 0 && outcome->rows_updated == 0 && outcome->rows_deleted == 0)
		return;
	if (!send_to(st->pgt_id, false, NULL))
		return;
	if (!coalescing)
	{
		send_refresh(st->pgt_id, st->relid, outcome->rows_inserted,
					 outcome->rows_updated, outcome->rows_deleted);
		return;
	}

	entry = told_get(st->pgt_id);
	if (GetCurrentTimestamp() < entry->sent_at + COALESCE_US &&
		GetCurrentTimestamp() >= entry->sent_at)
		pend(st, outcome, false);
	else
	{
		send_refresh(st->pgt_id, st->relid, entry->inserted + outcome->rows_inserted,
					 entry->updated + outcome->rows_updated,
					 entry->deleted + outcome->rows_deleted);
		pend(st, outcome, true);
	}
}

static void
note_committed(const Pending *p)
{
	Told	   *entry = told_get(p->pgt_id);

	entry->relid = p->relid;
	if (p->send)
	{
		entry->sent_at = GetCurrentTimestamp();
		entry->inserted = entry->updated = entry->deleted = 0;
		entry->unsent = false;
		return;
	}
	entry->inserted += p->inserted;
	entry->updated += p->updated;
	entry->deleted += p->deleted;
	entry->unsent = true;
}

static void
notify_xact_callback(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT)
		foreach(lc, pending)
			note_committed(lfirst(lc));
	pending = NIL;
}

void
notify_coalesce(void)
{
	coalescing = true;
}

TimestampTz
notify_due(void)
{
	TimestampTz due = DT_NOEND;
	HASH_SEQ_STATUS scan;
	Told	   *entry;

	if (told == NULL)
		return due;
	hash_seq_init(&scan, told);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->unsent)
			due = Min(due, entry->sent_at + COALESCE_US);
	return due;
}

void
notify_run(void)
{
	TimestampTz now = GetCurrentTimestamp();
	HASH_SEQ_STATUS scan;
	Told	   *entry;

	if (told == NULL)
		return;
	hash_seq_init(&scan, told);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		MemoryContext save;
		Pending    *p;

		if (!entry->unsent || entry->sent_at + COALESCE_US > now)
			continue;
		entry->sent_at = now;	/* if it fails, not at once again */
		send_refresh(entry->pgt_id, entry->relid, entry->inserted, entry->updated,
					 entry->deleted);
		save = MemoryContextSwitchTo(TopTransactionContext);
		p = palloc0(sizeof(Pending));
		p->pgt_id = entry->pgt_id;
		p->relid = entry->relid;
		p->send = true;
		pending = lappend(pending, p);
		MemoryContextSwitchTo(save);
	}
}

/* ---- staleness ---- */

static bool
wants_alerts(void)
{
	ListCell   *lc;

	foreach(lc, subscriptions())
		if (strcmp(((Subscription *) lfirst(lc))->channel, NOTIFY_ALERT_CHANNEL) == 0)
			return true;
	return false;
}

/* Once for each time that one becomes stale. */
void
notify_stale(void)
{
	static int64 *alerted = NULL;
	static int	nalerted = 0;
	int64	   *stale;
	int			nstale;
	MonitorQuery query;

	if (!wants_alerts())
		return;
	monitor_query_begin(&query);
	monitor_query_run("SELECT i.pgt_id, i.pgt_relid::oid::int8, extract(epoch FROM i.staleness)::float8"
					  " FROM pgtrickle.stream_tables_info i WHERE i.freshness = 'stale' AND EXISTS (SELECT FROM pgtrickle.pgt_subscriptions s"
					  " WHERE s.pgt_id = i.pgt_id AND s.channel = '" NOTIFY_ALERT_CHANNEL "')");
	nstale = SPI_processed;
	stale = MemoryContextAlloc(TopMemoryContext, sizeof(int64) * (nstale + 1));
	for (int i = 0; i < nstale; i++)
	{
		bool		known_to_be = false;

		stale[i] = monitor_int64(i, 1, 0);
		for (int j = 0; j < nalerted; j++)
			known_to_be |= alerted[j] == stale[i];
		if (!known_to_be)
			notify_alert(stale[i], (Oid) monitor_int64(i, 2, 0), "stale",
						 psprintf("%.0f seconds", monitor_double(i, 3, 0)));
	}
	monitor_query_end(&query);
	if (alerted)
		pfree(alerted);
	alerted = stale;
	nalerted = nstale;
}

void
notify_init(void)
{
	RegisterXactCallback(notify_xact_callback, NULL);
}
