/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  The table behind a stream table.
 *
 * It is an ordinary heap table of its owner, with the columns of the query,
 * then the hidden ones, the index that serves its identity, and a trigger
 * that refuses writes by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "buffer/superuser.h"
#include "refresh/refresh.h"
#include "refresh/storage.h"

void
run_sql(const char *sql)
{
	int			rc;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute(sql, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	SPI_finish();
}

char *
storage_column_sql(const LayoutColumn *column)
{
	char	   *type = format_type_with_typemod(column->type, column->typmod);

	if (OidIsValid(column->collation) &&
		column->collation != get_typcollation(column->type))
		type = psprintf("%s COLLATE %s", type,
						generate_collation_name(column->collation));
	return psprintf("%s %s", quote_identifier(column->name), type);
}

/*
 * Keyed rows are updated in place; some room in each page lets most updates
 * stay there and leave the index alone.  Rows of a bag only come and go.
 */
#define KEYED_FILLFACTOR 90

static char *
create_table_sql(const char *table, const DeltaProgram *program)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", table);
	foreach(lc, program_layout(program))
	{
		if (sql.data[sql.len - 1] != '(')
			appendStringInfoString(&sql, ", ");
		appendStringInfoString(&sql, storage_column_sql(lfirst(lc)));
	}
	appendStringInfoString(&sql, ") USING heap");
	if (program_identity(program)->kind != IDENTITY_BAG)
		appendStringInfo(&sql, " WITH (fillfactor = %d)", KEYED_FILLFACTOR);
	return sql.data;
}

/* Create table, index and guard as whoever we are. */
static Oid
create_table(const char *schema, const char *name, const DeltaProgram *program)
{
	char	   *table = quote_qualified_identifier(schema, name);
	char	   *index;
	Oid			relid;

	run_sql(create_table_sql(table, program));
	relid = get_relname_relid(name, get_namespace_oid(schema, false));

	index = apply_index_ddl(relid, program_identity(program));
	if (index != NULL)
		run_sql(index);
	if (program_index(program) != NULL)
		run_sql(psprintf("CREATE INDEX ON %s (%s)", table, program_index(program)));
	run_sql(psprintf("CREATE TRIGGER " PGT_GUARD_TRIGGER
					 " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s"
					 " FOR EACH STATEMENT EXECUTE FUNCTION " PGT_SCHEMA ".guard()",
					 table));
	run_sql(psprintf("CREATE TRIGGER " PGT_GUARD_ROW_TRIGGER
					 " BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION " PGT_SCHEMA ".guard()",
					 table));
	run_sql(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER " PGT_GUARD_TRIGGER
					 ", ENABLE REPLICA TRIGGER " PGT_GUARD_ROW_TRIGGER,
					 table));
	return relid;
}

static void
comment_table(const char *schema, const char *name, const char *comment)
{
	run_sql(psprintf("COMMENT ON TABLE %s IS %s",
					 quote_qualified_identifier(schema, name),
					 quote_literal_cstr(comment)));
}

Oid
storage_create(const char *schema, const char *name,
			   const DeltaProgram *program, Oid owner)
{
	OwnerContext ctx;
	Oid			relid;

	/* The fixed search_path makes every printed type and collation qualified. */
	owner_context_enter(&ctx, owner);
	relid = create_table(schema, name, program);
	comment_table(schema, name, "stream table: kept equal to its query by pg_trickle");
	owner_context_leave(&ctx);
	return relid;
}

void
storage_attach(Oid relid, Oid st)
{
	ObjectAddress object;
	ObjectAddress table;

	ObjectAddressSet(object, RelationRelationId, relid);
	ObjectAddressSet(table, RelationRelationId, st);
	recordDependencyOn(&object, &table, DEPENDENCY_AUTO);
	CommandCounterIncrement();
}

/*
 * The table of a part: only the superuser may create anything in its schema,
 * but it belongs to the stream table's owner, and goes with the stream table.
 */
static void
create_part(const char *name, const DeltaProgram *part, Oid st, Oid owner)
{
	OwnerContext ctx;
	Oid			relid;

	owner_context_enter(&ctx, BOOTSTRAP_SUPERUSERID);
	superuser_pin_tablespace();
	relid = create_table(PGT_DEFS_SCHEMA, name, part);
	comment_table(PGT_DEFS_SCHEMA, name,
				  psprintf("auxiliary table of stream table %s", get_rel_name(st)));
	ATExecChangeOwner(relid, owner, false, AccessExclusiveLock);
	owner_context_leave(&ctx);

	storage_attach(relid, st);
}

Oid
storage_attached_to(Oid relid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == RelationRelationId && form->deptype == DEPENDENCY_AUTO)
			result = form->refobjid;
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

bool
storage_ensure_parts(const DeltaProgram *program, Oid st, Oid owner, bool anew)
{
	Oid			namespace = get_namespace_oid(PGT_DEFS_SCHEMA, false);
	bool		created = false;
	ListCell   *lc;

	foreach(lc, program_parts(program))
	{
		const DeltaProgram *part = lfirst(lc);
		const char *name = program_part_table(part);
		Oid			relid = get_relname_relid(name, namespace);

		if (!anew && OidIsValid(relid) && storage_attached_to(relid) == st &&
			pgt_relation_owner(relid) == owner &&
			get_rel_persistence(relid) == RELPERSISTENCE_PERMANENT &&
			storage_matches(relid, program_layout(part)))
			continue;
		if (OidIsValid(relid))
		{
			ObjectAddress table;

			ObjectAddressSet(table, RelationRelationId, relid);
			performDeletion(&table, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
			CommandCounterIncrement();
		}
		create_part(name, part, st, owner);
		created = true;
	}
	return created;
}

List *
storage_parts(const DeltaProgram *program)
{
	Oid			namespace = get_namespace_oid(PGT_DEFS_SCHEMA, false);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, program_parts(program))
	{
		Oid			relid = get_relname_relid(program_part_table(lfirst(lc)), namespace);

		if (OidIsValid(relid))
			result = lappend_oid(result, relid);
	}
	return result;
}

bool
storage_has_no_pages(Oid table)
{
	Relation	rel = table_open(table, AccessShareLock);
	bool		result = RELKIND_HAS_STORAGE(rel->rd_rel->relkind) &&
		RelationGetNumberOfBlocks(rel) == 0;

	table_close(rel, AccessShareLock);
	return result;
}

bool
storage_may_be_reset(Oid st)
{
	return get_rel_persistence(st) == RELPERSISTENCE_UNLOGGED &&
		storage_has_no_pages(st);
}

void
require_new_snapshots(const char *what)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s in a transaction with isolation level %s", what,
						XactIsoLevel == XACT_SERIALIZABLE ?
						"SERIALIZABLE" : "REPEATABLE READ"),
				 errdetail("The stream table would be filled by a snapshot that is older than the capture of changes."),
				 errhint("Use READ COMMITTED, or initialize => false.")));
}

bool
storage_matches(Oid relid, const List *layout)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		matches = desc->natts == list_length(layout);

	for (int i = 0; matches && i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const LayoutColumn *column = (const LayoutColumn *) list_nth(layout, i);

		matches = !att->attisdropped &&
			strcmp(NameStr(att->attname), column->name) == 0 &&
			att->atttypid == column->type &&
			att->atttypmod == column->typmod &&
			att->attcollation == column->collation;
	}
	table_close(rel, AccessShareLock);
	return matches;
}

/* Give the new table the rights that were granted on the old one. */
static void
copy_acl(Oid oldrelid, Oid newrelid)
{
	Relation	pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	oldtuple = SearchSysCache1(RELOID, ObjectIdGetDatum(oldrelid));
	HeapTuple	newtuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(newrelid));
	bool		isnull;
	Datum		aclDatum;

	if (!HeapTupleIsValid(oldtuple) || !HeapTupleIsValid(newtuple))
		elog(ERROR, "cache lookup failed for relation %u or %u", oldrelid, newrelid);
	aclDatum = SysCacheGetAttr(RELOID, oldtuple, Anum_pg_class_relacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclPCopy(aclDatum);
		int			column = Anum_pg_class_relacl;
		Datum		value = PointerGetDatum(acl);
		bool		null = false;
		Oid		   *members;
		int			nmembers = aclmembers(acl, &members);
		Datum		defaultDatum;
		Oid		   *oldmembers = NULL;
		int			noldmembers = 0;

		/* Default privileges may have given the new table some already. */
		defaultDatum = SysCacheGetAttr(RELOID, newtuple, Anum_pg_class_relacl,
									   &isnull);
		if (!isnull)
			noldmembers = aclmembers(DatumGetAclP(defaultDatum), &oldmembers);

		newtuple = heap_modify_tuple_by_cols(newtuple, RelationGetDescr(pg_class),
											 1, &column, &value, &null);
		CatalogTupleUpdate(pg_class, &newtuple->t_self, newtuple);
		updateAclDependencies(RelationRelationId, newrelid, 0,
							  ((Form_pg_class) GETSTRUCT(newtuple))->relowner,
							  noldmembers, oldmembers, nmembers, members);
	}
	ReleaseSysCache(oldtuple);
	table_close(pg_class, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * The user asked for a new query, not for a dropped table: say what stands in
 * the way of it.
 */
static void
replace_error_callback(void *arg)
{
	if (geterrcode() == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST)
		errhint("The new query has other columns, so the table must be replaced: drop what depends on it first, and create that again afterwards.");
}

static void
drop_replaced(Oid relid)
{
	ErrorContextCallback callback;
	ObjectAddress table;

	callback.callback = replace_error_callback;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	ObjectAddressSet(table, RelationRelationId, relid);
	performDeletion(&table, DROP_RESTRICT, 0);
	CommandCounterIncrement();

	error_context_stack = callback.previous;
}

/* Indexes were named after the table; do it again with its final name. */
static void
rename_table(Oid relid, const char *name)
{
	char	   *oldname = get_rel_name(relid);
	int			len = strlen(oldname);
	Relation	rel = table_open(relid, AccessExclusiveLock);
	List	   *indexes = RelationGetIndexList(rel);
	Oid			namespace = RelationGetNamespace(rel);
	ListCell   *lc;

	table_close(rel, NoLock);
	RenameRelationInternal(relid, name, true, false);
	CommandCounterIncrement();
	foreach(lc, indexes)
	{
		char	   *indexname = get_rel_name(lfirst_oid(lc));

		if (strncmp(indexname, oldname, len) != 0 || indexname[len] != '_')
			continue;
		RenameRelationInternal(lfirst_oid(lc),
							   ChooseRelationName(name, NULL, indexname + len + 1,
												  namespace, false),
							   true, true);
		CommandCounterIncrement();
	}
}

/* Say so if the user had added to the table what the new one does not have. */
static void
notice_lost_objects(Oid oldrelid)
{
	Relation	rel = table_open(oldrelid, NoLock);
	bool		indexes = list_length(RelationGetIndexList(rel)) > 1;
	bool		triggers = rel->trigdesc != NULL && rel->trigdesc->numtriggers > 2;
	bool		policies = rel->rd_rel->relrowsecurity;

	if (indexes || triggers || policies)
		ereport(NOTICE,
				(errmsg("stream table \"%s\" is replaced by a new table without its former indexes, triggers and policies",
						RelationGetRelationName(rel)),
				 errdetail("The new query has other columns, or other rows by the same key."),
				 policies ? errhint("Row security stays on, so that nobody but the owner sees a row before there are policies again.") : 0));
	table_close(rel, NoLock);
}

/* Rights are carried over, so what restricts them must not get lost. */
static void
copy_row_security(Oid oldrelid, Oid newrelid)
{
	Relation	old = table_open(oldrelid, NoLock);
	const char *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(newrelid)),
												  get_rel_name(newrelid));

	if (old->rd_rel->relrowsecurity)
		run_sql(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", name));
	if (old->rd_rel->relforcerowsecurity)
		run_sql(psprintf("ALTER TABLE %s FORCE ROW LEVEL SECURITY", name));
	table_close(old, NoLock);
}

void
storage_replace(Oid oldrelid, Oid newrelid)
{
	char	   *name = get_rel_name(oldrelid);
	char	   *comment = GetComment(oldrelid, RelationRelationId, 0);

	LockRelationOid(oldrelid, AccessExclusiveLock);
	notice_lost_objects(oldrelid);
	copy_acl(oldrelid, newrelid);
	copy_row_security(oldrelid, newrelid);
	if (comment != NULL)
		CreateComments(newrelid, RelationRelationId, 0, comment);
	CommandCounterIncrement();
	drop_replaced(oldrelid);
	rename_table(newrelid, name);
}
