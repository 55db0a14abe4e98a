/*-------------------------------------------------------------------------
 *
 * stable_name.c
 *	  Stable names of sources, and the names of what we make for them.
 *
 *		stable name = hex(FNV-1a-64(<database oid>/<schema>.<table>))
 *
 * It is computed when the source is first tracked, and stored; what the table
 * or its schema is called later does not matter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <inttypes.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "capture/capture.h"

PG_FUNCTION_INFO_V1(pgt_stable_hash);

#define FNV_OFFSET	UINT64CONST(0xcbf29ce484222325)
#define FNV_PRIME	UINT64CONST(0x00000100000001b3)

static const char *const object_prefixes[] = {
	[SOURCE_OBJECT_BUFFER] = "changes_",
	[SOURCE_OBJECT_TRIGGER_INSERT] = "pg_trickle_cdc_ins_",
	[SOURCE_OBJECT_TRIGGER_UPDATE] = "pg_trickle_cdc_upd_",
	[SOURCE_OBJECT_TRIGGER_DELETE] = "pg_trickle_cdc_del_",
	[SOURCE_OBJECT_TRIGGER_TRUNCATE] = "pg_trickle_cdc_trunc_",
	[SOURCE_OBJECT_TRIGGER_ROW] = "pg_trickle_cdc_row_",
	[SOURCE_OBJECT_FUNCTION] = "pg_trickle_cdc_fn_",
};

void
stable_hash(const char *data, size_t len, char *out)
{
	uint64		hash = FNV_OFFSET;

	for (size_t i = 0; i < len; i++)
	{
		hash ^= (unsigned char) data[i];
		hash *= FNV_PRIME;
	}
	snprintf(out, PGT_STABLE_NAME_LEN + 1, "%016" PRIx64, hash);
}

Datum
pgt_stable_hash(PG_FUNCTION_ARGS)
{
	text	   *data = PG_GETARG_TEXT_PP(0);
	char		out[PGT_STABLE_NAME_LEN + 1];

	stable_hash(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), out);
	PG_RETURN_TEXT_P(cstring_to_text(out));
}

const char *
source_key(const SourceIdentifier *source)
{
	if (source->stable_name[0] != '\0')
		return source->stable_name;
	return psprintf("%u", source->oid);
}

const char *
source_object_name(SourceObject kind, const SourceIdentifier *source)
{
	return psprintf("%s%s", object_prefixes[kind], source_key(source));
}

bool
source_object_is(SourceObject kind, const char *name)
{
	return strncmp(name, object_prefixes[kind], strlen(object_prefixes[kind])) == 0;
}
