/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  What a query means, as a number.
 *
 * A hash of its tree and of what is behind the names in it: the bodies of its
 * functions and aggregates, and of functions that these name, and its row types.  Contents that were computed under
 * one fingerprint cannot be carried on under another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "delta/delta.h"
#include "nodes/nodeFuncs.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static uint64
hash_string(const char *string, uint64 seed)
{
	return hash_combine64(seed, hash_bytes_extended((const unsigned char *) string,
													strlen(string), 0));
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

/* ---- calls in a text ---- */

static bool
begins_identifier(char c)
{
	return c == '_' || isalpha((unsigned char) c) || IS_HIGHBIT_SET(c);
}

static bool
continues_identifier(char c)
{
	return begins_identifier(c) || c == '$' || isdigit((unsigned char) c);
}

/* The next identifier at or after *s, as it is folded; NULL if there is none. */
static char *
next_identifier(const char **s)
{
	const char *start;
	const char *end;

	while (**s != '\0' && **s != '"' && !begins_identifier(**s))
		(*s)++;
	if (**s == '\0')
		return NULL;
	start = *s;
	if (*start != '"')
	{
		while (continues_identifier(**s))
			(*s)++;
		return downcase_truncate_identifier(start, *s - start, false);
	}
	end = strchr(start + 1, '"');
	if (end == NULL)
		end = start + strlen(start);
	*s = *end == '"' ? end + 1 : end;
	return pnstrdup(start + 1, end - start - 1);
}

static void
hash_functions_named(const char *name, FunctionWalk *walk)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	List	   *oids = NIL;
	ListCell   *lc;

	for (int i = 0; i < list->n_members; i++)
		oids = lappend_oid(oids, ((Form_pg_proc) GETSTRUCT(&list->members[i]->tuple))->oid);
	ReleaseSysCacheList(list);
	list_sort(oids, list_oid_cmp);
	foreach(lc, oids)
		(void) hash_function(lfirst_oid(lc), walk);
}

/*
 * A function whose body is a text may call whatever its text names.  Whether a
 * name stands for a call, a column or a word of a comment does not matter: one
 * function too many is looked at.  What a text puts together when it runs is not
 * found.
 */
static void
hash_named_functions(const char *body, FunctionWalk *walk)
{
	List	   *seen = NIL;
	char	   *name;

	while ((name = next_identifier(&body)) != NULL)
	{
		bool		known = strlen(name) >= NAMEDATALEN;
		ListCell   *lc;

		foreach(lc, seen)
			known |= strcmp(lfirst(lc), name) == 0;
		if (known)
			continue;
		seen = lappend(seen, name);
		hash_functions_named(name, walk);
	}
}

static bool
body_is_text(const Form_pg_proc proc)
{
	return proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId;
}

/*
 * Fold the definitions of the user's functions into the fingerprint, and of
 * those that they call.
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
	else if (body_is_text(proc))
	{
		body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
		hash_named_functions(TextDatumGetCString(body), walk);
	}
	ReleaseSysCache(tuple);
	hash_aggregate(funcid, walk);
	return false;
}

/* A row is its columns by the names that they have. */
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
	if (IsA(node, RowExpr) && ((RowExpr *) node)->row_typeid != RECORDOID)
		hash_row_type(((RowExpr *) node)->row_typeid, walk);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, function_walker, walk, 0);
	return expression_tree_walker(node, function_walker, walk);
}

uint64
query_fingerprint(Query *query)
{
	FunctionWalk walk = {.hash = hash_string(nodeToString(query), 0)};

	(void) function_walker((Node *) query, &walk);
	return walk.hash;
}

/* How rows are told apart depends on the keys of the sources as well. */
static uint64
identity_hash(uint64 hash, const Identity *identity)
{
	if (identity->row_id == 0)
		return hash_combine64(hash, 1);
	hash = hash_combine64(hash, identity->kind + 2);
	for (int i = 0; i < identity->nkeys; i++)
		hash = hash_combine64(hash, identity->keys[i]);
	return hash;
}

uint64
program_row_ids(const DeltaProgram *program)
{
	uint64		hash = identity_hash(0, &program->identity);

	for (int i = 0; i < list_length(program->layout); i++)
		hash = hash_combine64(hash, program->attnos[i]);
	return hash | 1;
}

uint64
program_part_row_ids(const DeltaProgram *program)
{
	uint64		hash = 0;
	ListCell   *lc;

	foreach(lc, program->parts)
		hash = identity_hash(hash, &((DeltaProgram *) lfirst(lc))->identity);
	return hash | 1;
}

/* What the hidden columns keep, which follows from the catalog, too. */
uint64
states_fingerprint(const DeltaProgram *program, uint64 hash)
{
	for (int i = 0; i < program->nstates; i++)
	{
		const StateColumn *state = &program->states[i];

		hash = hash_combine64(hash, state->kind);
		hash = hash_combine64(hash, state->arg);
		hash = hash_combine64(hash, state->attno);
	}
	return hash;
}
