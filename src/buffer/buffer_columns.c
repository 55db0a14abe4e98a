/*-------------------------------------------------------------------------
 *
 * buffer_columns.c
 *	  Which column of a buffer holds which column of its source.
 *
 * The name says it: c<attnum>.  Attribute numbers of a table are never used
 * twice, so a column that was dropped and made again has another name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "buffer/buffer.h"
#include "buffer/buffer_columns.h"

AttrNumber
buffer_source_column(Form_pg_attribute att)
{
	const char *name = NameStr(att->attname);

	if (att->attisdropped || name[0] != 'c')
		return InvalidAttrNumber;
	return (AttrNumber) atoi(name + 1);
}

AttrNumber
buffer_column(TupleDesc buffer, AttrNumber source_column)
{
	for (int i = BUFFER_FIXED_ATTRS; i < buffer->natts; i++)
		if (buffer_source_column(TupleDescAttr(buffer, i)) == source_column)
			return i + 1;
	return InvalidAttrNumber;
}

bool
buffer_column_matches(Form_pg_attribute buffer, Form_pg_attribute source)
{
	return !source->attisdropped &&
		buffer->atttypid == getBaseType(source->atttypid);
}
