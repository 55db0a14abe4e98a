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
 * where all of them are right already.  Its stored value says so at once if it is
 * the one that was stored when the setting last read as it should; what a setting
 * reads as follows from that value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/placement.h"
#include "miscadmin.h"
#include "refresh/refresh.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"

/* What the server stores for a setting. */
typedef union StoredValue
{
	bool		boolval;
	int			intval;
	double		realval;
	char	   *stringval;
} StoredValue;

static struct
{
	const char *name;
	const char *value;
	struct config_generic *setting;
	bool		seen;			/* stored like this, it is right: */
	StoredValue stored;
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

static void
set_until_leave(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* What this version of a cluster's library does not have need not be set. */
static void
pin_until_leave(const char *name, const char *pinned_value)
{
	const char *value = GetConfigOption(name, true, false);

	if (value != NULL && strcmp(value, pinned_value) != 0)
		set_until_leave(name, pinned_value);
}

static bool
is_stored(const struct config_generic *setting, const StoredValue *value)
{
	const char *string;

	switch (setting->vartype)
	{
		case PGC_BOOL:
			return *((const struct config_bool *) setting)->variable == value->boolval;
		case PGC_INT:
			return *((const struct config_int *) setting)->variable == value->intval;
		case PGC_REAL:
			return *((const struct config_real *) setting)->variable == value->realval;
		case PGC_ENUM:
			return *((const struct config_enum *) setting)->variable == value->intval;
		case PGC_STRING:
			string = *((const struct config_string *) setting)->variable;
			return string != NULL && strcmp(string, value->stringval) == 0;
	}
	return false;
}

/* Keep what is stored; false if it cannot be told from others. */
static bool
copy_stored(const struct config_generic *setting, StoredValue *value)
{
	const char *string;

	switch (setting->vartype)
	{
		case PGC_BOOL:
			value->boolval = *((const struct config_bool *) setting)->variable;
			return true;
		case PGC_INT:
			value->intval = *((const struct config_int *) setting)->variable;
			return true;
		case PGC_REAL:
			value->realval = *((const struct config_real *) setting)->variable;
			return true;
		case PGC_ENUM:
			value->intval = *((const struct config_enum *) setting)->variable;
			return true;
		case PGC_STRING:
			string = *((const struct config_string *) setting)->variable;
			if (string == NULL)
				return false;
			value->stringval = MemoryContextStrdup(TopMemoryContext, string);
			return true;
	}
	return false;
}

static void
pin(int i)
{
	if (pinned[i].setting == NULL)
		pinned[i].setting = pgt_find_setting(pinned[i].name);
	if (pinned[i].seen && is_stored(pinned[i].setting, &pinned[i].stored))
		return;
	if (pinned[i].seen)
		set_until_leave(pinned[i].name, pinned[i].value);
	else
	{
		pin_until_leave(pinned[i].name, pinned[i].value);
		pinned[i].seen = copy_stored(pinned[i].setting, &pinned[i].stored);
	}
}

void
owner_context_become(OwnerContext *ctx, Oid owner)
{
	GetUserIdAndSecContext(&ctx->save_userid, &ctx->save_sec_context);
	SetUserIdAndSecContext(owner, ctx->save_sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	ctx->guc_level = 0;
}

void
owner_context_settings(OwnerContext *ctx)
{
	const ClusterSetting *of_cluster;

	if (ctx->guc_level != 0)
		return;
	ctx->guc_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(pinned); i++)
		pin(i);
	of_cluster = cluster_settings();
	for (; of_cluster != NULL && of_cluster->name != NULL; of_cluster++)
		pin_until_leave(of_cluster->name, of_cluster->value);
}

void
owner_context_enter(OwnerContext *ctx, Oid owner)
{
	owner_context_become(ctx, owner);
	owner_context_settings(ctx);
}

void
owner_context_leave(OwnerContext *ctx)
{
	if (ctx->guc_level != 0)
		AtEOXact_GUC(false, ctx->guc_level);
	SetUserIdAndSecContext(ctx->save_userid, ctx->save_sec_context);
}
