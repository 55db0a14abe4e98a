/*-------------------------------------------------------------------------
 *
 * triggers.c
 *	  Which triggers a source needs, and whether they are as we make them.
 *
 * Statement triggers with transition tables cost a third of row triggers, and
 * serve every statement that names the table.  They do not fire for what comes
 * through a parent, or by logical replication.  Who becomes a child is marked by
 * whoever makes it one (api/altered.c), and a row trigger, which only sessions that
 * replicate fire, marks what they bring: a table can be subscribed, and cease to
 * be, between two refreshes.  Those of a parent are given the rows of its children
 * as if they were its own.
 *
 * Nor can they be trusted with a partitioned table: a MERGE that moves a row
 * to another partition puts the two halves into the transition tables of
 * DELETE and INSERT, whose triggers do not fire for it, and from 16 on a MERGE
 * that inserts and updates can give the inserted row as an updated one.
 *
 * Nor with a table that other tables inherit from: its transition tables hold
 * the rows of these as well.  A table that has children is no source that can
 * be captured, but children come and go between two refreshes.
 *
 * Sources of these kinds have row triggers instead, on every relation with
 * rows.  Only TRUNCATE is a statement trigger everywhere.
 *
 * A stream table has no trigger of ours but the guard: see rows.c.
 *
 * All of them call cdc_capture(); those of a source that has no stable name call
 * a function of the source, which is the same under another name.
 *
 * All are ENABLE ALWAYS: sessions with session_replication_role = replica
 * change tables, too.  Only the row trigger beside statement triggers is ENABLE
 * REPLICA.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "buffer/superuser.h"
#include "capture/triggers.h"

typedef struct TriggerForm
{
	int16		type;			/* pg_trigger.tgtype */
	const char *events;
	const char *tables;			/* transition tables, or NULL */
} TriggerForm;

static const TriggerForm trigger_forms[] = {
	[SOURCE_OBJECT_TRIGGER_INSERT] = {
		TRIGGER_TYPE_INSERT,
		"INSERT",
		"NEW TABLE AS __pgt_new"
	},
	[SOURCE_OBJECT_TRIGGER_UPDATE] = {
		TRIGGER_TYPE_UPDATE,
		"UPDATE",
		"OLD TABLE AS __pgt_old NEW TABLE AS __pgt_new"
	},
	[SOURCE_OBJECT_TRIGGER_DELETE] = {
		TRIGGER_TYPE_DELETE,
		"DELETE",
		"OLD TABLE AS __pgt_old"
	},
	[SOURCE_OBJECT_TRIGGER_TRUNCATE] = {
		TRIGGER_TYPE_TRUNCATE,
		"TRUNCATE",
		NULL
	},
	[SOURCE_OBJECT_TRIGGER_ROW] = {
		TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
		"INSERT OR UPDATE OR DELETE",
		NULL
	},
};

List *
source_partitions(Oid source, LOCKMODE lockmode)
{
	if (get_rel_relkind(source) != RELKIND_PARTITIONED_TABLE)
		return NIL;
	return list_delete_first(find_all_inheritors(source, lockmode, NULL));
}

static bool
is_subscribed(Oid relid)
{
	CatCList   *list = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(relid));
	bool		result = list->n_members > 0;

	ReleaseSysCacheList(list);
	return result;
}

CaptureMode
source_capture_mode(Oid source)
{
	if (stream_table_exists(source))
		return CAPTURE_BY_APPLY;

	/* A partition has a superclass, too, and a partitioned table subclasses. */
	if (get_rel_relkind(source) == RELKIND_PARTITIONED_TABLE ||
		has_superclass(source) || has_subclass(source) || is_subscribed(source))
		return CAPTURE_BY_ROW;
	return CAPTURE_BY_STATEMENT;
}

/*
 * Row triggers miss nothing; they only cost more.  So nobody need start afresh
 * when they are no longer needed.
 */
bool
capture_mode_serves(CaptureMode mode, CaptureMode wanted)
{
	return mode == wanted ||
		(mode == CAPTURE_BY_ROW && wanted == CAPTURE_BY_STATEMENT);
}

bool
trigger_wanted(SourceObject kind, char relkind, CaptureMode mode)
{
	switch (kind)
	{
		case SOURCE_OBJECT_TRIGGER_INSERT:
		case SOURCE_OBJECT_TRIGGER_UPDATE:
		case SOURCE_OBJECT_TRIGGER_DELETE:
			return mode == CAPTURE_BY_STATEMENT;
		case SOURCE_OBJECT_TRIGGER_TRUNCATE:
			return mode != CAPTURE_BY_APPLY;
		case SOURCE_OBJECT_TRIGGER_ROW:
			return mode != CAPTURE_BY_APPLY && relkind == RELKIND_RELATION;
		default:
			return false;
	}
}

static bool
has_own_function(const SourceIdentifier *source)
{
	return source->stable_name[0] == '\0';
}

static const char *
function_schema(const SourceIdentifier *source)
{
	return has_own_function(source) ? PGT_CHANGES_SCHEMA : PGT_SCHEMA;
}

static const char *
function_name(const SourceIdentifier *source)
{
	return has_own_function(source) ?
		source_object_name(SOURCE_OBJECT_FUNCTION, source) : "cdc_capture";
}

/* What the triggers of a source call; InvalidOid if it is not there. */
static Oid
trigger_function(const SourceIdentifier *source)
{
	return LookupFuncName(list_make2(makeString(pstrdup(function_schema(source))),
									 makeString(pstrdup(function_name(source)))),
						  0, NULL, true);
}

/* The row trigger beside statement triggers is for replication alone. */
static char
trigger_enabled(SourceObject kind, CaptureMode mode)
{
	return kind == SOURCE_OBJECT_TRIGGER_ROW && mode == CAPTURE_BY_STATEMENT ?
		TRIGGER_FIRES_ON_REPLICA : TRIGGER_FIRES_ALWAYS;
}

static bool
function_is_ours(Oid function)
{
	const char *schema = get_namespace_name(get_func_namespace(function));
	const char *name = get_func_name(function);

	if (schema == NULL || name == NULL)
		return false;
	return (strcmp(schema, PGT_SCHEMA) == 0 && strcmp(name, "cdc_capture") == 0) ||
		(strcmp(schema, PGT_CHANGES_SCHEMA) == 0 &&
		 source_object_is(SOURCE_OBJECT_FUNCTION, name));
}

List *
triggers_of_ours(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	List	   *names = NIL;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		if (function_is_ours(rel->trigdesc->triggers[i].tgfoid))
			names = lappend(names, pstrdup(rel->trigdesc->triggers[i].tgname));
	table_close(rel, AccessShareLock);
	return names;
}

bool
trigger_in_place(Relation rel, SourceObject kind, const ChangeTracking *tracking)
{
	const TriggerForm *form = &trigger_forms[kind];
	const SourceIdentifier *source = &tracking->source;
	const char *name = source_object_name(kind, source);
	Oid			function;

	if (rel->trigdesc == NULL)
		return false;
	function = trigger_function(source);
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		if (strcmp(trigger->tgname, name) != 0)
			continue;
		return trigger->tgenabled == trigger_enabled(kind, tracking->mode) &&
			trigger->tgfoid == function &&
			trigger->tgtype == form->type &&
			trigger->tgnattr == 0 &&
			trigger->tgqual == NULL &&
			(trigger->tgoldtable != NULL) == (form->tables && strstr(form->tables, "OLD")) &&
			(trigger->tgnewtable != NULL) == (form->tables && strstr(form->tables, "NEW"));
	}
	return false;
}

void
trigger_install(Oid relid, SourceObject kind, const ChangeTracking *tracking)
{
	const TriggerForm *form = &trigger_forms[kind];
	const SourceIdentifier *source = &tracking->source;
	const char *name = source_object_name(kind, source);
	char	   *table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												   get_rel_name(relid));
	const char *enable = trigger_enabled(kind, tracking->mode) == TRIGGER_FIRES_ALWAYS ?
		"ALWAYS" : "REPLICA";

	trigger_remove(relid, kind, source);
	superuser_execute(psprintf("CREATE TRIGGER %s AFTER %s ON %s%s%s FOR EACH %s"
							   " EXECUTE FUNCTION %s()",
							   quote_identifier(name), form->events, table,
							   form->tables ? " REFERENCING " : "",
							   form->tables ? form->tables : "",
							   (form->type & TRIGGER_TYPE_ROW) ? "ROW" : "STATEMENT",
							   quote_qualified_identifier(function_schema(source),
														  function_name(source))));
	superuser_execute(psprintf("ALTER TABLE ONLY %s ENABLE %s TRIGGER %s",
							   table, enable, quote_identifier(name)));
	CommandCounterIncrement();
}

void
trigger_remove(Oid relid, SourceObject kind, const SourceIdentifier *source)
{
	Oid			oid = get_trigger_oid(relid, source_object_name(kind, source), true);
	ObjectAddress address;

	if (!OidIsValid(oid))
		return;
	ObjectAddressSet(address, TriggerRelationId, oid);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

void
trigger_function_ensure(const SourceIdentifier *source)
{
	const char *name = quote_qualified_identifier(function_schema(source),
												  function_name(source));

	if (!has_own_function(source) || OidIsValid(trigger_function(source)))
		return;
	superuser_execute(psprintf("CREATE FUNCTION %s() RETURNS trigger"
							   " LANGUAGE c AS '" PGT_LIBRARY "', 'pgt_cdc_capture'",
							   name));
	superuser_execute(psprintf("ALTER FUNCTION %s() OWNER TO %s", name,
							   quote_identifier(GetUserNameFromId(pgt_extension_owner(), false))));
	CommandCounterIncrement();
}

/* A partition that was detached may still have triggers: they go along. */
void
trigger_function_remove(const SourceIdentifier *source)
{
	ObjectAddress address;
	Oid			oid;

	if (!has_own_function(source))
		return;
	oid = trigger_function(source);
	if (!OidIsValid(oid))
		return;
	ObjectAddressSet(address, ProcedureRelationId, oid);
	performDeletion(&address, DROP_CASCADE,
					PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
	CommandCounterIncrement();
}
