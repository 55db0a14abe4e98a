/*-------------------------------------------------------------------------
 *
 * definition.c
 *	  From the text of a query to its definition view and its program.
 *
 * The text is read exactly once, under the search_path and the rights of the
 * user who gave it.  From then on only the definition view counts: names in
 * it are qualified, PostgreSQL follows renames in it, refuses to drop what it
 * uses, and dumps it.
 *
 * Nobody but the superuser may create anything in pgtrickle_defs.  He must not
 * parse the user's query, though: reading a literal may run a check of the
 * user's own (an array of a domain).  So he creates a view of the same columns
 * over nothing and gives it to the owner; the analysed query is put into it as
 * the tree that it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "commands/view.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "api/api.h"
#include "delta/explain.h"
#include "refresh/refresh.h"

/*
 * Positions of errors belong to the text of the query, not to the statement
 * that carried it as a string.
 */
static void
query_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
	errcontext("query of a stream table");
}

static void
check_statement(List *statements)
{
	Node	   *stmt;
	SelectStmt *first;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("query of a stream table must be one SELECT statement"),
				 errdetail("The text has %d statements.", list_length(statements))));

	stmt = linitial_node(RawStmt, statements)->stmt;
	if (!IsA(stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("query of a stream table must be a SELECT statement"),
				 errdetail("It is a %s statement.",
						   GetCommandTagName(CreateCommandTag(stmt)))));

	first = (SelectStmt *) stmt;
	while (first->op != SETOP_NONE)
		first = first->larg;
	if (first->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("query of a stream table must not have an INTO clause"),
				 errhint("The argument \"name\" says where the result goes.")));
}

static void
check_output(const Query *query)
{
	List	   *names = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Oid			type;

		if (tle->resjunk)
			continue;

		foreach(lc2, names)
			if (strcmp(tle->resname, (char *) lfirst(lc2)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" of the query is not unique",
								tle->resname),
						 errhint("Give each column a name of its own, with AS.")));
		names = lappend(names, tle->resname);

		if (strncmp(tle->resname, PGT_HIDDEN_PREFIX, strlen(PGT_HIDDEN_PREFIX)) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_RESERVED_NAME),
					 errmsg("column name \"%s\" is reserved", tle->resname),
					 errdetail("Names that begin with \"%s\" are those of hidden columns.",
							   PGT_HIDDEN_PREFIX),
					 errhint("Give the column another name, with AS.")));

		type = exprType((Node *) tle->expr);
		if (get_typtype(type) == TYPTYPE_PSEUDO)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" of the query has pseudo-type %s",
							tle->resname, format_type_be(type)),
					 errhint("Cast it to a type that a table column can have.")));
		if (type_is_collatable(type) && !OidIsValid(exprCollation((Node *) tle->expr)))
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_COLLATION),
					 errmsg("no collation could be derived for column \"%s\" of the query",
							tle->resname),
					 errhint("Use the COLLATE clause to set it.")));
	}
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("query of a stream table must have at least one column")));
}

static void
refuse_source(Oid relid)
{
	Oid			namespace = get_rel_namespace(relid);
	bool		ours = namespace == get_namespace_oid(PGT_SCHEMA, true) ||
		namespace == get_namespace_oid(PGT_CHANGES_SCHEMA, true);

	if (relid >= FirstNormalObjectId && !ours)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot create a stream table over \"%s.%s\"",
					get_namespace_name(namespace), get_rel_name(relid)),
			 ours ? errdetail("It belongs to pg_trickle itself.") :
			 errdetail("It is a system catalog, whose changes cannot be captured."),
			 errhint("Make a materialized view of what is needed, and use that.")));
}

/* On every level of the query: which relations, and may the user read them? */
static bool
check_relations_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		if (query->commandType != CMD_SELECT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("query of a stream table must not modify data"),
					 errdetail("It has a data-modifying statement in WITH.")));
		if (query->rowMarks != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("query of a stream table must not lock rows"),
					 errdetail("It has a FOR UPDATE or FOR SHARE clause."),
					 errhint("Remove the clause: every refresh reads at one snapshot.")));
		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

			if (rte->rtekind == RTE_RELATION)
				refuse_source(rte->relid);
		}
		(void) ExecCheckPermissions(query->rtable, query->rteperminfos, true);
		return query_tree_walker(query, check_relations_walker, context, 0);
	}
	return expression_tree_walker(node, check_relations_walker, context);
}

/* A table has no order; where the order chooses rows, it does count. */
static void
notice_order(const Query *query)
{
	if (query->sortClause != NIL && query->limitCount == NULL &&
		query->limitOffset == NULL && !query->hasDistinctOn)
		ereport(NOTICE,
				(errmsg("ORDER BY of the query is ignored"),
				 errdetail("The rows of a table have no order."),
				 errhint("Give the order where you read the stream table.")));
}

Query *
definition_parse(const char *text, Oid owner)
{
	ErrorContextCallback callback;
	List	   *statements;
	Query	   *query;
	Oid			save_userid;
	int			save_sec_context;

	callback.callback = query_error_callback;
	callback.arg = unconstify(char *, text);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	check_statement(statements);
	query_hide_columns(linitial_node(RawStmt, statements)->stmt);
	query = parse_analyze_fixedparams(linitial_node(RawStmt, statements), text,
									  NULL, 0, NULL);
	if (isQueryUsingTempRelation(query))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("query of a stream table must not use temporary tables or views"),
				 errdetail("They would be gone when the session ends."),
				 errhint("Use an ordinary or an unlogged table.")));

	/* Rights are those of the role that every refresh will run as. */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(owner,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	(void) check_relations_walker((Node *) query, NULL);
	SetUserIdAndSecContext(save_userid, save_sec_context);

	check_output(query);
	notice_order(query);
	error_context_stack = callback.previous;
	return query;
}

/* CREATE VIEW with the columns of the query, all of them NULL. */
static char *
empty_view_sql(const char *viewname, const Query *query)
{
	StringInfoData sql;
	const char *separator = "";
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE VIEW %s AS SELECT ",
					 quote_qualified_identifier(PGT_DEFS_SCHEMA, viewname));
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Node	   *expr = (Node *) tle->expr;

		if (tle->resjunk)
			continue;
		appendStringInfo(&sql, "%sNULL::%s", separator,
						 format_type_with_typemod(exprType(expr), exprTypmod(expr)));
		if (OidIsValid(exprCollation(expr)))
			appendStringInfo(&sql, " COLLATE %s",
							 generate_collation_name(exprCollation(expr)));
		appendStringInfo(&sql, " AS %s", quote_identifier(tle->resname));
		separator = ", ";
	}
	return sql.data;
}

Oid
definition_view_create(const char *viewname, Query *query, Oid owner)
{
	OwnerContext ctx;
	Oid			defview;

	owner_context_enter(&ctx, BOOTSTRAP_SUPERUSERID);
	run_sql(empty_view_sql(viewname, query));
	defview = get_relname_relid(viewname,
								get_namespace_oid(PGT_DEFS_SCHEMA, false));
	ATExecChangeOwner(defview, owner, false, AccessExclusiveLock);
	CommandCounterIncrement();
	owner_context_leave(&ctx);

	owner_context_enter(&ctx, owner);
	StoreViewQuery(defview, copyObject(query), true);
	CommandCounterIncrement();
	owner_context_leave(&ctx);
	return defview;
}

void
definition_view_attach(Oid defview, Oid relid)
{
	storage_attach(defview, relid);
}

char *
definition_view_text(Oid defview, Oid owner)
{
	OwnerContext ctx;
	Datum		printed;
	char	   *result;

	/* The view may be newer than the statement that we run in. */
	PushActiveSnapshot(GetLatestSnapshot());
	owner_context_enter(&ctx, owner);
	printed = DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(defview));
	result = TextDatumGetCString(printed);
	owner_context_leave(&ctx);
	PopActiveSnapshot();
	return result;
}

/* The query may have reached a source through a view. */
static void
refuse_sources(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program_sources(program))
	{
		ProgramSource *source = (ProgramSource *) lfirst(lc);

		refuse_source(source->relid);
	}
}

DeltaProgram *
definition_compile(Oid defview, Oid owner)
{
	OwnerContext ctx;
	DeltaProgram *program;

	LockRelationOid(defview, AccessShareLock);
	owner_context_enter(&ctx, owner);
	program = program_compile(defview);
	owner_context_leave(&ctx);
	refuse_sources(program);
	return program;
}

DeltaProgram *
definition_compile_query(Query *query, Oid owner)
{
	OwnerContext ctx;
	DeltaProgram *program;

	owner_context_enter(&ctx, owner);
	program = program_compile_query(query);
	owner_context_leave(&ctx);
	refuse_sources(program);
	return program;
}

const char *
definition_full_reason(const DeltaProgram *program)
{
	const char *reason = program_reason(program);

	if (reason == NULL && program_is_volatile(program))
		reason = "its query calls a volatile function";
	if (reason == NULL && program_always_recompute(program))
		reason = "its result can change without a change that is captured";
	return reason;
}

char *
sentence(const char *phrase)
{
	char	   *result = psprintf("%s%s", phrase,
								  phrase[strlen(phrase) - 1] == '.' ? "" : ".");

	result[0] = pg_toupper((unsigned char) result[0]);
	return result;
}

/* Who insists on deltas may expect them to be small. */
static void
notice_undivided(const char *name, const char *construct)
{
	ereport(NOTICE,
			(errmsg("each refresh of stream table \"%s\" will compute its whole result",
					name),
			 errdetail("No key divides the result of %s, so a change may concern all of it.",
					   construct)));
}

void
definition_check_mode(const char *name, RefreshMode mode,
					  const DeltaProgram *program)
{
	const char *reason = definition_full_reason(program);

	refresh_refuse_remote(name, program);
	if (reason == NULL && mode == REFRESH_MODE_DIFFERENTIAL &&
		program_undivided(program) != NULL)
		notice_undivided(name, program_undivided(program));
	if (reason == NULL || mode == REFRESH_MODE_FULL)
		return;
	if (mode == REFRESH_MODE_DIFFERENTIAL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot maintain stream table \"%s\" differentially", name),
				 errdetail("%s", sentence(reason)),
				 errhint("Use refresh_mode => 'AUTO' or 'FULL'.")));
	ereport(NOTICE,
			(errmsg("stream table \"%s\" will be recomputed by each refresh", name),
			 errdetail("%s", sentence(reason))));
}

void
definition_advise(const char *name, RefreshMode mode,
				  const DeltaProgram *program)
{
	List	   *advice = mode == REFRESH_MODE_FULL ? NIL : program_advice(program);
	StringInfoData columns;
	StringInfoData statements;
	ListCell   *lc;

	if (advice == NIL)
		return;
	initStringInfo(&columns);
	initStringInfo(&statements);
	foreach(lc, advice)
	{
		const ExplainedAdvice *missing = lfirst(lc);

		appendStringInfo(&columns, "%s%s (%s)", columns.len > 0 ? ", " : "",
						 missing->relation, missing->columns);
		appendStringInfo(&statements, "%s%s;", statements.len > 0 ? " " : "",
						 missing->statement);
	}
	ereport(NOTICE,
			(errmsg("refreshes of stream table \"%s\" would be faster with an index on %s",
					name, columns.data),
			 errdetail("They look up the rows that a change touches by these columns."),
			 errhint("%s", statements.data)));
}
