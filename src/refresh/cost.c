/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  Is it cheaper to apply the changes or to compute the query anew?
 *
 * Time is taken to grow with work:
 *
 *		full  = ms(full) * rows of the sources / rows(full)
 *		delta = sum over the changed sources of ms(i) * changes / changes(i)
 *
 * where ms(x) per work(x) are moving averages of what refreshes took.  Small
 * windows and large ones run different plans and are learned apart; of a small
 * one, less work than learned is taken to cost less, more work not to cost
 * more.  So a figure is believed to be too high sooner than it is believed to
 * be too low: a wrong guess then ends in a differential refresh, which teaches
 * better.
 *
 * Every error of an estimate must be found out, and finding out must not cost
 * much.  So there is no way back and forth by small differences; and the dearer
 * kind is run again, once its figure is old, if it is not expected to be dearer
 * by more than a small part of what the other kind has taken since.
 *
 * Nothing here decides what the result is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>

#include "access/table.h"
#include "datatype/timestamp.h"
#include "optimizer/plancat.h"
#include "refresh/cost.h"
#include "utils/timestamp.h"

/* Changes of a source up to which its window is a small one. */
#define SMALL_WINDOW	2000
/* Changes below which nothing is recomputed without having seen what they take. */
#define MANY_CHANGES	10000
/* Time that is not worth thinking about. */
#define LEAST_GAIN_MS	10.0
#define HYSTERESIS		1.3
/* A change, in rows that are computed anew, as long as nobody has measured. */
#define CHANGE_IN_ROWS	2.0
/* The first small delta pays for the plan that is kept, and for cold caches. */
#define FIRST_SMALL		0.5
/* Age at which a figure is old. */
#define OLD_SECONDS		SECS_PER_HOUR
/*
 * A second look: how much dearer, and which part of the time spent since; a
 * first look at a kind that was only guessed at.
 */
#define PLAUSIBLE		4.0
#define SECOND_LOOK		0.1
#define FIRST_LOOK		1.0

/* A moving average; ms is 0 as long as nothing is known. */
typedef struct Sample
{
	double		ms;
	double		work;
} Sample;

typedef struct SourceCosts
{
	Sample		small;			/* work: changes, after consolidation */
	Sample		large;
} SourceCosts;

struct Costs
{
	Sample		full;			/* work: rows of the sources */
	double		full_at;		/* seconds since 2000 */
	double		delta_at;
	double		since_full;		/* ms of deltas that were compared since then */
	double		since_delta;	/* ms of recomputing, by choice, since then */
	bool		compared;		/* this time, too */
	bool		chosen;			/* to recompute */
	int			nsources;
	SourceCosts *sources;
};

/* How they are stored: the fixed numbers, then four for each source. */
#define FIXED_NUMBERS	6
#define SOURCE_NUMBERS	4

/* ---- stored ---- */

/* Somebody may have edited the catalog. */
static bool
usable(const LearnedCosts *learned, int nsources)
{
	if (learned->n != FIXED_NUMBERS + SOURCE_NUMBERS * nsources)
		return false;
	for (int i = 0; i < learned->n; i++)
		if (!(learned->numbers[i] >= 0 && learned->numbers[i] <= FLT_MAX))
			return false;
	return true;
}

/* Figures of another query are of no use. */
static bool
same_query(const Refresh *r)
{
	return r->st->frontier != NULL &&
		r->st->frontier->query == program_fingerprint(r->program);
}

static Sample
sample_from(const float4 *numbers)
{
	Sample		sample = {.ms = numbers[0], .work = Max(numbers[1], 1)};

	return sample;
}

Costs *
cost_load(const Refresh *r)
{
	const LearnedCosts *learned = &r->st->learned;
	int			n = r->cached->nsources;
	Costs	   *costs = palloc0(sizeof(Costs));

	costs->nsources = n;
	costs->sources = palloc0(sizeof(SourceCosts) * (n + 1));
	if (!usable(learned, n) || !same_query(r))
		return costs;

	costs->full = sample_from(learned->numbers);
	costs->full_at = learned->numbers[2];
	costs->delta_at = learned->numbers[3];
	costs->since_full = learned->numbers[4];
	costs->since_delta = learned->numbers[5];
	for (int i = 0; i < n; i++)
	{
		const float4 *numbers = learned->numbers + FIXED_NUMBERS + SOURCE_NUMBERS * i;

		costs->sources[i].small = sample_from(numbers);
		costs->sources[i].large = sample_from(numbers + 2);
	}
	return costs;
}

static float4
storable(double number)
{
	return (float4) Min(number, FLT_MAX);
}

static void
sample_to(const Sample *sample, float4 *numbers)
{
	numbers[0] = storable(sample->ms);
	numbers[1] = storable(sample->work);
}

LearnedCosts
cost_store(const Refresh *r)
{
	const Costs *costs = r->costs;
	LearnedCosts learned = {.n = FIXED_NUMBERS + SOURCE_NUMBERS * costs->nsources};

	learned.numbers = palloc(sizeof(float4) * learned.n);
	sample_to(&costs->full, learned.numbers);
	learned.numbers[2] = storable(costs->full_at);
	learned.numbers[3] = storable(costs->delta_at);
	learned.numbers[4] = storable(costs->since_full);
	learned.numbers[5] = storable(costs->since_delta);
	for (int i = 0; i < costs->nsources; i++)
	{
		float4	   *numbers = learned.numbers + FIXED_NUMBERS + SOURCE_NUMBERS * i;

		sample_to(&costs->sources[i].small, numbers);
		sample_to(&costs->sources[i].large, numbers + 2);
	}
	return learned;
}

/* ---- estimates ---- */

static double
now_seconds(void)
{
	return (double) GetCurrentTimestamp() / USECS_PER_SEC;
}

/*
 * The planner's estimate goes by pages, of which dead rows fill many after many
 * updates; no more than the changes can have come to what was counted last.
 */
static double
relation_rows(Oid relid, double changes)
{
	Relation	rel = table_open(relid, NoLock);
	double		counted = rel->rd_rel->reltuples;
	BlockNumber pages;
	double		tuples;
	double		allvisible;

	estimate_rel_size(rel, NULL, &pages, &tuples, &allvisible);
	table_close(rel, NoLock);
	if (counted > 0)
		tuples = Min(tuples, counted + changes);
	return Max(tuples, 0);
}

/* Rows that computing the query reads. */
static double
source_rows(const Refresh *r)
{
	double		rows = 0;

	for (int i = 0; i < r->cached->nsources; i++)
	{
		const CachedSource *source = &r->cached->sources[i];
		double		changes = r->windows[i].nrows;
		ListCell   *lc;

		rows += relation_rows(source->id.oid, changes);
		foreach(lc, source->partitions)
			if (lfirst_oid(lc) != source->id.oid)
				rows += relation_rows(lfirst_oid(lc), changes);
	}
	return Max(rows, 1);
}

static double
window_rows(const Refresh *r)
{
	double		rows = 0;

	for (int i = 0; i < r->cached->nsources; i++)
		rows += r->windows[i].nrows;
	return rows;
}

/* The average that a window of a source belongs to. */
static Sample *
window_sample(const Refresh *r, int i)
{
	SourceCosts *source = &r->costs->sources[i];

	return r->windows[i].nrows > SMALL_WINDOW ? &source->large : &source->small;
}

static double
sample_estimate(const Sample *sample, double work, bool large)
{
	double		ratio = work / sample->work;

	return sample->ms * (large ? ratio : Min(ratio, 1));
}

static double
window_estimate(const Refresh *r, int i)
{
	return sample_estimate(window_sample(r, i), r->windows[i].nrows,
						   r->windows[i].nrows > SMALL_WINDOW);
}

/*
 * Of the delta; false if it cannot be told.  Small windows are expected to be
 * cheap until they prove otherwise.
 */
static bool
delta_estimate(const Refresh *r, double *ms)
{
	*ms = 0;
	for (int i = 0; i < r->cached->nsources; i++)
	{
		if (r->windows[i].nrows > SMALL_WINDOW && window_sample(r, i)->ms == 0)
			return false;
		*ms += window_estimate(r, i);
	}
	return true;
}

/* ---- choice ---- */

/* Was what it is estimated from of another size? */
static bool
is_far(double work, double learned)
{
	return work > 2 * learned || work < learned / 2;
}

static bool
delta_is_far(const Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
		if (r->windows[i].nrows > 0 &&
			is_far(r->windows[i].nrows, window_sample(r, i)->work))
			return true;
	return false;
}

/*
 * Is it time to see again what the dearer kind takes, and worth it?  affordable
 * is what that may cost more; doubtful, that the estimate rests on little.
 */
static bool
look_again(double dearer, double cheaper, double affordable, double at,
		   bool doubtful)
{
	if (dearer > PLAUSIBLE * cheaper || dearer - cheaper > affordable)
		return false;
	return doubtful || now_seconds() - at >= OLD_SECONDS;
}

static const char *
full_reason(const Refresh *r, double full, double delta, const char *more)
{
	double		changes = window_rows(r);

	return psprintf("recomputing was expected to take %.*f ms, the %.0f change%s %.*f ms%s",
					full < 10 ? 1 : 0, full, changes, changes == 1 ? "" : "s",
					delta < 10 ? 1 : 0, delta, more);
}

const char *
cost_prefers_full(Refresh *r)
{
	Costs	   *costs = r->costs;
	double		delta;
	bool		known = delta_estimate(r, &delta);
	double		rows;
	double		full;
	bool		dearer;

	if (known ? delta < LEAST_GAIN_MS : window_rows(r) < MANY_CHANGES)
		return NULL;
	if (costs->full.ms == 0)
		return NULL;

	rows = source_rows(r);
	full = sample_estimate(&costs->full, rows, true);
	if (!known)
		delta = full * CHANGE_IN_ROWS * window_rows(r) / rows;
	costs->compared = true;

	/* who was cheaper last time stays unless he clearly is not */
	dearer = delta > (costs->since_delta > 0 ? full / HYSTERESIS :
					  full * HYSTERESIS + LEAST_GAIN_MS);
	if (dearer && look_again(delta, full,
							 costs->since_delta * (known ? SECOND_LOOK : FIRST_LOOK),
							 costs->delta_at, delta_is_far(r)))
		return NULL;
	if (!dearer && !look_again(full, delta, costs->since_full * SECOND_LOOK,
							   costs->full_at, is_far(rows, costs->full.work)))
		return NULL;
	costs->chosen = true;
	return full_reason(r, full, delta,
					   !dearer ? "; recomputing was tried again" :
					   delta < full ? "; recomputing had been cheaper before" : "");
}

/* ---- learning ---- */

/*
 * One stall does not decide: a figure does not more than double at once.  The
 * first one counts by a share.
 */
static void
sample_add(Sample *sample, double ms, double work, double first)
{
	double		expected;

	work = Max(work, 1);
	ms = Max(ms, 0.001);
	if (sample->ms == 0)
	{
		sample->ms = ms * first;
		sample->work = work;
		return;
	}
	expected = sample->ms * Max(work / sample->work, 1);
	sample->ms = (sample->ms + Min(ms, 3 * expected)) / 2;
	sample->work = (sample->work + work) / 2;
}

/*
 * What part of the time is a source's: as expected, if there is an expectation
 * for all, else by the number of changes.
 */
static double
window_share(const Refresh *r, int i, double estimates, double rows)
{
	return estimates > 0 ? window_estimate(r, i) / estimates :
		r->windows[i].nrows / rows;
}

static double
all_estimates(const Refresh *r)
{
	double		sum = 0;

	for (int i = 0; i < r->cached->nsources; i++)
	{
		if (r->windows[i].nrows == 0)
			continue;
		if (window_sample(r, i)->ms == 0)
			return 0;
		sum += window_estimate(r, i);
	}
	return sum;
}

void
cost_learn_delta(Refresh *r, double ms)
{
	Costs	   *costs = r->costs;
	int			n = r->cached->nsources;
	double		estimates = all_estimates(r);
	double		rows = window_rows(r);
	double	   *shares = palloc0(sizeof(double) * (n + 1));

	for (int i = 0; i < n; i++)
		if (r->windows[i].nrows > 0)
			shares[i] = window_share(r, i, estimates, rows);
	for (int i = 0; i < n; i++)
		if (r->windows[i].nrows > 0)
			sample_add(window_sample(r, i), ms * shares[i],
					   r->windows[i].nrows,
					   r->windows[i].nrows > SMALL_WINDOW ? 1 : FIRST_SMALL);
	if (costs->compared)
	{
		costs->since_full += ms;
		costs->since_delta = 0;
		costs->delta_at = now_seconds();
	}
}

void
cost_learn_full(Refresh *r, double ms)
{
	Costs	   *costs = r->costs;

	sample_add(&costs->full, ms, source_rows(r), 1);
	costs->full_at = now_seconds();
	costs->since_full = 0;
	if (costs->chosen)
		costs->since_delta += ms;
}
