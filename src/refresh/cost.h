/*-------------------------------------------------------------------------
 *
 * cost.h
 *	  What refreshes of a stream table have cost, and which kind is cheaper.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_COST_H
#define PGT_COST_H

#include "refresh/member.h"

/* What is known of the stream table; its program is at hand. */
extern Costs *cost_load(const Refresh *r);

/*
 * The windows were read: why their changes should not be applied, but the
 * query computed anew, in words; NULL if they should.
 */
extern const char *cost_prefers_full(Refresh *r);

/* That took so long, once the windows were read. */
extern void cost_learn_delta(Refresh *r, double ms);
extern void cost_learn_full(Refresh *r, double ms);

/* For the catalog. */
extern LearnedCosts cost_store(const Refresh *r);

#endif							/* PGT_COST_H */
