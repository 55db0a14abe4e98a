/*-------------------------------------------------------------------------
 *
 * superuser.h
 *	  DDL on our own objects, whatever the rights of the caller.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_SUPERUSER_H
#define PGT_SUPERUSER_H

#include "pgt.h"

typedef struct SuperuserContext
{
	Oid			save_userid;
	int			save_sec_context;
	int			guc_level;
} SuperuserContext;

/*
 * Become the bootstrap superuser, with search_path = pg_catalog, pg_temp.  An
 * abort undoes it, as does superuser_leave().
 */
extern void superuser_enter(SuperuserContext *ctx);
extern void superuser_leave(const SuperuserContext *ctx);

/*
 * Where the caller wants his own tables says nothing about ours, and he may lack
 * the right to have anything there.  To the end of the present nest level of
 * settings; superuser_enter() does it.
 */
extern void superuser_pin_tablespace(void);

/* Run one utility statement; identifiers in it are quoted and qualified. */
extern void superuser_execute(const char *sql);

#endif							/* PGT_SUPERUSER_H */
