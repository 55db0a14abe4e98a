/*-------------------------------------------------------------------------
 *
 * owner_context.c
 *	  Run as the owner of a stream table, with nothing of the caller's session
 *	  that could change what the query means or how its values print.
 *
 * The settings are those on which the result of a function could depend that
 * PostgreSQL calls immutable, or that analyze/pinned.c takes for it; so none
 * may be taken away that a function there depends on.  Their values are the
 * same for every stream table and forever: contents computed under one value
 * cannot be carried on under another.
 *
 * A setting is touched only if it differs, since most refreshes run in a worker
 * where all of them are right already.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/placement.h"
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
	{"timezone_abbreviations", "Default"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"array_nulls", "on"},
	{"xmlbinary", "base64"},
	{"xmloption", "content"},
	{"quote_all_identifiers", "off"},
	{"standard_conforming_strings", "on"},
	{"row_security", "on"},
	{"jit", "off"},
	/* what changes touch has mostly just been used */
	{"random_page_cost", "0.25"},
	{"seq_page_cost", "0.25"},
};

void
owner_context_pin(void)
{
	for (int i = 0; i < lengthof(pinned); i++)
		SetConfigOption(pinned[i].name, pinned[i].value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What this version of a cluster's library does not have need not be set. */
static void
pin_until_leave(const char *name, const char *pinned_value)
{
	const char *value = GetConfigOption(name, true, false);

	if (value != NULL && strcmp(value, pinned_value) != 0)
		(void) set_config_option(name, pinned_value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

void
owner_context_enter(OwnerContext *ctx, Oid owner)
{
	const ClusterSetting *of_cluster = cluster_settings();

	GetUserIdAndSecContext(&ctx->save_userid, &ctx->save_sec_context);
	SetUserIdAndSecContext(owner, ctx->save_sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	ctx->guc_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(pinned); i++)
		pin_until_leave(pinned[i].name, pinned[i].value);
	for (; of_cluster != NULL && of_cluster->name != NULL; of_cluster++)
		pin_until_leave(of_cluster->name, of_cluster->value);
}

void
owner_context_leave(OwnerContext *ctx)
{
	AtEOXact_GUC(false, ctx->guc_level);
	SetUserIdAndSecContext(ctx->save_userid, ctx->save_sec_context);
}
