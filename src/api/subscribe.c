/*-------------------------------------------------------------------------
 *
 * subscribe.c
 *	  subscribe() and unsubscribe().
 *
 * Whoever listens on a channel hears it, so it is for the owner of a stream table
 * to say that something of it is told there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "monitor/notify.h"

PG_FUNCTION_INFO_V1(pgt_subscribe);
PG_FUNCTION_INFO_V1(pgt_unsubscribe);

static char *
channel_argument(FunctionCallInfo fcinfo)
{
	char	   *channel = argument_text(fcinfo, 1, "channel", false);

	if (channel[0] == '\0' || strlen(channel) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid channel: \"%s\"", channel),
				 errdetail("A channel has from 1 to %d bytes.", NAMEDATALEN - 1),
				 errhint("The usual ones are %s and %s.", NOTIFY_REFRESH_CHANNEL,
						 NOTIFY_ALERT_CHANNEL)));
	return channel;
}

/* Again what is there already does nothing. */
Datum
pgt_subscribe(PG_FUNCTION_ARGS)
{
	StreamTable *st = stream_table_open(argument_text(fcinfo, 0, "name", false), true);
	char	   *channel = channel_argument(fcinfo);

	(void) subscription_delete(st->pgt_id, channel);
	subscription_insert(st->pgt_id, channel);
	PG_RETURN_VOID();
}

Datum
pgt_unsubscribe(PG_FUNCTION_ARGS)
{
	StreamTable *st = stream_table_open(argument_text(fcinfo, 0, "name", false), true);

	PG_RETURN_BOOL(subscription_delete(st->pgt_id, channel_argument(fcinfo)));
}
