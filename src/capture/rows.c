/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Changed rows of one relation on their way to one buffer.
 *
 * They come from the triggers of a table, or from apply, which captures what
 * it does to a stream table that other stream tables read:
 *
 *		INSERT: (+1, new)	DELETE: (-1, old)	UPDATE: (-1, old) (+1, new)
 *
 * As apply is the only writer of a stream table, and sees the stored image of
 * each row that it changes, no trigger is needed there, and a trigger would
 * keep apply from writing through the access method.  It calls here in the
 * transaction, or subtransaction, that makes the change, which is all that
 * readers of a buffer rely on.
 *
 * Nothing is written, and the transaction gets no id, before the first row.
 *
 * Locks:  RowExclusiveLock on the buffer, to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/table.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "capture/announce.h"
#include "capture/capture.h"
#include "capture/rows.h"

/* The caller is in rows->context, as for every call of the writer. */
static BufferWriter *
rows_writer(CaptureRows *rows)
{
	if (rows->writer == NULL)
	{
		rows->writer = buffer_writer_begin(rows->buffer, rows->target->ncolumns,
										   rows->target->columns);
		capture_note(rows->target->source);
	}
	return rows->writer;
}

void
capture_rows_add(CaptureRows *rows, int w, const Datum *values, const bool *isnull)
{
	MemoryContext save = MemoryContextSwitchTo(rows->context);

	buffer_writer_add(rows_writer(rows), w, values, isnull);
	MemoryContextSwitchTo(save);
}

/* The same value in the same place of a TOAST table? */
static bool
same_toast_pointer(Datum a, Datum b)
{
	struct varlena *x = (struct varlena *) DatumGetPointer(a);
	struct varlena *y = (struct varlena *) DatumGetPointer(b);

	return VARATT_IS_EXTERNAL_ONDISK(x) && VARATT_IS_EXTERNAL_ONDISK(y) &&
		memcmp(x, y, VARSIZE_EXTERNAL(x)) == 0;
}

static bool
same_image(const CaptureRows *rows, const Datum *a, const bool *a_isnull,
		   const Datum *b, const bool *b_isnull)
{
	const CaptureTarget *target = rows->target;

	for (int i = 0; i < target->ncolumns; i++)
	{
		int			n = target->columns[i] - 1;
		Form_pg_attribute att;

		if (n < 0)
			continue;
		if (a_isnull[n] != b_isnull[n])
			return false;
		if (a_isnull[n])
			continue;
		att = TupleDescAttr(rows->desc, n);
		if (att->attbyval)
		{
			if (a[n] != b[n])
				return false;
		}
		else if (!(att->attlen == -1 && same_toast_pointer(a[n], b[n])) &&
				 !datum_image_eq(a[n], b[n], false, att->attlen))
			return false;
	}
	return true;
}

void
capture_rows_update(CaptureRows *rows,
					const Datum *old_values, const bool *old_isnull,
					const Datum *new_values, const bool *new_isnull)
{
	if (same_image(rows, old_values, old_isnull, new_values, new_isnull))
		return;
	capture_rows_add(rows, -1, old_values, old_isnull);
	capture_rows_add(rows, 1, new_values, new_isnull);
}

void
capture_rows_marker(CaptureRows *rows)
{
	buffer_writer_marker(rows_writer(rows));
}

void
capture_rows_end(CaptureRows *rows)
{
	MemoryContext save = MemoryContextSwitchTo(rows->context);

	if (rows->writer)
		buffer_writer_end(rows->writer);
	MemoryContextSwitchTo(save);
	table_close(rows->buffer, NoLock);
}

CaptureRows *
capture_applied_begin(Relation st)
{
	const CaptureTarget *target;
	Relation	buffer = capture_applied_open(st, &target);
	CaptureRows *rows;

	if (buffer == NULL)
		return NULL;
	rows = palloc0(sizeof(CaptureRows));
	rows->context = CurrentMemoryContext;
	rows->buffer = buffer;
	rows->target = capture_target_copy(target);
	rows->desc = RelationGetDescr(st);
	return rows;
}
