/*-------------------------------------------------------------------------
 *
 * program.c
 *	  Compile a definition view: analyse its query, decide the rule, lay out
 *	  the stream table.
 *
 * The layout follows from the query alone, so it is never stored: the stream
 * table's columns are the query's, then, as far as the rule needs them, group
 * keys that the query does not show, the state of each group, and
 * __pgt_row_id.  A state that a visible column equals is kept there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "access/table.h"
#include "capture/capture.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "delta/delta.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rewriteSupport.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static uint64
hash_string(const char *string, uint64 seed)
{
	return hash_combine64(seed, hash_bytes_extended((const unsigned char *) string,
													strlen(string), 0));
}

/* ---- what the query reads ---- */

typedef struct SourceWalk
{
	DeltaProgram *program;
	bool		sampled;
	const char *tree_reason;	/* why children cannot be read, or NULL */
	const char *policy_reason;	/* the same of row security */
} SourceWalk;

/*
 * What keeps the source behind an entry from being polled, or NULL.  The owner
 * reads it when it is polled; a foreign table may show him other rows than the
 * owner of a view, as whom the query reads it.
 */
static const char *
unpollable_reason(Query *query, RangeTblEntry *rte)
{
	Oid			role = pgt_check_as_user(query, rte);

	if (!rte->inh)
		return "is read with FROM ONLY";
	if (rte->relkind == RELKIND_FOREIGN_TABLE && OidIsValid(role) && role != GetUserId())
		return psprintf("is read as role \"%s\", who owns a view",
						GetUserNameFromId(role, false));
	return NULL;
}

static void
add_source(SourceWalk *walk, Query *query, RangeTblEntry *rte, int rtindex)
{
	DeltaProgram *program = walk->program;
	ProgramSource *source = NULL;
	Bitmapset  *selected = bms_copy(pgt_selected_columns(query, rte));
	int			member = -1;
	ListCell   *lc;

	/* the reader need not have the rights that row security needs */
	pull_varattnos((Node *) rte->securityQuals, rtindex, &selected);

	foreach(lc, program->sources)
		if (((ProgramSource *) lfirst(lc))->relid == rte->relid)
			source = lfirst(lc);
	if (source == NULL)
	{
		source = palloc0(sizeof(ProgramSource));
		source->relid = rte->relid;
		program->sources = lappend(program->sources, source);
	}

	while ((member = bms_next_member(selected, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

		if (attno > 0)
			source->columns = bms_add_member(source->columns, attno);
		else if (attno == 0)
		{
			Relation	rel = relation_open(rte->relid, NoLock);

			for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
				if (!TupleDescAttr(RelationGetDescr(rel), i)->attisdropped)
					source->columns = bms_add_member(source->columns, i + 1);
			relation_close(rel, NoLock);
		}
	}
	if (source->unpollable == NULL)
		source->unpollable = unpollable_reason(query, rte);
	if (rte->tablesample != NULL)
		walk->sampled = true;
}

static bool
source_walker(Node *node, SourceWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (OidIsValid(rte->relid))
				walk->program->watched =
					list_append_unique_oid(walk->program->watched, rte->relid);
			if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW)
				add_source(walk, query, rte, foreach_current_index(lc) + 1);
		}
		return query_tree_walker(query, source_walker, walk, 0);
	}
	return expression_tree_walker(node, source_walker, walk);
}

static void
mark_children(DeltaProgram *program)
{
	ListCell   *ls,
			   *lt;

	foreach(ls, program->sources)
	{
		ProgramSource *source = lfirst(ls);

		foreach(lt, program->trees)
			if (list_member_oid(lfirst(lt), source->relid) &&
				linitial_oid(lfirst(lt)) != source->relid)
				source->inherits = true;
	}
}

/* What the fingerprint has seen. */
typedef struct FunctionWalk
{
	uint64		hash;
	List	   *seen;			/* oids of functions */
} FunctionWalk;

static bool function_walker(Node *node, FunctionWalk *walk);

static void
hash_attribute(int cache, HeapTuple tuple, AttrNumber attno, FunctionWalk *walk)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attno, &isnull);

	if (isnull)
		return;
	walk->hash = hash_combine64(walk->hash,
								hash_bytes_extended((unsigned char *) VARDATA_ANY(PG_DETOAST_DATUM_PACKED(value)),
													VARSIZE_ANY_EXHDR(PG_DETOAST_DATUM_PACKED(value)), 0));
}

static bool hash_function(Oid funcid, void *context);

/* The same of what an aggregate is made of. */
static void
hash_aggregate(Oid funcid, FunctionWalk *walk)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(funcid));
	ListCell   *lc;

	if (!HeapTupleIsValid(tuple))
		return;
	hash_attribute(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, walk);
	ReleaseSysCache(tuple);
	foreach(lc, aggregate_functions(funcid))
	{
		walk->hash = hash_combine64(walk->hash, lfirst_oid(lc));
		(void) hash_function(lfirst_oid(lc), walk);
	}
}

/*
 * Fold the definitions of the user's functions into the fingerprint, and of
 * those that they call, where PostgreSQL knows the calls.
 */
static bool
hash_function(Oid funcid, void *context)
{
	FunctionWalk *walk = context;
	HeapTuple	tuple;
	Form_pg_proc proc;
	Datum		body;
	bool		isnull;

	if (funcid < FirstNormalObjectId || list_member_oid(walk->seen, funcid))
		return false;
	walk->seen = lappend_oid(walk->seen, funcid);
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	walk->hash = hash_combine64(walk->hash, proc->prolang);
	walk->hash = hash_combine64(walk->hash, proc->proisstrict);
	walk->hash = hash_combine64(walk->hash, proc->prosecdef);
	hash_attribute(PROCOID, tuple, Anum_pg_proc_prosrc, walk);
	hash_attribute(PROCOID, tuple, Anum_pg_proc_probin, walk);
	hash_attribute(PROCOID, tuple, Anum_pg_proc_proconfig, walk);
	hash_attribute(PROCOID, tuple, Anum_pg_proc_prosqlbody, walk);
	body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isnull);
	if (!isnull)
		(void) function_walker(stringToNode(TextDatumGetCString(body)), walk);
	ReleaseSysCache(tuple);
	hash_aggregate(funcid, walk);
	return false;
}

/* A whole row is all columns that there are, by the names that they have. */
static void
hash_row_type(Oid type, FunctionWalk *walk)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			walk->hash = hash_string(NameStr(att->attname), walk->hash);
	}
	ReleaseTupleDesc(desc);
}

static bool
function_walker(Node *node, FunctionWalk *walk)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, hash_function, walk);
	if (IsA(node, Var) && ((Var *) node)->varattno == 0 &&
		type_is_rowtype(((Var *) node)->vartype) &&
		((Var *) node)->vartype != RECORDOID)
		hash_row_type(((Var *) node)->vartype, walk);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, function_walker, walk, 0);
	return expression_tree_walker(node, function_walker, walk);
}

static uint64
query_fingerprint(Query *query)
{
	FunctionWalk walk = {.hash = hash_string(nodeToString(query), 0)};

	(void) function_walker((Node *) query, &walk);
	return walk.hash;
}

/* A virtual generated column has no stored value to capture. */
static bool
uses_virtual_column(const ProgramSource *source)
{
	Relation	rel = relation_open(source->relid, NoLock);
	int			attno = -1;
	bool		result = false;

	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		if (pgt_is_virtual_column(TupleDescAttr(RelationGetDescr(rel), attno - 1)))
			result = true;
	relation_close(rel, NoLock);
	return result;
}

/* On every level of the query: may its user read what it reads? */
static bool
check_rights_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		(void) ExecCheckPermissions(query->rtable, query->rteperminfos, true);
		return query_tree_walker(query, check_rights_walker, context, 0);
	}
	return expression_tree_walker(node, check_rights_walker, context);
}

static Query *
view_query(Oid defview)
{
	Relation	view = relation_open(defview, AccessShareLock);
	Query	   *query = copyObject(get_view_query(view));

	relation_close(view, NoLock);
	return query;
}

/* Expand views and row security; the query is scribbled upon. */
static Query *
rewrite_query(Query *query)
{
	List	   *rewritten;

	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1)
		elog(ERROR, "a definition was rewritten to %d queries",
			 list_length(rewritten));
	(void) check_rights_walker(linitial(rewritten), NULL);
	return (Query *) analyze_name_operators(linitial(rewritten), NULL);
}

/*
 * A delta reads a table as its owner does, under the policies as they are after
 * the changes; the conditions of the query select again.  Both select the same
 * rows of any state of the table, unless a policy looks at other rows.
 */
static bool
policy_walker(Node *node, const char **reason)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (checkExprHasSubLink((Node *) rte->securityQuals))
				*reason = psprintf("row security of table \"%s\" has a subquery",
								   get_rel_name(rte->relid));
		}
		return query_tree_walker((Query *) node, policy_walker, reason, 0);
	}
	return expression_tree_walker(node, policy_walker, reason);
}

/* Which sources cannot be captured; returns how many can. */
static int
find_uncapturable(DeltaProgram *program)
{
	int			ncaptured = 0;
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);
		const char *why = capture_unsupported_reason(source->relid);

		if (why == NULL && uses_virtual_column(source))
			why = "is read through a virtual generated column";
		if (why == NULL && source->inherits &&
			pg_class_aclcheck(source->relid, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
			why = "inherits from another one, and the owner lacks the TRIGGER privilege on it";
		if (why != NULL)
			source->uncapturable = psprintf("source \"%s\" %s",
											get_rel_name(source->relid), why);
		else
			ncaptured++;
	}
	return ncaptured;
}

/*
 * Reading a source whole at each refresh, to save computing the query, pays if
 * there is something in the query that need not be read.
 */
static void
find_polled(DeltaProgram *program)
{
	int			ncaptured = find_uncapturable(program);
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);
		char		relkind = get_rel_relkind(source->relid);

		if (relkind != RELKIND_FOREIGN_TABLE && relkind != RELKIND_MATVIEW)
			continue;
		if (ncaptured == 0)
			source->unpollable = "no other source is captured";
		if (source->unpollable == NULL)
			source->polled = true;
		else
			source->uncapturable = psprintf("%s, and %s", source->uncapturable,
											source->unpollable);
	}
}

/* As the analysis wants them. */
static List *
polled_sources(const DeltaProgram *program)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);
		PolledSource *polled;

		if (!source->polled)
			continue;
		polled = palloc(sizeof(PolledSource));
		polled->relid = source->relid;
		polled->columns = source->columns;
		result = lappend(result, polled);
	}
	return result;
}

/* The first source that can be neither captured nor polled. */
static const char *
uncapturable_reason(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);

		if (source->uncapturable != NULL && !source->polled)
			return source->uncapturable;
	}
	return NULL;
}

/*
 * A delta reads the tables themselves, also those behind a view, with the
 * rights of the stream table's owner.
 */
static bool
may_read(const ProgramSource *source, Oid role)
{
	int			attno = -1;

	if (pg_class_aclcheck(source->relid, role, ACL_SELECT) == ACLCHECK_OK)
		return true;
	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		if (pg_attribute_aclcheck(source->relid, attno, role, ACL_SELECT) != ACLCHECK_OK)
			return false;
	return !bms_is_empty(source->columns);
}

static const char *
unreadable_reason(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);

		if (!may_read(source, GetUserId()))
			return psprintf("its owner may not read table \"%s\" itself",
							get_rel_name(source->relid));

		/* of a table that is read through its parent, the parent's counts */
		if (source->inherits &&
			check_enable_rls(source->relid, InvalidOid, true) == RLS_ENABLED)
			return psprintf("row security of table \"%s\" does not apply to what is read through its parent",
							get_rel_name(source->relid));
	}
	return NULL;
}

/* ---- layout ---- */

static AttrNumber
add_column(DeltaProgram *program, const char *name, Oid type, int32 typmod,
		   Oid collation, bool hidden)
{
	LayoutColumn *column = palloc0(sizeof(LayoutColumn));

	column->name = pstrdup(name);
	column->type = type;
	column->typmod = typmod;
	column->collation = collation;
	column->hidden = hidden;
	program->layout = lappend(program->layout, column);
	return list_length(program->layout);
}

/* Visible column that is just the given call, or 0. */
static AttrNumber
column_of_call(const DeltaProgram *program, int call)
{
	AttrNumber	attno = 0;
	ListCell   *lc;

	foreach(lc, program->tree->outputs)
	{
		Var		   *var = (Var *) ((OutputColumn *) lfirst(lc))->expr;

		attno++;
		if (IsA(var, Var) && var->varattno == program->tree->nkeys + call + 1)
			return attno;
	}
	return 0;
}

/* Visible column that always equals the state, or 0. */
static AttrNumber
column_of_state(const DeltaProgram *program, int state)
{
	int			position = 0;
	ListCell   *lc;

	foreach(lc, program->tree->calls)
	{
		AggregateCall *call = lfirst(lc);

		/*
		 * For a sum the column is NULL where the state is zero; a NULL state
		 * is read as zero.  An average is no sum, and a truth value no count.
		 */
		if (call->kind != AGGREGATE_AVG &&
			call->kind != AGGREGATE_BOOL_AND &&
			call->kind != AGGREGATE_BOOL_OR &&
			program->call_states[position][0] == state &&
			column_of_call(program, position) != 0)
			return column_of_call(program, position);
		position++;
	}
	return 0;
}

static void
find_fresh_keys(DeltaProgram *program)
{
	int			key = 0;
	ListCell   *lc;

	foreach(lc, program->tree->keytypes)
	{
		OutputColumn *column = lfirst(lc);

		if (key >= program->tree->nproper &&
			!equality_is_image(column->type, column->collation))
			program->fresh_keys |= UINT64CONST(1) << key;
		key++;
	}
}

static void
lay_out_group(DeltaProgram *program)
{
	QueryTree  *tree = program->tree;
	Identity   *identity = &program->identity;
	int			hidden_keys = 0;
	int			hidden_states = 0;

	program->key_attnos = palloc0(sizeof(AttrNumber) * (tree->nkeys + 1));
	for (int i = 0; i < tree->nkeys; i++)
	{
		if (identity->keys[i] < 0)
		{
			OutputColumn *key = list_nth(tree->keytypes, i);

			identity->keys[i] =
				add_column(program, psprintf("__pgt_key%d", ++hidden_keys),
						   key->type, key->typmod, key->collation, true);
		}
		program->key_attnos[i] = identity->keys[i];
	}
	for (int i = 0; i < program->nstates; i++)
	{
		StateColumn *state = &program->states[i];

		state->attno = column_of_state(program, i);
		if (state->attno == 0)
			state->attno = add_column(program,
									  state->kind == STATE_ROWS ? "__pgt_count" :
									  psprintf("__pgt_state%d", ++hidden_states),
									  state->type, state->typmod,
									  state->collation, true);
	}
}

static void
lay_out(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->tree->outputs)
	{
		OutputColumn *output = lfirst(lc);

		add_column(program, output->name, output->type, output->typmod,
				   output->collation, false);
	}
	if (program->reason == NULL && program->tree->aggregated)
		lay_out_group(program);
	if (program->identity.kind == IDENTITY_KEY_HASH ||
		program->identity.kind == IDENTITY_BAG)
		program->identity.row_id = add_column(program, "__pgt_row_id", INT8OID,
											  -1, InvalidOid, true);
}

/* (w, wanted columns) of a source */
static void
describe_window(DeltaProgram *program, int i)
{
	ProgramSource *source = program_source(program, i);
	Relation	rel = relation_open(source->relid, NoLock);
	int			ncolumns = bms_num_members(source->wanted);
	TupleDesc	desc = CreateTemplateTupleDesc(ncolumns + 1);
	int			attno = -1;
	int			column = 1;

	program->window_attnums[i] = palloc0(sizeof(AttrNumber) * (ncolumns + 1));
	TupleDescInitEntry(desc, 1, "w", INT4OID, -1, 0);
	while ((attno = bms_next_member(source->wanted, attno)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		char		name[NAMEDATALEN];

		program->window_attnums[i][column - 1] = attno;
		snprintf(name, sizeof(name), "c%d", attno);
		TupleDescInitEntry(desc, ++column, name, att->atttypid, att->atttypmod,
						   att->attndims);
		TupleDescInitEntryCollation(desc, column, att->attcollation);
	}
	program->window_desc[i] = desc;
	relation_close(rel, NoLock);
}

TupleDesc
window_descriptor(const Stage *stage)
{
	TupleDesc	desc = CreateTemplateTupleDesc(list_length(stage->columns) + 1);
	int			column = 1;
	ListCell   *lc;

	TupleDescInitEntry(desc, 1, "w", INT4OID, -1, 0);
	foreach(lc, stage->columns)
	{
		OutputColumn *output = lfirst(lc);
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", column);
		TupleDescInitEntry(desc, ++column, name, output->type, output->typmod, 0);
		TupleDescInitEntryCollation(desc, column, output->collation);
	}
	return desc;
}

static void
describe_inputs(DeltaProgram *program)
{
	int			nsources = list_length(program->sources);
	ListCell   *lc;

	program->window_desc = palloc0(sizeof(TupleDesc) * (program_ninputs(program) + 1));
	program->window_attnums = palloc0(sizeof(AttrNumber *) * (nsources + 1));
	for (int i = 0; i < nsources; i++)
		describe_window(program, i);
	if (program->reason != NULL)
		return;
	foreach(lc, program->stored)
		program->window_desc[stage_input_index(program, lfirst(lc))] =
			window_descriptor(lfirst(lc));
	foreach(lc, program->tree->stages)
		program->window_desc[stage_input_index(program, lfirst(lc))] =
			window_descriptor(lfirst(lc));
}

/*
 * The keys by which stored rows are looked up, where that is not by the
 * identity.
 */
static char *
key_columns(const DeltaProgram *program)
{
	const Stage *stage = tree_reevaluated(program->tree);
	StringInfoData sql;

	if (stage == NULL || stage->nkeys == 0 || program->identity.kind == IDENTITY_KEY)
		return NULL;
	initStringInfo(&sql);
	for (int i = 0; i < list_length(stage->columns); i++)
	{
		OutputColumn *output = list_nth(program->tree->outputs, i);

		if (stage->origins[i] == 0 ||
			!type_fits_index(output->type, output->typmod))
			continue;
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "",
						 quote_identifier(output->name));
	}
	return sql.len > 0 ? sql.data : NULL;
}

void
program_lay_out(DeltaProgram *program)
{
	ListCell   *lc;

	if (program->reason == NULL && program->index == NULL)
		program->index = key_columns(program);
	if (program->reason == NULL && program->tree->aggregated)
	{
		aggregate_plan_states(program);
		find_fresh_keys(program);
	}
	foreach(lc, program->parts)
		program->unit_weights |= ((DeltaProgram *) lfirst(lc))->unit_weights;
	lay_out(program);
	describe_inputs(program);
}

/* ---- compile ---- */

static void
add_wanted(DeltaProgram *program, List *branches)
{
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			ProgramSource *source;

			if (!OidIsValid(((Factor *) lfirst(lf))->relid))
				continue;
			source = program_source(program, program_source_index(program,
																  ((Factor *) lfirst(lf))->relid));
			source->nreferences++;
			source->wanted = bms_add_members(source->wanted,
											 sqlgen_used_columns(lfirst(lb), foreach_current_index(lf) + 1));
		}
}

static void
add_wanted_by_tree(DeltaProgram *program, const QueryTree *tree)
{
	ListCell   *lc;

	add_wanted(program, tree->branches);
	foreach(lc, tree->stages)
	{
		add_wanted(program, ((Stage *) lfirst(lc))->branches);
		add_wanted(program, ((Stage *) lfirst(lc))->step);
	}
}

/*
 * Less than what the query names is wanted where the query drops it, as EXISTS
 * does with its select list: so changes of nothing else cancel.
 */
static void
find_wanted(DeltaProgram *program)
{
	ListCell   *lc;

	if (program->tree->reason != NULL)
	{
		foreach(lc, program->sources)
			((ProgramSource *) lfirst(lc))->wanted = ((ProgramSource *) lfirst(lc))->columns;
		return;
	}
	add_wanted_by_tree(program, program->tree);
	foreach(lc, program->stored)
		add_wanted_by_tree(program, ((Stage *) lfirst(lc))->tree);
}

/*
 * "12" of pgtrickle_defs.def_12, or of def_12_new, which will be that; "new" of
 * what has no view.
 */
static char *
definition_number(Oid defview)
{
	char	   *name = get_rel_name(defview);
	char	   *number;

	if (!OidIsValid(defview))
		return "new";
	number = pstrdup(name + strcspn(name, "0123456789"));
	number[strspn(number, "0123456789")] = '\0';
	return number;
}

/* The query is computed as a whole, so nobody asks how a source has changed. */
static void
forget_polled(DeltaProgram *program)
{
	ListCell   *lc;

	if (program_polls(program))
		program->always_recompute = true;
	foreach(lc, program->sources)
		((ProgramSource *) lfirst(lc))->polled = false;
}

static void
decide_rule(DeltaProgram *program, Query *original, SourceWalk *walk)
{
	const char *reason = uncapturable_reason(program);
	const char *mutable = analyze_mutable_reason(original);
	const char *identity_reason = NULL;

	program->is_volatile = contain_volatile_functions((Node *) original);
	if (reason != NULL || walk->sampled || mutable != NULL)
		program->always_recompute = true;

	program->reason = reason;
	if (program->reason == NULL)
		program->reason = program->tree->reason;
	if (program->reason == NULL)
		program->reason = tree_clock_reason(program->tree, &program->is_timed);
	if (program->reason == NULL)
		program->reason = walk->tree_reason;
	if (program->reason == NULL)
		program->reason = walk->policy_reason;
	if (program->reason == NULL)
		program->reason = unreadable_reason(program);
	if (program->reason == NULL)
		program->reason = mutable;
	if (program->reason == NULL && program->always_recompute)
		program->reason = "its result can change without a change of its sources";
	if (program->reason == NULL && program_ninputs(program) > MAX_SOURCES)
		program->reason = psprintf("it has more than %d tables and subqueries",
								   MAX_SOURCES);
	if (program->reason == NULL && program->tree->nkeys > MAX_SOURCES)
		program->reason = psprintf("it has more than %d group keys", MAX_SOURCES);
	if (program->reason == NULL &&
		!identity_derive(program->tree, &program->identity, &identity_reason))
		program->reason = identity_reason;
	if (program->reason == NULL)
		parts_compile(program, definition_number(program->defview));
	if (program->reason != NULL)
	{
		/* what has no delta has none as time goes by */
		program->always_recompute |= uses_clock((Node *) original);
		program->is_timed = false;
		forget_polled(program);
		program->parts = NIL;
		program->tree->reason = program->reason;
		(void) identity_derive(program->tree, &program->identity, &identity_reason);
	}
}

static void
compile(DeltaProgram *program, Query *query)
{
	SourceWalk	walk = {.program = program};
	Query	   *original;
	ListCell   *lc;

	program->context = CurrentMemoryContext;
	query = rewrite_query(query);
	(void) policy_walker((Node *) query, &walk.policy_reason);
	walk.tree_reason = analyze_expand_inheritance(query, &program->trees);
	original = copyObject(query);
	(void) source_walker((Node *) query, &walk);
	mark_children(program);

	program->fingerprint = query_fingerprint(original);
	program->types_known = query_named_types(original, &program->types);

	query = (Query *) analyze_name_clock((Node *) query, NULL);
	original = copyObject(query);
	find_polled(program);
	program->tree = analyze_query(query, polled_sources(program));
	program->stored = program->tree->stored;
	find_wanted(program);
	decide_rule(program, original, &walk);
	if (program->always_recompute)
		foreach(lc, program->sources)
		{
			ProgramSource *source = lfirst(lc);

			if (source->uncapturable == NULL)
				source->uncapturable = "the query is recomputed at every refresh";
		}

	program_lay_out(program);
}

DeltaProgram *
program_compile(Oid defview)
{
	DeltaProgram *program = palloc0(sizeof(DeltaProgram));

	program->defview = defview;
	program->watched = list_make1_oid(defview);
	compile(program, view_query(defview));
	return program;
}

DeltaProgram *
program_compile_query(Query *query)
{
	DeltaProgram *program = palloc0(sizeof(DeltaProgram));

	compile(program, copyObject(query));
	return program;
}

/* ---- what can fail ---- */

/* Joins to be netted, or -1 if the program would have too many inputs. */
static int
joins_to_net(const DeltaProgram *program)
{
	int			n = tree_fallible_joins(program->tree);

	return program_ninputs(program) + n > MAX_SOURCES ? -1 : n;
}

static void
forget_plans(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->plans)
		SPI_freeplan(((SavedPlan *) lfirst(lc))->plan);
	program->plans = NIL;
}

bool
program_net_first(DeltaProgram *program)
{
	MemoryContext old;
	int			njoins;
	ListCell   *lc;

	if (program->reason != NULL || program->nets_first)
		return false;
	njoins = joins_to_net(program);
	foreach(lc, program->parts)
	{
		int			n = joins_to_net(lfirst(lc));

		njoins = njoins < 0 || n < 0 ? -1 : njoins + n;
	}
	if (njoins <= 0)
		return false;

	old = MemoryContextSwitchTo(program->context);
	tree_net_first(program->tree);
	foreach(lc, program->parts)
	{
		forget_plans(lfirst(lc));
		describe_inputs(lfirst(lc));
	}
	forget_plans(program);
	describe_inputs(program);
	program->nets_first = true;
	MemoryContextSwitchTo(old);
	return true;
}

bool
program_nets_first(const DeltaProgram *program)
{
	return program->nets_first;
}

/* ---- accessors ---- */

const char *
program_reason(const DeltaProgram *program)
{
	return program->reason;
}

bool
program_always_recompute(const DeltaProgram *program)
{
	return program->always_recompute;
}

bool
program_polls(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
		if (((ProgramSource *) lfirst(lc))->polled)
			return true;
	return false;
}

bool
program_is_volatile(const DeltaProgram *program)
{
	return program->is_volatile;
}

bool
program_is_timed(const DeltaProgram *program)
{
	return program->is_timed;
}

const char *
program_undivided(const DeltaProgram *program)
{
	const QueryTree *tree = program->tree;
	const Stage *stage = program->reason == NULL ? tree_reevaluated(tree) : NULL;
	ListCell   *lc;

	if (program->reason == NULL && tree->aggregated && tree->nkeys == 0)
		foreach(lc, tree->calls)
			if (((AggregateCall *) lfirst(lc))->kind == AGGREGATE_RECOMPUTE)
				return "an aggregate without GROUP BY";

	/* the first rows in an order are few, and an index may know them */
	return stage != NULL && stage->nkeys == 0 && stage->query->limitCount == NULL ?
		stage->what : NULL;
}

List *
program_sources(const DeltaProgram *program)
{
	return program->sources;
}

List *
program_layout(const DeltaProgram *program)
{
	return program->layout;
}

Oid
program_grown_source(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->trees)
	{
		List	   *tree = lfirst(lc);
		Oid			relid = linitial_oid(tree);

		if (has_subclass(relid) &&
			list_difference_oid(inheritance_members(relid, NoLock), tree) != NIL)
			return relid;
	}
	return InvalidOid;
}

List *
program_watched(const DeltaProgram *program)
{
	return program->watched;
}

bool
program_types(const DeltaProgram *program, List **types)
{
	*types = program->types;
	return program->types_known;
}

uint64
program_fingerprint(const DeltaProgram *program)
{
	return program->fingerprint;
}

const Identity *
program_identity(const DeltaProgram *program)
{
	return &program->identity;
}

/* Is the change of each state a sum over any rows, which cannot overflow? */
static bool
states_are_sums(const DeltaProgram *program)
{
	for (int i = 0; i < program->nstates; i++)
		switch (program->states[i].kind)
		{
			case STATE_ROWS:
			case STATE_NONNULL:
			case STATE_TRUE:
			case STATE_SCALES:
				break;
			case STATE_SUM:
				if (program->states[i].type != INT8OID &&
					program->states[i].type != NUMERICOID)
					return false;
				break;
			default:
				return false;
		}
	return true;
}

/*
 * Does a branch read one table and nothing else, by expressions that cannot
 * raise an error?  A row that came and went within the window may be one that
 * no state of the table ever showed to the query.
 */
static bool
takes_any_row(const Branch *branch)
{
	return list_length(branch->factors) == 1 &&
		((Factor *) linitial(branch->factors))->function == NULL &&
		!contain_leaked_vars((Node *) branch->quals) &&
		!contain_leaked_vars((Node *) branch->targets);
}

/*
 * Is each row of a window met once, by what adds up?  Then rows that cancel may
 * as well cancel there: apply nets images, and an aggregate sums by group.
 */
static bool
adds_up(const DeltaProgram *program)
{
	ListCell   *lc;

	if (program->tree->stages != NIL || program->stored != NIL ||
		!states_are_sums(program))
		return false;
	foreach(lc, program->tree->branches)
		if (!takes_any_row(lfirst(lc)))
			return false;
	return true;
}

int
program_window_flags(const DeltaProgram *program)
{
	int			flags = 0;

	if (program->unit_weights)
		flags |= WINDOW_UNIT_WEIGHTS;
	if (program->reason == NULL && adds_up(program))
		flags |= WINDOW_PASSING;
	return flags;
}

List *
program_parts(const DeltaProgram *program)
{
	return program->parts;
}

const char *
program_part_table(const DeltaProgram *part)
{
	return part->table;
}

const char *
program_index(const DeltaProgram *program)
{
	return program->index;
}

TupleDesc
program_window_desc(const DeltaProgram *program, int source,
					const AttrNumber **attnums)
{
	*attnums = program->window_attnums[source];
	return program->window_desc[source];
}

void
program_free(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->parts)
		program_free(lfirst(lc));

	forget_plans(program);
	if (program->econtext != NULL)
		FreeExprContext(program->econtext, false);
	for (int i = 0; program->filters != NULL && i < list_length(program->sources); i++)
		if (program->filters[i] != NULL)
			FreeExprContext(program->filters[i]->econtext, false);
}
