/*-------------------------------------------------------------------------
 *
 * superuser.c
 *	  DDL on our own objects, whatever the rights of the caller.
 *
 * Buffers and triggers are ours: who may have them made was decided by the
 * caller, by the rights that the user has on the source.  Nothing of the
 * user's runs in here: all names are qualified, and search_path is pinned.
 *
 * What is made belongs to a source.  It is no member of an extension, be it ours
 * or another, whose script is running.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "buffer/superuser.h"

void
superuser_enter(SuperuserContext *ctx)
{
	GetUserIdAndSecContext(&ctx->save_userid, &ctx->save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   ctx->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	ctx->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	superuser_pin_tablespace();
}

void
superuser_pin_tablespace(void)
{
	(void) set_config_option("default_tablespace", "",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
superuser_leave(const SuperuserContext *ctx)
{
	AtEOXact_GUC(false, ctx->guc_level);
	SetUserIdAndSecContext(ctx->save_userid, ctx->save_sec_context);
}

void
superuser_execute(const char *sql)
{
	bool		in_script = creating_extension;
	volatile int rc = 0;

	SPI_connect();
	creating_extension = false;
	PG_TRY();
	{
		rc = SPI_execute(sql, false, 0);
	}
	PG_FINALLY();
	{
		creating_extension = in_script;
	}
	PG_END_TRY();
	if (rc != SPI_OK_UTILITY)
		elog(ERROR, "statement failed (%s): %s", SPI_result_code_string(rc), sql);
	SPI_finish();
}
