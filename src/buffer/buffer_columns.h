/*-------------------------------------------------------------------------
 *
 * buffer_columns.h
 *	  Which column of a buffer holds which column of its source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_BUFFER_COLUMNS_H
#define PGT_BUFFER_COLUMNS_H

#include "pgt.h"
#include "access/tupdesc.h"
#include "catalog/pg_attribute.h"

/* Source column behind a buffer's column, or 0 if it was dropped. */
extern AttrNumber buffer_source_column(Form_pg_attribute att);

/* Buffer column that holds a source column, or 0. */
extern AttrNumber buffer_column(TupleDesc buffer, AttrNumber source_column);

/* Can values of the source's column be stored in the buffer's? */
extern bool buffer_column_matches(Form_pg_attribute buffer, Form_pg_attribute source);

#endif							/* PGT_BUFFER_COLUMNS_H */
