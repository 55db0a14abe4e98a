/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  What makes two rows the same: keys, images and their hashes.
 *
 *		row id = hash of the keys		(IDENTITY_KEY_HASH)
 *		row id = hash of the image		(IDENTITY_BAG)
 *
 * Equal keys have equal hashes, and so have equal images; nothing follows from
 * equal hashes, so whoever finds a row by its row id compares again.  The image
 * is every column but __pgt_row_id itself and dropped ones, detoasted: the same
 * value may be stored compressed, out of line, or neither.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/detoast.h"
#include "access/nbtree.h"
#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "apply/apply_internal.h"

/* A test build narrows it to see rows meet under one hash. */
#ifndef PGT_ROW_ID_MASK
#define PGT_ROW_ID_MASK UINT64_MAX
#endif

#define HASH_OF_NULL UINT64CONST(0x9ae16a3b2f90404f)

/*
 * A value passed by value may come with anything in the bits above its width.
 */
static inline uint64
byval_bits(Datum value, int16 typlen)
{
	switch (typlen)
	{
		case 1:
			return (uint8) value;
		case 2:
			return (uint16) value;
		case 4:
			return (uint32) value;
		default:
			return (uint64) value;
	}
}

static uint64
image_datum_hash(Datum value, bool typbyval, int16 typlen)
{
	uint64		result;

	if (typbyval)
	{
		uint64		bits = byval_bits(value, typlen);

		return hash_bytes_extended((unsigned char *) &bits, sizeof(bits), 0);
	}
	if (typlen == -1)
	{
		struct varlena *data = PG_DETOAST_DATUM_PACKED(value);

		result = hash_bytes_extended((unsigned char *) VARDATA_ANY(data),
									 VARSIZE_ANY_EXHDR(data), 0);
		if ((Pointer) data != DatumGetPointer(value))
			pfree(data);
		return result;
	}
	return hash_bytes_extended((unsigned char *) DatumGetPointer(value),
							   datumGetSize(value, false, typlen), 0);
}

bool
image_datum_equal(Datum value1, Datum value2, bool typbyval, int16 typlen)
{
	if (typbyval)
		return byval_bits(value1, typlen) == byval_bits(value2, typlen);
	if (value1 == value2)
		return true;
	return datum_image_eq(value1, value2, false, typlen);
}

/*
 * How to hash a key so that values equal by its btree operator hash equally.
 */
static void
key_hash_init(ApplyState *state, KeyColumn *key)
{
	Oid			type = TupleDescAttr(state->desc, key->att)->atttypid;
	TypeCacheEntry *cache;
	Oid			equal_image;

	key->hash_ready = true;
	cache = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC |
							  TYPECACHE_BTREE_OPFAMILY);
	if (OidIsValid(cache->hash_extended_proc))
	{
		key->hash_kind = KEY_HASH_PROC;
		fmgr_info_cxt(cache->hash_extended_proc, &key->hash, state->context);
		return;
	}

	key->hash_kind = KEY_HASH_NONE;
	if (!OidIsValid(cache->btree_opf))
		return;
	equal_image = get_opfamily_proc(cache->btree_opf, cache->btree_opintype,
									cache->btree_opintype, BTEQUALIMAGE_PROC);
	if (OidIsValid(equal_image) &&
		DatumGetBool(OidFunctionCall1Coll(equal_image, key->collation,
										  ObjectIdGetDatum(cache->btree_opintype))))
		key->hash_kind = KEY_HASH_IMAGE;
}

static uint64
key_datum_hash(ApplyState *state, KeyColumn *key, Datum value, bool isnull)
{
	if (isnull)
		return HASH_OF_NULL;
	if (!key->hash_ready)
		key_hash_init(state, key);
	switch (key->hash_kind)
	{
		case KEY_HASH_PROC:
			return DatumGetUInt64(FunctionCall2Coll(&key->hash, key->collation,
													value, Int64GetDatum(0)));
		case KEY_HASH_IMAGE:
			return image_datum_hash(value, key->typbyval, key->typlen);
		case KEY_HASH_NONE:
			break;
	}
	return 0;
}

static void
keys_init(ApplyState *state)
{
	const Identity *identity = state->identity;

	state->keys = palloc0(sizeof(KeyColumn) * Max(identity->nkeys, 1));
	for (int i = 0; i < identity->nkeys; i++)
	{
		KeyColumn  *key = &state->keys[i];
		Form_pg_attribute att = TupleDescAttr(state->desc, identity->keys[i] - 1);

		key->att = identity->keys[i] - 1;
		key->collation = identity->collations[i];
		key->typbyval = att->attbyval;
		key->typlen = att->attlen;
		fmgr_info_cxt(get_opcode(identity->eqops[i]), &key->eq, state->context);
	}
}

void
identity_init(ApplyState *state)
{
	TupleDesc	desc = state->desc;

	state->image = palloc(sizeof(int) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped &&
			i != state->identity->row_id - 1)
			state->image[state->nimage++] = i;
	}
	keys_init(state);
}

uint64
identity_key_hash(ApplyState *state, const Datum *keys, const bool *isnull)
{
	uint64		hash = 0;

	for (int i = 0; i < state->identity->nkeys; i++)
		hash = hash_combine64(hash, key_datum_hash(state, &state->keys[i],
												   keys[i], isnull[i]));
	return hash & PGT_ROW_ID_MASK;
}

static uint64
image_hash(ApplyState *state, const Datum *values, const bool *isnull)
{
	uint64		hash = 0;

	for (int i = 0; i < state->nimage; i++)
	{
		int			n = state->image[i];
		Form_pg_attribute att = TupleDescAttr(state->desc, n);

		hash = hash_combine64(hash, isnull[n] ? HASH_OF_NULL :
							  image_datum_hash(values[n], att->attbyval,
											   att->attlen));
	}
	return hash;
}

uint32
identity_image_hash32(ApplyState *state, const Datum *values,
					  const bool *isnull)
{
	return (uint32) image_hash(state, values, isnull);
}

int64
identity_row_id(ApplyState *state, const Datum *values, const bool *isnull)
{
	uint64		hash = 0;

	if (state->identity->kind == IDENTITY_BAG)
		return (int64) (image_hash(state, values, isnull) & PGT_ROW_ID_MASK);

	for (int i = 0; i < state->identity->nkeys; i++)
	{
		KeyColumn  *key = &state->keys[i];

		hash = hash_combine64(hash, key_datum_hash(state, key, values[key->att],
												   isnull[key->att]));
	}
	return (int64) (hash & PGT_ROW_ID_MASK);
}

bool
identity_same_key(ApplyState *state, const Datum *row1, const bool *isnull1,
				  const Datum *row2, const bool *isnull2, bool keys_only)
{
	for (int i = 0; i < state->identity->nkeys; i++)
	{
		KeyColumn  *key = &state->keys[i];
		int			n1 = key->att;
		int			n2 = keys_only ? i : key->att;

		if (isnull1[n1] != isnull2[n2])
			return false;
		if (!isnull1[n1] &&
			!DatumGetBool(FunctionCall2Coll(&key->eq, key->collation,
											row1[n1], row2[n2])))
			return false;
	}
	return true;
}

bool
identity_same_image(ApplyState *state, const Datum *row1, const bool *isnull1,
					const Datum *row2, const bool *isnull2)
{
	for (int i = 0; i < state->nimage; i++)
	{
		int			n = state->image[i];
		Form_pg_attribute att = TupleDescAttr(state->desc, n);

		if (isnull1[n] != isnull2[n])
			return false;
		if (!isnull1[n] && !image_datum_equal(row1[n], row2[n],
											  att->attbyval, att->attlen))
			return false;
	}
	return true;
}
