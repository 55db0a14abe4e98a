/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  Which databases there are, for workers that are connected to none:
 *	  pg_database is shared.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog/catalog.h"

void
databases_scan(void (*note) (const FormData_pg_database *form))
{
	MemoryContext save = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	MemoryContextSwitchTo(save);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		const FormData_pg_database *form = (Form_pg_database) GETSTRUCT(tuple);

		/* a limit below -1 marks what an interrupted DROP DATABASE left */
		if (form->datallowconn && !form->datistemplate && form->datconnlimit >= -1)
			note(form);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(save);
}
