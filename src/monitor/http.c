/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP, as far as it is needed here, by libmicrohttpd.
 *
 * What keeps a client from doing harm:
 *
 *		who		the loopback interface; a Host that names it, so that no page
 *				in a browser can read us under a name of its own
 *		what	GET and HEAD; an answer never depends on what a client sent
 *				but for the path, the format and the name of a database
 *		size	MEMORY_LIMIT for all that a client sends
 *		number	CONNECTIONS; as the last ones are taken, those that have sent
 *				no request yet are closed, oldest first
 *		time	REQUEST_MS to send a request and ANSWER_MS for all, whatever
 *				trickles in between
 *
 * The library calls us back in the middle of its work, so the callbacks do not
 * use what may raise an error: memory comes from malloc().  A request for
 * something that must be computed first is suspended; http_answer() attaches
 * the answer and resumes it, and the callback, called again, hands it over.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "monitor/http.h"

#ifdef PGT_WITH_HTTP

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "utils/timestamp.h"

#define CONNECTIONS		64
#define CROWDED			48
#define MEMORY_LIMIT	((size_t) 16 * 1024)
#define REQUEST_MS		3000
#define ANSWER_MS		20000

typedef struct Connection
{
	dlist_node	node;
	struct MHD_Connection *connection;
	TimestampTz since;
	bool		requested;		/* the request is complete */
	bool		closing;
} Connection;

typedef struct Request
{
	HttpRequest public;			/* must be first */
	struct MHD_Connection *connection;
	bool		seen;			/* the callback was here before */
	bool		waiting;		/* suspended, and among those that wait */
	struct MHD_Response *response;	/* the answer, to be handed over */
	int			status;
} Request;

static struct MHD_Daemon *server = NULL;

/* Oldest first. */
static dlist_head connections = DLIST_STATIC_INIT(connections);
static int	nconnections = 0;
static HttpRequest *waiting = NULL;

bool
http_available(void)
{
	return MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES;
}

/* ---- connections ---- */

static void
connection_close(Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	/* the library notices, and tells us that the connection is closed */
	c->closing = true;
	if (info != NULL)
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void
make_room(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		Connection *c = dlist_container(Connection, node, iter.cur);

		if (c->requested || c->closing)
			continue;
		connection_close(c);
		return;
	}
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	Connection *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		if (nconnections >= CROWDED)
			make_room();
		c = calloc(1, sizeof(Connection));
		*socket_context = c;
		if (c == NULL)
			return;
		c->connection = connection;
		c->since = GetCurrentTimestamp();
		dlist_push_tail(&connections, &c->node);
		nconnections++;
	}
	else if (c != NULL)
	{
		dlist_delete(&c->node);
		nconnections--;
		free(c);
	}
}

static Connection *
connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* Close what has taken too long; returns in how many ms the next one has. */
static long
enforce_deadlines(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long		next = -1;
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		Connection *c = dlist_container(Connection, node, iter.cur);
		TimestampTz deadline = c->since +
			(c->requested ? ANSWER_MS : REQUEST_MS) * INT64CONST(1000);

		if (c->closing)
			continue;
		if (deadline <= now || now < c->since)
			connection_close(c);
		else if (next < 0 || (deadline - now) / 1000 + 1 < next)
			next = (deadline - now) / 1000 + 1;
	}
	return next;
}

/* ---- answers ---- */

static const char *const content_types[] = {
	[HTTP_TEXT] = "text/plain; charset=utf-8",
	[HTTP_HTML] = "text/html; charset=utf-8",
	[HTTP_OPENMETRICS_TEXT] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	[HTTP_PROMETHEUS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
};

static const char *const headers[][2] = {
	{"X-Content-Type-Options", "nosniff"},
	{"Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	{"X-Frame-Options", "DENY"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
	{"Cache-Control", "no-store"},
	{"Connection", "close"},
};

/* NULL for want of memory. */
static struct MHD_Response *
make_response(HttpContent content, const char *data, size_t length)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, unconstify(char *, data), MHD_RESPMEM_MUST_COPY);

	if (response == NULL)
		return NULL;
	(void) MHD_add_response_header(response, "Content-Type", content_types[content]);
	for (int i = 0; i < lengthof(headers); i++)
		(void) MHD_add_response_header(response, headers[i][0], headers[i][1]);
	return response;
}

static enum MHD_Result
hand_over(struct MHD_Connection *connection, int status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_text(struct MHD_Connection *connection, int status, const char *text)
{
	struct MHD_Response *response = make_response(HTTP_TEXT, text, strlen(text));

	if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void) MHD_add_response_header(response, "Allow", "GET, HEAD");
	return hand_over(connection, status, response);
}

/* ---- requests ---- */

static const char *
header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/*
 * A page of another site can make its name resolve to our address, but not its
 * browser send our name.  Who sends none is no browser.
 */
static bool
host_is_ours(const char *host)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

	if (host == NULL)
		return true;
	for (int i = 0; i < lengthof(names); i++)
	{
		size_t		n = strlen(names[i]);

		if (pg_strncasecmp(host, names[i], n) == 0 &&
			(host[n] == '\0' ||
			 (host[n] == ':' && strspn(host + n + 1, "0123456789") == strlen(host + n + 1))))
			return true;
	}
	return false;
}

static enum MHD_Result
wait_for_answer(Request *request, HttpTarget target)
{
	HttpRequest **last = &waiting;
	const char *accept = header(request->connection, "Accept");
	const char *database = MHD_lookup_connection_value(request->connection,
													   MHD_GET_ARGUMENT_KIND, "db");

	if (database != NULL && strlen(database) >= sizeof(request->public.database))
		return answer_text(request->connection, MHD_HTTP_NOT_FOUND, "no such database\n");

	request->public.target = target;
	request->public.openmetrics = accept != NULL &&
		strstr(accept, "application/openmetrics-text") != NULL;
	strlcpy(request->public.database, database ? database : "", sizeof(request->public.database));
	request->public.received_at = GetCurrentTimestamp();
	request->public.next = NULL;
	while (*last != NULL)
		last = &(*last)->next;
	*last = &request->public;
	request->waiting = true;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

static enum MHD_Result
dispatch(Request *request, const char *url)
{
	if (!host_is_ours(header(request->connection, "Host")))
		return answer_text(request->connection, MHD_HTTP_FORBIDDEN,
						   "this server answers to localhost and 127.0.0.1 only\n");
	if (strcmp(url, "/healthz") == 0)
		return answer_text(request->connection, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/metrics") == 0)
		return wait_for_answer(request, HTTP_METRICS);
	if (strcmp(url, "/") == 0)
		return wait_for_answer(request, HTTP_PAGE);
	return answer_text(request->connection, MHD_HTTP_NOT_FOUND,
					   "there are /metrics, /healthz and /?db=NAME\n");
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
		   const char *version, const char *upload, size_t *upload_size, void **context)
{
	Request    *request = *context;
	Connection *c = connection_of(connection);

	if (request == NULL)
	{
		if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
			return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
		request = calloc(1, sizeof(Request));
		if (request == NULL || c == NULL)
		{
			free(request);
			return MHD_NO;
		}
		request->connection = connection;
		*context = request;
		return MHD_YES;
	}
	if (*upload_size != 0)
	{
		*upload_size = 0;		/* a body means nothing here */
		return MHD_YES;
	}
	if (request->response != NULL)
	{
		struct MHD_Response *response = request->response;

		request->response = NULL;
		return hand_over(connection, request->status, response);
	}
	if (request->waiting)
		return MHD_YES;
	if (request->seen)
		return MHD_NO;			/* there was no memory for the answer */
	request->seen = true;
	c->requested = true;
	return dispatch(request, url);
}

static void
stop_waiting(HttpRequest *request)
{
	HttpRequest **link = &waiting;

	while (*link != NULL && *link != request)
		link = &(*link)->next;
	if (*link == request)
		*link = request->next;
	((Request *) request)->waiting = false;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	Request    *request = *context;

	if (request == NULL)
		return;
	stop_waiting(&request->public);
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	free(request);
	*context = NULL;
}

HttpRequest *
http_waiting(void)
{
	return waiting;
}

void
http_answer(HttpRequest *public, int status, HttpContent content, const char *data, Size length)
{
	Request    *request = (Request *) public;

	stop_waiting(public);
	request->response = make_response(content, data, length);
	request->status = status;
	MHD_resume_connection(request->connection);
}

/* ---- life ---- */

/*
 * By ourselves: the library does not keep the reason why it cannot listen.
 * Returns -1 with errno set.
 */
static int
open_socket(int port)
{
	int			on = 1;
	int			saved_errno;
	struct sockaddr_in address;
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		listen(fd, CONNECTIONS) == 0)
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

bool
http_start(int port)
{
	int			fd = open_socket(port);

	if (fd < 0)
		return false;
	server = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
							  on_request, NULL,
							  MHD_OPTION_LISTEN_SOCKET, (MHD_socket) fd,
							  MHD_OPTION_CONNECTION_LIMIT, (unsigned int) CONNECTIONS,
							  MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_LIMIT,
							  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) (ANSWER_MS / 1000),
							  MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
							  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
							  MHD_OPTION_END);
	if (server == NULL)
	{
		close(fd);
		errno = ENOMEM;			/* what is left that can go wrong */
	}
	return server != NULL;
}

void
http_stop(void)
{
	if (server == NULL)
		return;
	while (waiting != NULL)
		http_answer(waiting, MHD_HTTP_SERVICE_UNAVAILABLE, HTTP_TEXT, "stopping\n", 9);
	MHD_stop_daemon(server);
	server = NULL;
}

pgsocket
http_socket(void)
{
	return MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

long
http_run(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;
	long		next;

	(void) MHD_run(server);
	next = enforce_deadlines();
	if (MHD_get_timeout(server, &timeout) == MHD_YES && (next < 0 || timeout < next))
		next = timeout;
	return next;
}

#else							/* !PGT_WITH_HTTP */

bool
http_available(void)
{
	return false;
}

bool
http_start(int port)
{
	errno = ENOSYS;
	return false;
}

void
http_stop(void)
{
}

pgsocket
http_socket(void)
{
	return PGINVALID_SOCKET;
}

long
http_run(void)
{
	return -1;
}

HttpRequest *
http_waiting(void)
{
	return NULL;
}

void
http_answer(HttpRequest *request, int status, HttpContent content, const char *data, Size length)
{
}

#endif							/* PGT_WITH_HTTP */
