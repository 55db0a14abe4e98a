/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  A process that reads one database for the endpoint.
 *
 * The two share a segment with the number of questions asked so far, the last
 * question, and a queue for the answers:
 *
 *		endpoint:  question ;  asked++ ;  wake the reader
 *		reader:    sees asked != answered ;  question ;  answer ;  answered++
 *
 * The endpoint asks only when it has the last answer, so there is never more
 * than one question.  Either side notices by the queue when the other is gone.
 *
 * Whoever can open a connection may read the answers, so nothing of the data
 * is in them.  Metrics have none.  A page is drawn as pg_read_all_data: that
 * role may see every stream table, but owns none and is not pg_monitor, and so
 * the views hide from it what quotes data, the messages of errors.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "monitor/endpoint.h"
#include "monitor/metrics.h"
#include "monitor/reader.h"
#include "scheduler/worker.h"

/* Holds the metrics of a thousand stream tables at once. */
#define QUEUE_BYTES		((Size) 2 * 1024 * 1024)
#define STAY_MS			(90 * 1000)

typedef struct ReaderChannel
{
	Oid			dboid;			/* constant */
	int			question;		/* guarded by asked */
	pg_atomic_uint32 asked;
	pg_atomic_uint32 leave;		/* not zero: end */
} ReaderChannel;

typedef struct AnswerHead
{
	int			status;			/* ReaderStatus */
} AnswerHead;

struct Reader
{
	dsm_segment *segment;
	ReaderChannel *channel;
	shm_mq	   *queue;
	shm_mq_handle *handle;
	BackgroundWorkerHandle *worker;
	bool		asked;			/* and not answered yet */
};

static void *
queue_place(ReaderChannel *channel)
{
	return (char *) channel + MAXALIGN(sizeof(ReaderChannel));
}

/* ---- the side of the endpoint ---- */

static void
reader_free(Reader *reader)
{
	shm_mq_detach(reader->handle);
	dsm_detach(reader->segment);
	pfree(reader->worker);
	pfree(reader);
}

static bool
register_worker(Reader *reader)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_reader_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_trickle reader", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_trickle reader", sizeof(worker.bgw_type));
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(reader->segment));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, &reader->worker);
}

static Reader *
start(Oid dboid)
{
	Reader	   *reader = palloc0(sizeof(Reader));

	reader->segment = dsm_create(MAXALIGN(sizeof(ReaderChannel)) + QUEUE_BYTES, 0);
	dsm_pin_mapping(reader->segment);
	reader->channel = dsm_segment_address(reader->segment);
	reader->channel->dboid = dboid;
	pg_atomic_init_u32(&reader->channel->asked, 0);
	pg_atomic_init_u32(&reader->channel->leave, 0);
	reader->queue = shm_mq_create(queue_place(reader->channel), QUEUE_BYTES);
	shm_mq_set_receiver(reader->queue, MyProc);
	if (!register_worker(reader))
	{
		dsm_detach(reader->segment);
		pfree(reader);
		return NULL;
	}
	/* by the handle of the worker it is noticed that it never came to be */
	reader->handle = shm_mq_attach(reader->queue, reader->segment, reader->worker);
	return reader;
}

Reader *
reader_start(Oid dboid)
{
	MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);
	Reader	   *reader = start(dboid);

	MemoryContextSwitchTo(save);
	return reader;
}

static void
wake(Reader *reader)
{
	PGPROC	   *sender = shm_mq_get_sender(reader->queue);

	/* one that is not there yet will look by itself */
	if (sender != NULL)
		SetLatch(&sender->procLatch);
}

void
reader_ask(Reader *reader, ReaderQuestion question)
{
	reader->channel->question = question;
	pg_atomic_fetch_add_u32(&reader->channel->asked, 1);
	reader->asked = true;
	wake(reader);
}

ReaderStatus
reader_receive(Reader *reader, const char **data, Size *length)
{
	void	   *message;
	Size		n;
	AnswerHead	head;

	switch (shm_mq_receive(reader->handle, &n, &message, true))
	{
		case SHM_MQ_WOULD_BLOCK:
			return READER_BUSY;
		case SHM_MQ_DETACHED:
			return READER_GONE;
		case SHM_MQ_SUCCESS:
			break;
	}
	Assert(n >= sizeof(head));
	reader->asked = false;
	memcpy(&head, message, sizeof(head));
	*data = (char *) message + sizeof(head);
	*length = n - sizeof(head);
	return (ReaderStatus) head.status;
}

void
reader_end(Reader *reader)
{
	pg_atomic_write_u32(&reader->channel->leave, 1);
	wake(reader);
	/* in the middle of an answer it does not look */
	if (reader->asked)
		TerminateBackgroundWorker(reader->worker);
	reader_free(reader);
}

/* ---- the reader ---- */

/* Survives the transaction in which a question is answered. */
typedef struct Answer
{
	StringInfoData data;		/* with its head */
	ReaderStatus status;
} Answer;

static void
metrics_task(void *arg)
{
	Answer	   *answer = arg;
	Metrics		metrics;

	if (!pgt_extension_exists())
	{
		answer->status = READER_ABSENT;
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	metrics_init(&metrics, true);
	metrics_collect(&metrics);
	PopActiveSnapshot();
	metrics_pack(&metrics, &answer->data);
	answer->status = READER_ANSWERED;
}

static void
answer_page(Answer *answer)
{
	char	   *page;

	if (SPI_execute("SELECT pgtrickle.status_page()", false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "status_page() returned nothing");
	page = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (page == NULL)
		elog(ERROR, "status_page() returned nothing");
	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		page = pg_server_to_any(page, strlen(page), PG_UTF8);
	appendStringInfoString(&answer->data, page);
	answer->status = READER_ANSWERED;
}

static void
page_task(void *arg)
{
	Answer	   *answer = arg;
	Oid			userid;
	int			context;

	answer->status = READER_ABSENT;
	if (!pgt_extension_exists())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute("SELECT FROM pg_proc WHERE oid = to_regprocedure('pgtrickle.status_page()')",
					false, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot look for status_page()");
	if (SPI_processed == 1)
	{
		/* an error ends the transaction, and that this state as well */
		GetUserIdAndSecContext(&userid, &context);
		SetUserIdAndSecContext(ROLE_PG_READ_ALL_DATA,
							   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
		answer_page(answer);
		SetUserIdAndSecContext(userid, context);
	}
	SPI_finish();
	PopActiveSnapshot();
}

/* False if nobody wants the answer any more. */
static bool
answer_question(ReaderQuestion question, shm_mq_handle *handle, MemoryContext context)
{
	Answer		answer;
	AnswerHead	head = {0};
	bool		sent;

	MemoryContextSwitchTo(context);
	answer.status = READER_FAILED;
	initStringInfo(&answer.data);
	appendBinaryStringInfo(&answer.data, (char *) &head, sizeof(head));

	if (question == READER_METRICS)
	{
		if (!worker_try_log("reading metrics", metrics_task, &answer))
			answer.status = READER_FAILED;
	}
	else if (!worker_try_log("drawing the status page", page_task, &answer))
		answer.status = READER_FAILED;

	if (answer.status != READER_ANSWERED)
		answer.data.len = sizeof(head);
	head.status = answer.status;
	memcpy(answer.data.data, &head, sizeof(head));
	sent = shm_mq_send(handle, answer.data.len, answer.data.data, false, true) == SHM_MQ_SUCCESS;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(context);
	return sent && answer.status != READER_ABSENT;
}

static void
reader_settings(void)
{
	static const char *const settings[][2] = {
		{"application_name", "pg_trickle reader"},
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"lock_timeout", "1s"},
		{"jit", "off"},
		{"max_parallel_workers_per_gather", "0"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

static void
serve(ReaderChannel *channel, shm_mq_handle *handle)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_trickle reader",
												  ALLOCSET_DEFAULT_SIZES);
	uint32		answered = 0;
	TimestampTz last = GetCurrentTimestamp();

	while (pg_atomic_read_u32(&channel->leave) == 0)
	{
		long		left;

		if (ProcDiePending)
			return;				/* without a word in the log */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (pg_atomic_read_u32(&channel->asked) != answered)
		{
			answered++;
			if (!answer_question(channel->question, handle, context))
				return;
			last = GetCurrentTimestamp();
			continue;
		}
		left = STAY_MS - TimestampDifferenceMilliseconds(last, GetCurrentTimestamp());
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgt_wait_event("PgTrickleReader"));
		ResetLatch(MyLatch);
	}
}

void
pgt_reader_main(Datum arg)
{
	dsm_segment *segment;
	ReaderChannel *channel;
	shm_mq	   *queue;
	shm_mq_handle *handle;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		proc_exit(0);			/* the endpoint is gone */
	dsm_pin_mapping(segment);
	channel = dsm_segment_address(segment);
	queue = queue_place(channel);
	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);

	BackgroundWorkerInitializeConnectionByOid(channel->dboid, InvalidOid, 0);
	endpoint_note_reader();
	reader_settings();
	metrics_keep_memory();
	serve(channel, handle);
	proc_exit(0);
}
