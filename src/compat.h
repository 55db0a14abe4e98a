/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  All tests of PostgreSQL's version.  Shims are named like the newest API.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_COMPAT_H
#define PGT_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "pg_trickle needs PostgreSQL 15 or newer"
#endif

#define PG16_GE (PG_VERSION_NUM >= 160000)
#define PG17_GE (PG_VERSION_NUM >= 170000)
#define PG18_GE (PG_VERSION_NUM >= 180000)

/*
 * Replace join alias Vars and, from 18, Vars of the grouping step by what they
 * stand for.
 */
#if PG18_GE
#define pgt_flatten_query_aliases(query, node) \
	flatten_join_alias_vars(NULL, query, \
		(query)->hasGroupRTE ? flatten_group_exprs(NULL, query, node) : (node))
#elif PG16_GE
#define pgt_flatten_query_aliases(query, node) \
	flatten_join_alias_vars(NULL, query, node)
#else
#define pgt_flatten_query_aliases(query, node) \
	flatten_join_alias_vars(query, node)
#endif

/* From 18 a grouped query has a range table entry for the grouping step. */
#if PG18_GE
#define pgt_forget_group_rte(query) ((query)->hasGroupRTE = false)
#else
#define pgt_forget_group_rte(query) ((void) (query))
#endif

/* From 18 a deferrable primary key must be asked for. */
#if PG18_GE
#define RelationGetPrimaryKeyIndex_compat(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define RelationGetPrimaryKeyIndex_compat(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/*
 * Before 16 each kind of object had its own ownership check; we ask about
 * relations only.  The rights that a query needs were kept in its range table.
 */
#if !PG16_GE
#define object_ownercheck(classid, objid, roleid) \
	pg_class_ownercheck(objid, roleid)
#define ExecCheckPermissions(rtable, perminfos, ereport_on_violation) \
	ExecCheckRTPerms(rtable, ereport_on_violation)
#endif

/*
 * Table and index access.  The headers come first, so that the macros do not
 * meet the declarations.
 */
#if !PG16_GE
#include "access/tableam.h"
#include "executor/executor.h"
typedef bool TU_UpdateIndexes;
#define TU_None false
#define ExecInsertIndexTuples(resultRelInfo, slot, estate, update, noDupErr, \
							  specConflict, arbiterIndexes, onlySummarizing) \
	ExecInsertIndexTuples(resultRelInfo, slot, estate, update, noDupErr, \
						  specConflict, arbiterIndexes)
#endif

#if !PG18_GE
#include "access/genam.h"
#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

/* Intervals have infinities from 17 on. */
#if PG17_GE
#define pgt_interval_is_finite(interval) (!INTERVAL_NOT_FINITE(interval))
#else
#define pgt_interval_is_finite(interval) ((void) (interval), true)
#endif

/* Columns that a range table entry reads, offset as in pg_class privileges. */
#if PG16_GE
#define pgt_selected_columns(query, rte) \
	((rte)->perminfoindex == 0 ? NULL : \
	 getRTEPermissionInfo((query)->rteperminfos, rte)->selectedCols)
#else
#define pgt_selected_columns(query, rte) ((void) (query), (rte)->selectedCols)
#endif

/* The role whose rights count for a range table entry; InvalidOid: the user's. */
#if PG16_GE
#define pgt_check_as_user(query, rte) \
	((rte)->perminfoindex == 0 ? InvalidOid : \
	 getRTEPermissionInfo((query)->rteperminfos, rte)->checkAsUser)
#else
#define pgt_check_as_user(query, rte) ((void) (query), (rte)->checkAsUser)
#endif

/* May the role have a table maintained, besides owning it?  From 17 on. */
#if PG17_GE
#define pgt_may_maintain(relid, role) \
	(pg_class_aclcheck(relid, role, ACL_MAINTAIN) == ACLCHECK_OK)
#else
#define pgt_may_maintain(relid, role) ((void) (relid), (void) (role), false)
#endif

/* Make that true of entries which a query has from another one. */
#if PG16_GE
#define pgt_share_selected_columns(query, other) \
	((query)->rteperminfos = (other)->rteperminfos)
#else
#define pgt_share_selected_columns(query, other) ((void) (query), (void) (other))
#endif

/*
 * May an outer join put NULL in a column's place?  Before 16 nobody notes it, and the
 * row of a join with an alias is one of NULLs there.
 */
#if PG16_GE
#define pgt_is_nulled(var) (!bms_is_empty((var)->varnullingrels))
#else
#define pgt_is_nulled(var) ((void) (var), false)
#endif

/* The same of an entry that we make, and of one that is no table any more. */
#if PG16_GE
#include "parser/parse_relation.h"
#define pgt_select_columns(query, rte, columns) \
	(addRTEPermissionInfo(&(query)->rteperminfos, rte)->selectedCols = (columns))
#define pgt_forget_selected_columns(rte) ((rte)->perminfoindex = 0)
#else
#define pgt_select_columns(query, rte, columns) \
	((void) (query), (rte)->selectedCols = (columns))
#define pgt_forget_selected_columns(rte) ((rte)->selectedCols = NULL)
#endif

/* Virtual generated columns exist from 18 on. */
#if PG18_GE
#define pgt_is_virtual_column(att) ((att)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define pgt_is_virtual_column(att) ((void) (att), false)
#endif

/* From 16 on rights live beside the range table. */
#if PG16_GE
#include "parser/parse_relation.h"
#endif

/* From 18 on room may be left before a minimal tuple; nobody here wants any. */
#if PG18_GE
#include "access/htup_details.h"
#define heap_form_minimal_tuple(desc, values, isnull) \
	heap_form_minimal_tuple(desc, values, isnull, 0)
#endif

/* From 18 on a column may be asked for as it was before an UPDATE. */
#if !PG18_GE
#include "parser/parse_relation.h"
#define expandRTE(rte, rtindex, sublevels_up, returning_type, location, \
				  include_dropped, colnames, colvars) \
	expandRTE(rte, rtindex, sublevels_up, location, include_dropped, \
			  colnames, colvars)
#endif

/*
 * SQL/JSON.  What a constructor shows as JSON, from 16 on; and the type that a
 * query function makes of what it finds, from 17 on.
 */
#if PG16_GE
#define pgt_json_constructor_args(node) \
	(IsA(node, JsonConstructorExpr) ? ((JsonConstructorExpr *) (node))->args : NIL)
#else
#define pgt_json_constructor_args(node) ((void) (node), NIL)
#endif
#if PG17_GE
#define pgt_json_query_type(node) \
	(IsA(node, JsonExpr) ? ((JsonExpr *) (node))->returning->typid : InvalidOid)
#else
#define pgt_json_query_type(node) ((void) (node), InvalidOid)
#endif

/* What a sleeping process of ours waits for, in pg_stat_activity. */
#if PG17_GE
#include "utils/wait_event.h"
static inline uint32
pgt_wait_event(const char *name)
{
	static uint32 event = 0;

	if (event == 0)
		event = WaitEventExtensionNew(name);
	return event;
}
#else
#define pgt_wait_event(name) PG_WAIT_EXTENSION
#endif

/* From 17 on a shared hash table is told how to copy its keys. */
#if PG17_GE
#define pgt_dshash_copy_bytes(parameters) \
	((parameters)->copy_function = dshash_memcpy)
#else
#define pgt_dshash_copy_bytes(parameters) ((void) (parameters))
#endif

/* Number of this process, from 0 up to below MaxBackends. */
#if PG17_GE
#include "storage/proc.h"
#define pgt_proc_number() MyProcNumber
#else
#include "storage/proc.h"
#define pgt_proc_number() (MyProc->pgprocno)
#endif

/* What base64 is made of: octets since 18, characters before. */
#if PG18_GE
#define pgt_b64_encode(src, len, dst, dstlen) \
	pg_b64_encode((const uint8 *) (src), len, dst, dstlen)
#else
#define pgt_b64_encode(src, len, dst, dstlen) \
	pg_b64_encode((const char *) (src), len, dst, dstlen)
#endif

/* One ownership test for all kinds of objects exists from 16 on. */
#if PG16_GE
#define pgt_database_ownercheck(dboid, roleid) \
	object_ownercheck(DatabaseRelationId, dboid, roleid)
#else
#define pgt_database_ownercheck(dboid, roleid) \
	pg_database_ownercheck(dboid, roleid)
#endif

/* A setting by its name; before 16 only the list of all is at hand. */
#if PG16_GE
#define pgt_find_setting(name) find_option(name, false, false, ERROR)
#else
#include "utils/guc.h"
#include "utils/guc_tables.h"
static inline struct config_generic *
pgt_find_setting(const char *name)
{
	struct config_generic **all = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (pg_strcasecmp(all[i]->name, name) == 0)
			return all[i];
	elog(ERROR, "unknown setting \"%s\"", name);
}
#endif

#endif							/* PGT_COMPAT_H */
