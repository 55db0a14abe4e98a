/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  A process that reads one database for the endpoint, which cannot be
 *	  connected to several.
 *
 * It answers one question at a time, and stays a while after the last one, so
 * that a database that is scraped every few seconds is read by a process that
 * knows it already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_READER_H
#define PGT_MONITOR_READER_H

#include "pgt.h"

typedef enum ReaderQuestion
{
	READER_METRICS,				/* packed, see exposition.h */
	READER_PAGE					/* status_page() */
} ReaderQuestion;

#define READER_QUESTIONS (READER_PAGE + 1)

typedef enum ReaderStatus
{
	READER_BUSY,				/* no answer yet */
	READER_ANSWERED,
	READER_FAILED,				/* it is in the log */
	READER_ABSENT,				/* no extension there, or not that function */
	READER_GONE					/* the process has ended; nothing else can
								 * come from it */
} ReaderStatus;

typedef struct Reader Reader;

/* NULL if there is no background worker to be had. */
extern Reader *reader_start(Oid dboid);
/* Only when it has answered the last one. */
extern void reader_ask(Reader *reader, ReaderQuestion question);
/*
 * Never waits; our latch is set when it is worth calling again.  The data are
 * valid until the next call.
 */
extern ReaderStatus reader_receive(Reader *reader, const char **data, Size *length);
/* Have the process end, and forget it. */
extern void reader_end(Reader *reader);

extern PGDLLEXPORT void pgt_reader_main(Datum arg);

#endif							/* PGT_MONITOR_READER_H */
