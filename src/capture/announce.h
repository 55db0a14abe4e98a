/*-------------------------------------------------------------------------
 *
 * announce.h
 *	  Which sources the current transaction captured.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_ANNOUNCE_H
#define PGT_ANNOUNCE_H

#include "pgt.h"

/* Something of this source was captured. */
extern void capture_note(Oid source);

extern void capture_announce_init(void);

#endif							/* PGT_ANNOUNCE_H */
