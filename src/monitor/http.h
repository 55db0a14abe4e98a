/*-------------------------------------------------------------------------
 *
 * http.h
 *	  A small HTTP server inside the loop of its process: one listening socket
 *	  on the loopback interface, GET and HEAD only, an answer for each
 *	  connection.
 *
 * libmicrohttpd reads what clients send.  No thread is started, and nothing
 * here raises an error while the library is on the stack.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_HTTP_H
#define PGT_MONITOR_HTTP_H

#include "pgt.h"
#include "datatype/timestamp.h"

typedef enum HttpTarget
{
	HTTP_METRICS,				/* /metrics */
	HTTP_PAGE					/* /?db=... */
} HttpTarget;

/*
 * A request that waits for its answer.  Everything else, among it /healthz, is
 * answered at once.
 */
typedef struct HttpRequest
{
	HttpTarget	target;
	bool		openmetrics;	/* the client takes that format */
	char		database[256];	/* of a page; "": not named */
	TimestampTz received_at;
	struct HttpRequest *next;
} HttpRequest;

typedef enum HttpContent
{
	HTTP_TEXT,
	HTTP_HTML,
	HTTP_OPENMETRICS_TEXT,
	HTTP_PROMETHEUS_TEXT
} HttpContent;

/* Is the server built in? */
extern bool http_available(void);

/* Listen on 127.0.0.1; false, with errno set, if that cannot be had. */
extern bool http_start(int port);
extern void http_stop(void);

/* What to wait on until it can be read from. */
extern pgsocket http_socket(void);
/* Do what can be done.  Returns after how many ms to call again, -1: any. */
extern long http_run(void);

/* Requests that wait, oldest first. */
extern HttpRequest *http_waiting(void);
/* Answer one; it is gone then.  The data are copied. */
extern void http_answer(HttpRequest *request, int status, HttpContent content,
						const char *data, Size length);

#endif							/* PGT_MONITOR_HTTP_H */
