/*-------------------------------------------------------------------------
 *
 * owner_context.c
 *	  Run as the owner of a stream table, with nothing of the caller's session
 *	  that could change what the query means or how its values print.
 *
 * The settings are those on which an immutable-looking expression or a text
 * form could depend.  A setting is touched only if it differs, since most
 * refreshes run in a worker where all of them are right already.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "refresh/refresh.h"
#include "utils/guc.h"

static const struct
{
	const char *name;
	const char *value;
}			pinned[] =
{
	{"search_path", "pg_catalog, pg_temp"},
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"standard_conforming_strings", "on"},
	{"row_security", "on"},
	{"jit", "off"},
	{"random_page_cost", "1.1"},
};

void
owner_context_enter(OwnerContext *ctx, Oid owner)
{
	GetUserIdAndSecContext(&ctx->save_userid, &ctx->save_sec_context);
	SetUserIdAndSecContext(owner, ctx->save_sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	ctx->guc_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(pinned); i++)
	{
		const char *value = GetConfigOption(pinned[i].name, false, false);

		if (strcmp(value, pinned[i].value) != 0)
			(void) set_config_option(pinned[i].name, pinned[i].value,
									 PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	}
}

void
owner_context_leave(OwnerContext *ctx)
{
	AtEOXact_GUC(false, ctx->guc_level);
	SetUserIdAndSecContext(ctx->save_userid, ctx->save_sec_context);
}
