/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Create, widen, narrow and drop change buffers.
 *
 * A column c<attnum> has the base type of the source's column: what a domain
 * forbids was checked when the source was written, and the marker row of a
 * TRUNCATE has a null everywhere.
 *
 * Constraints have names of their own, because those that PostgreSQL would give
 * them are made of that of the buffer, and stay when it is renamed.
 *
 * Buffers do not depend on their sources, so that dropping a source works;
 * capture_adjust() removes the buffer afterwards.
 *
 * Nothing but anti-wraparound vacuums a buffer: its rows never become dead
 * one by one, and a vacuum would only keep buffer_trim() from its lock.
 * vacuum_truncate must be off, because readers rely on it that a buffer only
 * grows (README.md).
 *
 * Locks:  the caller has ShareRowExclusiveLock on the source; then
 *		   AccessExclusiveLock on the buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "buffer/buffer.h"
#include "buffer/buffer_columns.h"
#include "buffer/superuser.h"
#include "capture/capture.h"
#include "catalog/catalog.h"

Oid
buffer_relid(const SourceIdentifier *source)
{
	Oid			namespace = get_namespace_oid(PGT_CHANGES_SCHEMA, true);

	if (!OidIsValid(namespace))
		return InvalidOid;
	return get_relname_relid(source_object_name(SOURCE_OBJECT_BUFFER, source),
							 namespace);
}

static char *
buffer_quoted_name(const SourceIdentifier *source)
{
	return quote_qualified_identifier(PGT_CHANGES_SCHEMA,
									  source_object_name(SOURCE_OBJECT_BUFFER, source));
}

/* "c3 pg_catalog.text COLLATE "C"", for the source's column. */
static void
append_column(StringInfo sql, Form_pg_attribute att)
{
	int32		typmod = att->atttypmod;
	Oid			type = getBaseTypeAndTypmod(att->atttypid, &typmod);

	appendStringInfo(sql, "c%d %s", att->attnum,
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(att->attcollation))
		appendStringInfo(sql, " COLLATE %s", generate_collation_name(att->attcollation));
}

static void
buffer_create(const SourceIdentifier *source, TupleDesc desc, const Bitmapset *columns)
{
	char	   *name = buffer_quoted_name(source);
	StringInfoData sql;
	int			attnum = -1;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (xid pg_catalog.xid8 CONSTRAINT xid_not_null NOT NULL,"
					 " w pg_catalog.int2 CONSTRAINT w_not_null NOT NULL,"
					 " part pg_catalog.int2 CONSTRAINT part_not_null NOT NULL",
					 name);
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		appendStringInfoString(&sql, ", ");
		append_column(&sql, TupleDescAttr(desc, attnum - 1));
	}
	appendStringInfoString(&sql, ") USING heap WITH (vacuum_truncate = off,"
						   " autovacuum_enabled = off, toast.autovacuum_enabled = off)");
	superuser_execute(sql.data);
	superuser_execute(psprintf("ALTER TABLE %s OWNER TO %s", name,
							   quote_identifier(GetUserNameFromId(pgt_extension_owner(), false))));
}

/*
 * Add what the buffer lacks.  A column whose type is no longer that of the
 * source is replaced: what it holds cannot be read any more.
 */
static void
buffer_widen(Oid buffer, const SourceIdentifier *source, TupleDesc desc,
			 const Bitmapset *columns)
{
	Relation	rel = table_open(buffer, AccessShareLock);
	StringInfoData sql;
	const char *sep = "";
	int			attnum = -1;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ", buffer_quoted_name(source));
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		AttrNumber	have = buffer_column(RelationGetDescr(rel), attnum);

		if (have != InvalidAttrNumber &&
			buffer_column_matches(TupleDescAttr(RelationGetDescr(rel), have - 1),
								  TupleDescAttr(desc, attnum - 1)))
			continue;
		if (have != InvalidAttrNumber)
		{
			appendStringInfo(&sql, "%sDROP COLUMN c%d", sep, attnum);
			sep = ", ";
		}
		appendStringInfo(&sql, "%sADD COLUMN ", sep);
		append_column(&sql, TupleDescAttr(desc, attnum - 1));
		sep = ", ";
	}
	table_close(rel, AccessShareLock);
	if (sep[0] != '\0')
		superuser_execute(sql.data);
}

bool
buffer_is_ours(Oid buffer)
{
	return pgt_relation_owner(buffer) == pgt_extension_owner();
}

static void
drop_buffer(Oid buffer, DropBehavior behavior)
{
	ObjectAddress address;

	LockRelationOid(buffer, AccessExclusiveLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(buffer)))
		return;
	ObjectAddressSet(address, RelationRelationId, buffer);
	performDeletion(&address, behavior, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/*
 * A dump that was restored without owners leaves a buffer to who restored it.
 * He may read it as long as it is his, and may have hung anything on it, so it
 * does not become ours again, but goes, and all that hangs on it.
 */
Oid
buffer_ensure(const SourceIdentifier *source, const Bitmapset *columns)
{
	Relation	rel = table_open(source->oid, AccessShareLock);
	Oid			buffer = buffer_relid(source);
	SuperuserContext ctx;

	superuser_enter(&ctx);
	if (OidIsValid(buffer) && !buffer_is_ours(buffer))
	{
		drop_buffer(buffer, DROP_CASCADE);
		buffer = InvalidOid;
	}
	if (OidIsValid(buffer))
		buffer_widen(buffer, source, RelationGetDescr(rel), columns);
	else
		buffer_create(source, RelationGetDescr(rel), columns);
	CommandCounterIncrement();
	superuser_leave(&ctx);

	table_close(rel, NoLock);
	return buffer_relid(source);
}

void
buffer_rename(const SourceIdentifier *source, const SourceIdentifier *as)
{
	SuperuserContext ctx;

	if (!OidIsValid(buffer_relid(source)))
		return;
	superuser_enter(&ctx);
	superuser_execute(psprintf("ALTER TABLE %s RENAME TO %s",
							   buffer_quoted_name(source),
							   quote_identifier(source_object_name(SOURCE_OBJECT_BUFFER, as))));
	CommandCounterIncrement();
	superuser_leave(&ctx);
}

void
buffer_narrow(const SourceIdentifier *source, const Bitmapset *keep)
{
	Oid			buffer = buffer_relid(source);
	Relation	rel;
	StringInfoData sql;
	const char *sep = "";
	SuperuserContext ctx;

	if (!OidIsValid(buffer))
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ", buffer_quoted_name(source));
	rel = table_open(buffer, AccessShareLock);
	for (int i = BUFFER_FIXED_ATTRS; i < RelationGetNumberOfAttributes(rel); i++)
	{
		AttrNumber	attnum = buffer_source_column(TupleDescAttr(RelationGetDescr(rel), i));

		if (attnum == InvalidAttrNumber || bms_is_member(attnum, keep))
			continue;
		appendStringInfo(&sql, "%sDROP COLUMN c%d", sep, attnum);
		sep = ", ";
	}
	table_close(rel, AccessShareLock);
	if (sep[0] == '\0')
		return;
	superuser_enter(&ctx);
	superuser_execute(sql.data);
	CommandCounterIncrement();
	superuser_leave(&ctx);
}

void
buffer_drop(const SourceIdentifier *source)
{
	Oid			buffer = buffer_relid(source);

	if (OidIsValid(buffer))
		drop_buffer(buffer, DROP_RESTRICT);
}
