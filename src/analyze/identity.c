/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Which output columns recognise a row of the result.
 *
 * An aggregated result is recognised by its group keys.  A single branch is
 * recognised by the union of primary keys of its scans, less those that the
 * others determine: if an equality condition of the branch binds every column
 * of a scan's primary key to a column of a scan already determined, or to a
 * constant, then at most one row of it goes with each combination of the
 * others.  The key of a stream table, which its index enforces, may hold NULLs;
 * so may an identity, and an equality condition binds none of them.  All the key's columns must be outputs.  Everything else is a bag.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "analyze/analyze_internal.h"
#include "catalog/catalog.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* A text key longer than this might not fit into a btree page. */
#define MAX_BOUNDED_KEY 256

/* Can a btree entry always hold a value of this type? */
static bool
type_is_bounded(Oid type, int32 typmod)
{
	Oid			base = getBaseTypeAndTypmod(type, &typmod);

	if (get_typlen(base) > 0)
		return true;
	switch (base)
	{
		case NUMERICOID:
			return true;
		case VARCHAROID:
		case BPCHAROID:
			return typmod > 0 && typmod <= MAX_BOUNDED_KEY;
		case BITOID:
		case VARBITOID:
			return typmod > 0 && typmod <= MAX_BOUNDED_KEY * 8;
		case INETOID:
		case CIDROID:
			return true;
		default:
			return false;
	}
}

bool
type_fits_index(Oid type, int32 typmod)
{
	return type_is_bounded(type, typmod) &&
		OidIsValid(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf);
}

/*
 * Attributes can be added to a composite type; the values that are stored keep
 * their hashes, and the new ones get others.
 */
static bool
type_is_composite(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	return type_is_rowtype(OidIsValid(element) ? element : base);
}

static bool
add_key(Identity *identity, int position, const OutputColumn *column,
		bool *hashable, const char **reason)
{
	TypeCacheEntry *type = lookup_type_cache(column->type,
											 TYPECACHE_EQ_OPR |
											 TYPECACHE_BTREE_OPFAMILY |
											 TYPECACHE_HASH_EXTENDED_PROC);
	int			i = identity->nkeys;

	if (type_is_composite(column->type))
	{
		*reason = "a group key of a composite type is recomputed";
		return false;
	}
	if (!OidIsValid(type->eq_opr))
	{
		*reason = psprintf("type %s has no equality operator to group by",
						   format_type_be(column->type));
		return false;
	}
	if (!OidIsValid(type->hash_extended_proc))
		*hashable = false;
	if (!OidIsValid(type->btree_opf) ||
		!type_is_bounded(column->type, column->typmod))
		identity->kind = IDENTITY_KEY_HASH;
	identity->keys[i] = position;
	identity->eqops[i] = type->eq_opr;
	identity->collations[i] = column->collation;
	identity->nkeys++;
	return true;
}

/* Position of group key k (1-based) among the outputs, or -k. */
static int
group_key_position(const QueryTree *tree, int k)
{
	int			position = 0;
	ListCell   *lc;

	foreach(lc, tree->outputs)
	{
		Var		   *var = (Var *) ((OutputColumn *) lfirst(lc))->expr;

		position++;
		if (IsA(var, Var) && var->varattno == k)
			return position;
	}
	return -k;
}

static bool
derive_group(const QueryTree *tree, Identity *identity, const char **reason)
{
	bool		hashable = true;
	int			k = 0;
	ListCell   *lc;

	if (tree->nkeys == 0)
	{
		identity->kind = IDENTITY_SINGLE;
		return true;
	}
	identity->kind = IDENTITY_KEY;
	foreach(lc, tree->keytypes)
	{
		k++;
		if (!add_key(identity, group_key_position(tree, k), lfirst(lc),
					 &hashable, reason))
			return false;
	}
	if (identity->kind == IDENTITY_KEY_HASH && !hashable)
	{
		*reason = "a group key has a type that cannot be hashed";
		return false;
	}
	return true;
}

/* Does the index tell rows apart as an identity does, NULLs being equal? */
static bool
index_is_identity(Oid relid)
{
	Relation	index = index_open(relid, AccessShareLock);
	bool		result = index->rd_index->indisunique &&
		index->rd_index->indnullsnotdistinct &&
		RelationGetIndexPredicate(index) == NIL &&
		RelationGetIndexExpressions(index) == NIL;

	for (int i = 0; result && i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(index->rd_index->indrelid,
							  index->rd_index->indkey.values[i],
							  &type, &typmod, &collation);
		result = index->rd_indcollation[i] == collation &&
			index->rd_opfamily[i] ==
			lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	}
	index_close(index, NoLock);
	return result;
}

/* A stream table has no primary key, but an index by which its rows are found. */
static Oid
stream_table_key(Relation rel)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
		if (index_is_identity(lfirst_oid(lc)))
			return lfirst_oid(lc);
	return InvalidOid;
}

/*
 * Columns of the primary key of a relation, or of what serves a stream table as
 * one; NIL if there is none we may use.
 */
static List *
primary_key(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			pkey = RelationGetPrimaryKeyIndex_compat(rel);
	List	   *result = NIL;

	if (!OidIsValid(pkey) && stream_table_exists(relid))
		pkey = stream_table_key(rel);
	if (OidIsValid(pkey))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(pkey));
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		if (index->indimmediate && index->indisvalid)
			for (int i = 0; i < index->indnkeyatts; i++)
				result = lappend_int(result, index->indkey.values[i]);
		ReleaseSysCache(tuple);
	}
	table_close(rel, NoLock);
	return result;
}

/* Columns of a factor that are a key of it, NIL if there is none. */
static List *
factor_key(const Factor *factor)
{
	if (OidIsValid(factor->relid))
		return primary_key(factor->relid);
	return factor->stage != NULL ? factor->stage->unique : NIL;
}

static bool
factor_is_single_row(const Factor *factor)
{
	return factor->stage != NULL && factor->stage->single_row;
}

/*
 * Is (scan, attno) bound by an equality condition to a constant or to a column
 * of a scan in determined?
 */
static bool
column_is_bound(const Branch *branch, int scan, AttrNumber attno,
				const Bitmapset *determined)
{
	ListCell   *lc;

	foreach(lc, branch->quals)
	{
		OpExpr	   *op = lfirst(lc);

		if (!IsA(op, OpExpr) || list_length(op->args) != 2)
			continue;
		for (int side = 0; side < 2; side++)
		{
			Var		   *var = (Var *) strip_relabel(list_nth(op->args, side));
			Node	   *other = strip_relabel(list_nth(op->args, 1 - side));

			if (!IsA(var, Var) || var->varno != scan || var->varattno != attno)
				continue;
			/* the very equality that the primary key's index enforces */
			if (lookup_type_cache(var->vartype, TYPECACHE_EQ_OPR)->eq_opr != op->opno ||
				op->inputcollid != var->varcollid)
				continue;
			if (IsA(other, Const))
				return true;
			if (IsA(other, Var) &&
				bms_is_member(((Var *) other)->varno, determined))
				return true;
		}
	}
	return false;
}

static bool
scan_is_determined(const Branch *branch, int scan, List *pkey,
				   const Bitmapset *determined)
{
	ListCell   *lc;

	if (factor_is_single_row(list_nth(branch->factors, scan - 1)))
		return true;
	foreach(lc, pkey)
		if (!column_is_bound(branch, scan, lfirst_int(lc), determined))
			return false;
	return pkey != NIL;
}

/* Everything that follows from the scans in the set. */
static Bitmapset *
closure(const Branch *branch, List *pkeys, Bitmapset *determined)
{
	bool		grown;

	do
	{
		int			scan = 0;
		ListCell   *lc;

		grown = false;
		foreach(lc, pkeys)
		{
			scan++;
			if (!bms_is_member(scan, determined) &&
				scan_is_determined(branch, scan, lfirst(lc), determined))
			{
				determined = bms_add_member(determined, scan);
				grown = true;
			}
		}
	} while (grown);
	return determined;
}

/* Scans whose primary keys together identify a row of the branch. */
static Bitmapset *
key_scans(const Branch *branch, List *pkeys)
{
	int			nscans = list_length(branch->factors);
	Bitmapset  *needed = bms_add_range(NULL, 1, nscans);

	for (int scan = nscans; scan >= 1; scan--)
	{
		Bitmapset  *rest = bms_del_member(bms_copy(needed), scan);

		rest = closure(branch, pkeys, rest);
		if (bms_num_members(rest) == nscans)
			needed = bms_del_member(needed, scan);
	}
	return needed;
}

static int
target_position(const Branch *branch, int scan, AttrNumber attno)
{
	int			position = 0;
	ListCell   *lc;

	foreach(lc, branch->targets)
	{
		Var		   *var = lfirst(lc);

		position++;
		if (IsA(var, Var) && var->varno == scan && var->varattno == attno)
			return position;
	}
	return 0;
}

/* The columns that recognise a row of a branch; false if none are known. */
static bool
branch_key(const Branch *branch, List **key, bool *one_scan)
{
	List	   *keys = NIL;
	Bitmapset  *needed;
	int			scan = -1;
	ListCell   *lc;

	*key = NIL;
	foreach(lc, branch->factors)
		keys = lappend(keys, factor_key(lfirst(lc)));
	if (expression_returns_set((Node *) branch->targets))
		return false;

	needed = key_scans(branch, keys);
	*one_scan = bms_num_members(needed) == 1;
	while ((scan = bms_next_member(needed, scan)) >= 0)
	{
		List	   *columns = list_nth(keys, scan - 1);

		if (columns == NIL)
			return false;
		foreach(lc, columns)
		{
			int			position = target_position(branch, scan, lfirst_int(lc));

			if (position == 0)
				return false;
			*key = list_append_unique_int(*key, position);
		}
	}
	return *key != NIL;
}

List *
branches_unique(List *branches)
{
	List	   *key;
	bool		one_scan;

	return list_length(branches) == 1 &&
		branch_key(linitial(branches), &key, &one_scan) ? key : NIL;
}

/* Try to prove a key of the only branch; false leaves a bag. */
static bool
derive_primary_key(const QueryTree *tree, Identity *identity)
{
	List	   *key;
	bool		one_scan;
	bool		hashable = true;
	ListCell   *lc;

	if (!branch_key(linitial(tree->branches), &key, &one_scan))
		return false;
	foreach(lc, key)
	{
		const char *reason;

		if (!add_key(identity, lfirst_int(lc),
					 list_nth(tree->outputs, lfirst_int(lc) - 1), &hashable, &reason))
			return false;
	}
	/* one primary key fits into an index, since it is in one */
	if (one_scan && OidIsValid(((Factor *) linitial(((Branch *) linitial(tree->branches))->factors))->relid))
		identity->kind = IDENTITY_KEY;
	return identity->kind == IDENTITY_KEY || hashable;
}

bool
identity_derive(const QueryTree *tree, Identity *identity, const char **reason)
{
	int			maxkeys = list_length(tree->outputs) + list_length(tree->keytypes);

	memset(identity, 0, sizeof(Identity));
	identity->keys = palloc0(sizeof(AttrNumber) * (maxkeys + 1));
	identity->eqops = palloc0(sizeof(Oid) * (maxkeys + 1));
	identity->collations = palloc0(sizeof(Oid) * (maxkeys + 1));

	if (tree->reason == NULL && tree->aggregated)
		return derive_group(tree, identity, reason);

	identity->kind = IDENTITY_KEY;
	if (tree->reason == NULL && list_length(tree->branches) == 1 &&
		derive_primary_key(tree, identity))
		return true;

	identity->kind = IDENTITY_BAG;
	identity->nkeys = 0;
	return true;
}
