/*-------------------------------------------------------------------------
 *
 * frontier.c
 *	  Frontiers made from snapshots, and their JSON form.
 *
 *		{"sources": {"<key of the source>": {"snapshot": "xmin:xmax:xip,...",
 *											  "own": "xid:part"}},
 *		 "sysid": "<system identifier>", "db": <database oid>,
 *		 "query": "<fingerprint of the query>", "owner": <oid of a role>,
 *		 "row_ids": "<what row ids mean>", "part_row_ids": "...",
 *		 "table": "<when the table was altered>", "net_first": true}
 *
 * "owner" is the role that the query was computed as, which is the one that gave
 * it: REASSIGN OWNED takes table and definition along, and must not make the new
 * owner run what he has never seen.
 *
 * "net_first" is there only if it is true: it is no part of how far the sources
 * are consumed, but lasts as long as the contents are carried on.
 *
 * "snapshot" is the text form of pg_snapshot.  "own" is there only if the
 * transaction that took the snapshot had, or may already have had, an id of
 * its own below the snapshot: PostgreSQL leaves the own id out of xip, so the
 * snapshot alone would call everything that this transaction writes later
 * consumed.  If its id lies at or above xmax and it has captured nothing yet,
 * the general rule says "new" to all that it captures later, which is right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "capture/capture.h"
#include "refresh/frontier.h"

/* Widen an id of a running or recent transaction. */
static uint64
widen_xid(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return ((uint64) epoch << 32) | xid;
}

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

FrontierOwn
frontier_own(Snapshot snapshot)
{
	FullTransactionId xid = GetTopFullTransactionIdIfAny();
	FrontierOwn own = {0};

	if (FullTransactionIdIsValid(xid) &&
		(U64FromFullTransactionId(xid) <
		 widen_xid(snapshot->xmax, ReadNextFullTransactionId()) ||
		 capture_in_transaction()))
	{
		own.xid = U64FromFullTransactionId(xid);
		own.part = capture_part_end();
	}
	return own;
}

Frontier *
frontier_at(Snapshot snapshot, FrontierOwn own, int nsources,
			const SourceIdentifier *sources)
{
	FullTransactionId next = ReadNextFullTransactionId();
	Frontier   *frontier = palloc0(sizeof(Frontier));
	uint64	   *xip = palloc(sizeof(uint64) * Max(snapshot->xcnt, 1));
	SourceFrontier all = {0};

	Assert(IsMVCCSnapshot(snapshot) && !snapshot->takenDuringRecovery);

	for (uint32 i = 0; i < snapshot->xcnt; i++)
		xip[i] = widen_xid(snapshot->xip[i], next);
	qsort(xip, snapshot->xcnt, sizeof(uint64), compare_xids);

	all.xmin = widen_xid(snapshot->xmin, next);
	all.xmax = widen_xid(snapshot->xmax, next);
	all.nxip = snapshot->xcnt;
	all.xip = xip;
	all.own_xid = own.xid;
	all.own_part = own.part;

	frontier->sysid = GetSystemIdentifier();
	frontier->dboid = MyDatabaseId;
	frontier->nsources = nsources;
	frontier->sources = palloc(sizeof(SourceFrontier) * Max(nsources, 1));
	for (int i = 0; i < nsources; i++)
	{
		frontier->sources[i] = all;
		strlcpy(frontier->sources[i].key, source_key(&sources[i]), sizeof(all.key));
	}
	return frontier;
}

Frontier *
frontier_of_nothing(uint64 query, Oid owner)
{
	Frontier   *frontier = palloc0(sizeof(Frontier));

	frontier->sysid = GetSystemIdentifier();
	frontier->dboid = MyDatabaseId;
	frontier->query = query;
	frontier->owner = owner;
	return frontier;
}

Frontier *
frontier_copy(const Frontier *frontier)
{
	Frontier   *copy = palloc(sizeof(Frontier));
	Size		size = sizeof(SourceFrontier) * Max(frontier->nsources, 1);

	*copy = *frontier;
	copy->sources = palloc(size);
	for (int i = 0; i < frontier->nsources; i++)
	{
		const SourceFrontier *f = &frontier->sources[i];

		copy->sources[i] = *f;
		copy->sources[i].xip = palloc(sizeof(uint64) * Max(f->nxip, 1));
		memcpy(copy->sources[i].xip, f->xip, sizeof(uint64) * f->nxip);
	}
	return copy;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *s)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, s);
	v.val.string.len = strlen(s);
	pushJsonbValue(state, token, &v);
}

static void
push_oid(JsonbParseState **state, const char *key, Oid oid)
{
	JsonbValue	v;

	push_string(state, WJB_KEY, key);
	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(oid);
	pushJsonbValue(state, WJB_VALUE, &v);
}

/* Of a number, and of what stands behind it. */
#define NUMBER_LEN	(MAXINT8LEN + 1)

static char *
snapshot_text(const SourceFrontier *f)
{
	char	   *text = palloc(NUMBER_LEN * (f->nxip + 2) + 1);
	char	   *end = text;

	end += pg_ulltoa_n(f->xmin, end);
	*end++ = ':';
	end += pg_ulltoa_n(f->xmax, end);
	*end++ = ':';
	for (int i = 0; i < f->nxip; i++)
	{
		if (i > 0)
			*end++ = ',';
		end += pg_ulltoa_n(f->xip[i], end);
	}
	*end = '\0';
	return text;
}

static void
push_number(JsonbParseState **state, const char *key, uint64 number)
{
	char	   *text = palloc(NUMBER_LEN + 1);

	text[pg_ulltoa_n(number, text)] = '\0';
	push_string(state, WJB_KEY, key);
	push_string(state, WJB_VALUE, text);
}

Jsonb *
frontier_to_jsonb(const Frontier *frontier)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, "sources");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < frontier->nsources; i++)
	{
		const SourceFrontier *f = &frontier->sources[i];

		push_string(&state, WJB_KEY, f->key);
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, WJB_KEY, "snapshot");
		push_string(&state, WJB_VALUE, snapshot_text(f));
		if (f->own_xid != 0)
		{
			push_string(&state, WJB_KEY, "own");
			push_string(&state, WJB_VALUE,
						psprintf(UINT64_FORMAT ":%d", f->own_xid, f->own_part));
		}
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	push_number(&state, "sysid", frontier->sysid);
	push_number(&state, "query", frontier->query);
	push_number(&state, "row_ids", frontier->row_ids);
	push_number(&state, "part_row_ids", frontier->part_row_ids);
	push_number(&state, "table", frontier->table);
	if (frontier->net_first)
	{
		JsonbValue	yes = {.type = jbvBool,.val.boolean = true};

		push_string(&state, WJB_KEY, "net_first");
		pushJsonbValue(&state, WJB_VALUE, &yes);
	}
	push_oid(&state, "owner", frontier->owner);
	push_oid(&state, "db", frontier->dboid);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
malformed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("malformed frontier of a stream table"),
			 errdetail("Its \"%s\" cannot be read.", what),
			 errhint("Set needs_reinit in pgtrickle.pgt_stream_tables, and refresh.")));
}

static JsonbValue *
member(JsonbContainer *container, const char *key, enum jbvType type, bool missing_ok)
{
	JsonbValue *v = getKeyJsonValueFromContainer(container, key, strlen(key), NULL);

	if (v == NULL && missing_ok)
		return NULL;
	if (v == NULL || v->type != type)
		malformed(key);
	return v;
}

static char *
string_member(JsonbContainer *container, const char *key, bool missing_ok)
{
	JsonbValue *v = member(container, key, jbvString, missing_ok);

	return v ? pnstrdup(v->val.string.val, v->val.string.len) : NULL;
}

/* Read one number and step over what follows it, which must be stop. */
static uint64
parse_number(char **s, char stop, const char *what)
{
	char	   *end;
	uint64		n;

	if (**s < '0' || **s > '9')
		malformed(what);
	errno = 0;
	n = strtou64(*s, &end, 10);
	if (errno != 0 || *end != stop)
		malformed(what);
	*s = end + (stop != '\0');
	return n;
}

static void
parse_snapshot(char *s, SourceFrontier *f)
{
	int			n = 0;

	f->xmin = parse_number(&s, ':', "snapshot");
	f->xmax = parse_number(&s, ':', "snapshot");
	f->xip = palloc(sizeof(uint64) * (strlen(s) / 2 + 1));
	while (*s != '\0')
		f->xip[n++] = parse_number(&s, strchr(s, ',') ? ',' : '\0', "snapshot");
	f->nxip = n;
}

static void
parse_source(JsonbContainer *container, SourceFrontier *f)
{
	char	   *own = string_member(container, "own", true);

	parse_snapshot(string_member(container, "snapshot", false), f);
	if (own)
	{
		f->own_xid = parse_number(&own, ':', "own");
		f->own_part = (int) parse_number(&own, '\0', "own");
	}
}

static Oid
oid_of(const JsonbValue *v)
{
	return (Oid) DatumGetInt64(DirectFunctionCall1(numeric_int8,
												   NumericGetDatum(v->val.numeric)));
}

/* 0 if it is not there. */
static uint64
optional_number(JsonbContainer *container, const char *name)
{
	char	   *number = string_member(container, name, true);

	return number ? parse_number(&number, '\0', name) : 0;
}

Frontier *
frontier_from_jsonb(Jsonb *jsonb)
{
	Frontier   *frontier = palloc0(sizeof(Frontier));
	JsonbContainer *sources;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	JsonbValue *net_first;
	JsonbValue *owner;
	char	   *number;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		malformed("frontier");
	number = string_member(&jsonb->root, "sysid", false);
	frontier->sysid = parse_number(&number, '\0', "sysid");
	number = string_member(&jsonb->root, "query", false);
	frontier->query = parse_number(&number, '\0', "query");
	frontier->dboid = oid_of(member(&jsonb->root, "db", jbvNumeric, false));
	owner = member(&jsonb->root, "owner", jbvNumeric, true);
	frontier->owner = owner ? oid_of(owner) : InvalidOid;
	frontier->row_ids = optional_number(&jsonb->root, "row_ids");
	frontier->part_row_ids = optional_number(&jsonb->root, "part_row_ids");
	frontier->table = optional_number(&jsonb->root, "table");
	net_first = member(&jsonb->root, "net_first", jbvBool, true);
	frontier->net_first = net_first != NULL && net_first->val.boolean;

	sources = member(&jsonb->root, "sources", jbvBinary, false)->val.binary.data;
	if (!JsonContainerIsObject(sources))
		malformed("sources");
	frontier->sources = palloc0(sizeof(SourceFrontier) * Max(JsonContainerSize(sources), 1));
	it = JsonbIteratorInit(sources);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		SourceFrontier *f = &frontier->sources[frontier->nsources];

		if (token == WJB_KEY)
		{
			if (v.val.string.len > PGT_STABLE_NAME_LEN)
				malformed("sources");
			memcpy(f->key, v.val.string.val, v.val.string.len);
		}
		else if (token == WJB_VALUE)
		{
			if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
				malformed("sources");
			parse_source(v.val.binary.data, f);
			frontier->nsources++;
		}
	}
	return frontier;
}

static const SourceFrontier *
entry_of(const Frontier *frontier, const char *key)
{
	for (int i = 0; i < frontier->nsources; i++)
		if (strcmp(frontier->sources[i].key, key) == 0)
			return &frontier->sources[i];
	return NULL;
}

const SourceFrontier *
frontier_lookup(const Frontier *frontier, const SourceIdentifier *source)
{
	const SourceFrontier *found = entry_of(frontier, source_key(source));

	if (found == NULL && source->stable_name[0] != '\0')
	{
		SourceIdentifier unnamed = {.oid = source->oid};

		found = entry_of(frontier, source_key(&unnamed));
	}
	return found;
}

bool
frontier_is_local(const Frontier *frontier)
{
	return frontier->sysid == GetSystemIdentifier() &&
		frontier->dboid == MyDatabaseId;
}
