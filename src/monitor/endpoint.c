/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  The process that serves metrics of all databases over HTTP.
 *
 * It is connected to no database.  For each database that connections are
 * allowed to it has a reader (reader.h) asked, which also finds out whether the
 * extension is there.  An answer serves all requests that come within FRESH_US
 * of the question, so however many clients there are, a database is read once
 * in that time.
 *
 * A database without the extension is asked again after ABSENT_US.  One that
 * does not answer in time is reported as down: the others are not kept waiting.
 *
 * The process is started and watched by the launcher, because a setting decides
 * whether there is to be one.  A server that recovers has no launcher: until it
 * is promoted a process of its own does that, the guard, which every server
 * starts and which leaves at once where nothing is recovered.  What serves and
 * what reads stays over the promotion; only who watches changes.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <limits.h>
#include <signal.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "monitor/endpoint.h"
#include "monitor/exposition.h"
#include "monitor/http.h"
#include "monitor/markup.h"
#include "monitor/reader.h"

#define LOCK_TRANCHE		"pg_trickle endpoint"
#define US(ms)				((ms) * INT64CONST(1000))
#define FRESH_US			US(1000)
#define ABSENT_US			US(60000)
/* Prometheus gives up after 10 s unless told otherwise. */
#define METRICS_US			US(8000)
#define PAGE_US				US(15000)
#define RESTART_US			US(5000)
#define LISTEN_US			US(10000)
#define COMPLAIN_US			US(60000)
#define WAITING_MS			250

typedef struct EndpointShared
{
	LWLock	   *lock;			/* guards the rest */
	pid_t		pid;			/* of the endpoint, 0: none */
	pid_t		guard;			/* 0: none */
	Latch	   *supervisor;		/* of whoever watches the endpoint */
	struct
	{
		Oid			dboid;
		pid_t		pid;		/* 0: free */
	}			readers[ENDPOINT_READERS * 2];	/* those that end count, too */
} EndpointShared;

static EndpointShared *shared = NULL;
static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* ---- shared memory ---- */

static void
endpoint_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(sizeof(EndpointShared));
	RequestNamedLWLockTranche(LOCK_TRANCHE, 1);
}

static void
endpoint_shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_trickle endpoint", sizeof(EndpointShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(EndpointShared));
		shared->lock = &(GetNamedLWLockTranche(LOCK_TRANCHE))->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
guard_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_endpoint_guard_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_trickle endpoint guard", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_trickle endpoint guard", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

void
endpoint_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	if (http_available())
		guard_register();
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = endpoint_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = endpoint_shmem_startup;
}

static void
forget_reader(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->readers[DatumGetInt32(arg)].pid = 0;
	LWLockRelease(shared->lock);
}

void
endpoint_note_reader(void)
{
	int			mine = -1;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(shared->readers) && mine < 0; i++)
		if (shared->readers[i].pid == 0)
			mine = i;
	if (mine >= 0)
	{
		shared->readers[mine].dboid = MyDatabaseId;
		shared->readers[mine].pid = MyProcPid;
	}
	LWLockRelease(shared->lock);

	if (mine < 0)
		proc_exit(0);
	before_shmem_exit(forget_reader, Int32GetDatum(mine));
}

void
endpoint_leave_database(Oid dboid)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < lengthof(shared->readers); i++)
		if (shared->readers[i].pid != 0 && shared->readers[i].dboid == dboid)
			kill(shared->readers[i].pid, SIGTERM);
	LWLockRelease(shared->lock);
}

/* ---- the side of the launcher, or of the guard ---- */

static bool
endpoint_is_there(void)
{
	bool		there;

	LWLockAcquire(shared->lock, LW_SHARED);
	there = shared->pid != 0;
	LWLockRelease(shared->lock);
	return there;
}

TimestampTz
endpoint_supervise(TimestampTz now)
{
	static TimestampTz not_before = 0;
	static bool told = false;
	BackgroundWorker worker;

	if (pgt_metrics_port == 0 || endpoint_is_there())
		return DT_NOEND;
	if (!http_available())
	{
		if (!told)
			ereport(LOG,
					(errmsg("pg_trickle.metrics_port is set, but pg_trickle was built without its HTTP endpoint"),
					 errhint("Install libmicrohttpd's development files and build it again, or use pgtrickle.metrics().")));
		told = true;
		return DT_NOEND;
	}
	if (now < not_before && not_before <= now + RESTART_US)
		return not_before;
	not_before = now + RESTART_US;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_endpoint_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_trickle endpoint", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_trickle endpoint", sizeof(worker.bgw_type));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker is free for the metrics endpoint of pg_trickle"),
				 errhint("Increase max_worker_processes.")));
	return not_before;
}

void
endpoint_take_over(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->supervisor = MyLatch;
	if (shared->guard != 0)
		kill(shared->guard, SIGTERM);
	LWLockRelease(shared->lock);
}

static void
guard_leave(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->guard = 0;
	LWLockRelease(shared->lock);
}

/* It leaves for good, which status 0 says, once nothing is recovered. */
void
pgt_endpoint_guard_main(Datum arg)
{
	bool		recovering;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	/* a launcher takes over after this, or nothing is recovered any more */
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	recovering = RecoveryInProgress();
	if (recovering)
	{
		shared->guard = MyProcPid;
		shared->supervisor = MyLatch;
	}
	LWLockRelease(shared->lock);
	if (!recovering)
		proc_exit(0);
	before_shmem_exit(guard_leave, (Datum) 0);

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz next;

		if (ProcDiePending)
			proc_exit(RecoveryInProgress() ? 1 : 0);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		next = endpoint_supervise(now);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (next == DT_NOEND ? 0 : WL_TIMEOUT),
						 next == DT_NOEND ? -1 : TimestampDifferenceMilliseconds(now, next) + 1,
						 pgt_wait_event("PgTrickleEndpointGuard"));
		ResetLatch(MyLatch);
	}
}

/* ---- databases ---- */

typedef struct DatabaseAnswer
{
	ReaderStatus status;
	TimestampTz asked_at;		/* 0: never */
	bool		wanted;			/* to be asked as soon as that can be done */
	char	   *data;
	Size		length;
} DatabaseAnswer;

typedef struct EndpointDatabase
{
	Oid			dboid;
	char	   *name;
	bool		seen;			/* by the scan that is going on */
	TimestampTz absent_until;	/* it had no extension */
	Reader	   *reader;
	bool		busy;
	ReaderQuestion asked;
	TimestampTz asked_at;
	DatabaseAnswer answers[READER_QUESTIONS];
} EndpointDatabase;

static List *databases = NIL;	/* in the order of their oids */
static TimestampTz scanned_at = 0;
static int	nreaders = 0;

static EndpointDatabase *
find_database(Oid dboid)
{
	ListCell   *lc;

	foreach(lc, databases)
		if (((EndpointDatabase *) lfirst(lc))->dboid == dboid)
			return lfirst(lc);
	return NULL;
}

static int
compare_databases(const ListCell *a, const ListCell *b)
{
	Oid			x = ((EndpointDatabase *) lfirst(a))->dboid;
	Oid			y = ((EndpointDatabase *) lfirst(b))->dboid;

	return x < y ? -1 : x > y;
}

static void
note_database(const FormData_pg_database *form)
{
	EndpointDatabase *database = find_database(form->oid);

	if (database == NULL)
	{
		database = MemoryContextAllocZero(TopMemoryContext, sizeof(EndpointDatabase));
		database->dboid = form->oid;
		databases = lappend(databases, database);
	}
	if (database->name == NULL || strcmp(database->name, NameStr(form->datname)) != 0)
		database->name = MemoryContextStrdup(TopMemoryContext, NameStr(form->datname));
	database->seen = true;
}

static void
drop_reader(EndpointDatabase *database)
{
	if (database->reader == NULL)
		return;
	reader_end(database->reader);
	database->reader = NULL;
	database->busy = false;
	nreaders--;
}

static void
forget_unseen(void)
{
	ListCell   *lc;

	foreach(lc, databases)
	{
		EndpointDatabase *database = lfirst(lc);

		if (database->seen)
		{
			database->seen = false;
			continue;
		}
		drop_reader(database);
		for (int i = 0; i < READER_QUESTIONS; i++)
			if (database->answers[i].data)
				pfree(database->answers[i].data);
		pfree(database->name);
		pfree(database);
		databases = foreach_delete_current(databases, lc);
	}
}

static void
scan_databases(void)
{
	MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);

	databases_scan(note_database);
	forget_unseen();
	list_sort(databases, compare_databases);
	MemoryContextSwitchTo(save);
}

/* ---- asking ---- */

static void
set_answer(EndpointDatabase *database, ReaderQuestion question, ReaderStatus status,
		   TimestampTz asked_at, const char *data, Size length)
{
	DatabaseAnswer *answer = &database->answers[question];

	if (answer->data != NULL)
		pfree(answer->data);
	answer->data = NULL;
	answer->length = 0;
	if (status == READER_ANSWERED)
	{
		answer->data = MemoryContextAllocHuge(TopMemoryContext, length + 1);
		memcpy(answer->data, data, length);
		answer->length = length;
	}
	answer->status = status;
	answer->asked_at = asked_at;
	answer->wanted = false;
}

static void
receive_answer(EndpointDatabase *database, TimestampTz now)
{
	const char *data = NULL;
	Size		length = 0;
	ReaderStatus status = reader_receive(database->reader, &data, &length);
	bool		was_busy = database->busy;

	if (status == READER_BUSY)
	{
		/* a question that nobody waits for any more */
		if (database->busy && now - database->asked_at > PAGE_US)
			status = READER_GONE;
		else
			return;
	}
	database->busy = false;
	if (status == READER_GONE)
	{
		drop_reader(database);
		if (was_busy)
			set_answer(database, database->asked, READER_FAILED, database->asked_at, NULL, 0);
		return;
	}
	set_answer(database, database->asked, status, database->asked_at, data, length);
	if (status == READER_ABSENT)
	{
		if (database->asked == READER_METRICS)
			database->absent_until = now + ABSENT_US;
		drop_reader(database);
	}
}

/* Make place for one more reader, if one of them has nothing to do. */
static void
dismiss_idle_reader(void)
{
	ListCell   *lc;

	foreach(lc, databases)
	{
		EndpointDatabase *database = lfirst(lc);

		if (database->reader != NULL && !database->busy)
		{
			drop_reader(database);
			return;
		}
	}
}

static void
complain_no_worker(TimestampTz now)
{
	static TimestampTz last = 0;

	if (last != 0 && now - last < COMPLAIN_US)
		return;
	last = now;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("no background worker is free to read metrics of pg_trickle"),
			 errhint("Increase max_worker_processes.")));
}

static void
ask_database(EndpointDatabase *database, TimestampTz now)
{
	int			question = 0;

	while (question < READER_QUESTIONS && !database->answers[question].wanted)
		question++;
	if (question == READER_QUESTIONS || database->busy)
		return;
	if (database->reader == NULL)
	{
		if (nreaders >= ENDPOINT_READERS)
			dismiss_idle_reader();
		if (nreaders >= ENDPOINT_READERS)
			return;
		database->reader = reader_start(database->dboid);
		if (database->reader == NULL)
		{
			complain_no_worker(now);
			set_answer(database, question, READER_FAILED, now, NULL, 0);
			return;
		}
		nreaders++;
	}
	reader_ask(database->reader, question);
	database->busy = true;
	database->asked = question;
	database->asked_at = now;
}

static void
run_readers(TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, databases)
		if (((EndpointDatabase *) lfirst(lc))->reader != NULL)
			receive_answer(lfirst(lc), now);
	foreach(lc, databases)
		ask_database(lfirst(lc), now);
}

/*
 * Is there an answer that is fresh enough for somebody who asked then?  If not,
 * it is asked for.
 */
static bool
has_answer(EndpointDatabase *database, ReaderQuestion question, TimestampTz received_at)
{
	DatabaseAnswer *answer = &database->answers[question];

	if (answer->asked_at != 0 && answer->asked_at >= received_at - FRESH_US)
		return true;
	if (!(database->busy && database->asked == question))
		answer->wanted = true;
	return false;
}

/* ---- answers ---- */

static bool
has_all_metrics(TimestampTz received_at, TimestampTz now)
{
	bool		all = true;
	ListCell   *lc;

	foreach(lc, databases)
	{
		EndpointDatabase *database = lfirst(lc);

		/* far away if the clock was set back */
		if (database->absent_until > now && database->absent_until <= now + ABSENT_US)
			continue;
		if (!has_answer(database, READER_METRICS, received_at))
			all = false;
	}
	return all;
}

static void
answer_metrics(HttpRequest *request)
{
	MetricsFormat format = request->openmetrics ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
	Metrics		metrics;
	StringInfoData out;
	ListCell   *lc;

	metrics_init(&metrics, true);
	foreach(lc, databases)
	{
		EndpointDatabase *database = lfirst(lc);
		DatabaseAnswer *answer = &database->answers[READER_METRICS];
		bool		fresh = answer->asked_at != 0 &&
			answer->asked_at >= request->received_at - FRESH_US;

		if (fresh && answer->status == READER_ANSWERED)
			metrics_add_packed(&metrics, answer->data, answer->length);
		else if (answer->status != READER_ABSENT)
			metrics_add_int(&metrics, METRIC_DATABASE_UP,
							metrics_labels(&metrics, "db_name", database->name, NULL), 0);
	}
	initStringInfo(&out);
	metrics_render(&metrics, format, &out);
	http_answer(request, 200, request->openmetrics ? HTTP_OPENMETRICS_TEXT : HTTP_PROMETHEUS_TEXT,
				out.data, out.len);
}

static void
answer_text(HttpRequest *request, int status, const char *text)
{
	http_answer(request, status, HTTP_TEXT, text, strlen(text));
}

/* For the query of a URL. */
static void
append_url(StringInfo out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *) value; *p; p++)
		if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
			appendStringInfoChar(out, *p);
		else
			appendStringInfo(out, "%%%02X", *p);
}

/* Says what is here. */
static void
answer_index(HttpRequest *request)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	appendStringInfoString(&out, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
						   "<title>pg_trickle</title></head><body><h1>pg_trickle</h1>"
						   "<p><a href=\"/metrics\">metrics</a> for Prometheus, of all databases; "
						   "<a href=\"/healthz\">health</a> of this server process.</p>"
						   "<p>The stream tables of a database:</p><ul>");
	foreach(lc, databases)
	{
		EndpointDatabase *database = lfirst(lc);

		if (database->answers[READER_METRICS].status != READER_ANSWERED)
			continue;
		appendStringInfoString(&out, "<li><a href=\"/?db=");
		append_url(&out, database->name);
		appendStringInfoString(&out, "\">");
		markup_text(&out, database->name, NAMEDATALEN);
		appendStringInfoString(&out, "</a>");
	}
	appendStringInfoString(&out, "</ul></body></html>\n");
	http_answer(request, 200, HTTP_HTML, out.data, out.len);
}

static EndpointDatabase *
find_database_by_name(const char *name)
{
	ListCell   *lc;

	foreach(lc, databases)
		if (strcmp(((EndpointDatabase *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

static bool
try_answer_page(HttpRequest *request, TimestampTz now)
{
	EndpointDatabase *database = find_database_by_name(request->database);

	if (database == NULL)
		answer_text(request, 404, "there is no such database, or no connection to it is allowed\n");
	else if (has_answer(database, READER_PAGE, request->received_at))
	{
		DatabaseAnswer *answer = &database->answers[READER_PAGE];

		if (answer->status == READER_ANSWERED)
			http_answer(request, 200, HTTP_HTML, answer->data, answer->length);
		else if (answer->status == READER_ABSENT)
			answer_text(request, 404, "this database has no pg_trickle, or one that draws no page\n");
		else
			answer_text(request, 503, "the page could not be drawn; see the log of the server\n");
	}
	else if (now - request->received_at > PAGE_US)
		answer_text(request, 503, "the page took too long\n");
	else
		return false;
	return true;
}

/* Is it answered? */
static bool
try_answer(HttpRequest *request, TimestampTz now)
{
	bool		late = now - request->received_at > METRICS_US || now < request->received_at;

	if (request->target == HTTP_PAGE && request->database[0] != '\0')
		return try_answer_page(request, now);
	if (!has_all_metrics(request->received_at, now) && !late)
		return false;
	if (request->target == HTTP_PAGE)
		answer_index(request);
	else
		answer_metrics(request);
	return true;
}

/*
 * Whoever came after the last scan may ask about a database that it missed.
 * Returns whether there is an answer to be sent.
 */
static bool
answer_requests(void)
{
	bool		answered = false;
	TimestampTz now = GetCurrentTimestamp();
	HttpRequest *next;

	if (http_waiting() != NULL && (now - scanned_at > FRESH_US || now < scanned_at))
	{
		scan_databases();
		scanned_at = now;
	}
	run_readers(now);
	for (HttpRequest *request = http_waiting(); request != NULL; request = next)
	{
		next = request->next;
		if (try_answer(request, now))
			answered = true;
	}
	run_readers(now);
	return answered;
}

/* ---- life ---- */

static bool listening = false;
static int	listening_port = 0;
static TimestampTz listen_at = 0;

static void
endpoint_leave(int code, Datum arg)
{
	http_stop();
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->pid = 0;
	/* it need not be the one that the postmaster tells */
	if (shared->supervisor != NULL)
		SetLatch(shared->supervisor);
	LWLockRelease(shared->lock);
}

static void
endpoint_attach(void)
{
	bool		mine;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mine = shared->pid == 0;
	if (mine)
		shared->pid = MyProcPid;
	LWLockRelease(shared->lock);
	if (!mine)
		proc_exit(0);
	before_shmem_exit(endpoint_leave, (Datum) 0);
}

/* Returns when to try again. */
static TimestampTz
listen_if_needed(TimestampTz now)
{
	static int	complained_of = 0;

	if (listening)
		return DT_NOEND;
	if (now < listen_at && listen_at <= now + LISTEN_US)
		return listen_at;
	listen_at = now + LISTEN_US;
	listening_port = pgt_metrics_port;
	listening = http_start(listening_port);
	if (listening)
	{
		ereport(LOG,
				(errmsg("pg_trickle serves metrics at http://127.0.0.1:%d/metrics", listening_port)));
		complained_of = 0;
		return DT_NOEND;
	}
	if (complained_of != listening_port)
		ereport(LOG,
				(errcode_for_socket_access(),
				 errmsg("pg_trickle cannot serve metrics at 127.0.0.1, port %d: %m", listening_port),
				 errhint("Is another server using the port? It is tried again every 10 seconds.")));
	complained_of = listening_port;
	return listen_at;
}

static void
reload_settings(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (pgt_metrics_port == 0)
		proc_exit(0);
	if (pgt_metrics_port == listening_port)
		return;
	http_stop();
	listening = false;
	listen_at = 0;
}

static void
wait_for_events(long timeout_ms)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	if (listening)
		events |= WL_SOCKET_READABLE;
	(void) WaitLatchOrSocket(MyLatch, events, listening ? http_socket() : PGINVALID_SOCKET,
							 timeout_ms, pgt_wait_event("PgTrickleEndpoint"));
	ResetLatch(MyLatch);
}

static long
soonest(long a, long b)
{
	return a < 0 ? b : b < 0 ? a : Min(a, b);
}

/* Returns after how many ms at most there is more to do, -1: when something happens. */
static long
do_turn(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz retry = listen_if_needed(now);
	long		timeout = retry == DT_NOEND ? -1 :
		TimestampDifferenceMilliseconds(now, retry) + 1;

	if (listening)
	{
		timeout = soonest(timeout, http_run());
		if (answer_requests())
			return 0;			/* it is sent, and others may come by that */
		/* for the time that they wait at most */
		if (http_waiting() != NULL)
			timeout = soonest(timeout, WAITING_MS);
	}
	return timeout;
}

void
pgt_endpoint_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	endpoint_attach();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", "pg_trickle endpoint", PGC_SUSET, PGC_S_OVERRIDE);
	/* a standby has no other */
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	metrics_keep_memory();
	context = AllocSetContextCreate(TopMemoryContext, "pg_trickle endpoint turn",
									ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		/* not 0, as for the launcher */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload_settings();

		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		wait_for_events(do_turn());
	}
}
