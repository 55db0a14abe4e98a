/*-------------------------------------------------------------------------
 *
 * scale_units.c
 *	  How many decimal places a sum of numerics must have.
 *
 * sum() shows as many decimal places as the longest of its inputs has, and
 * avg() divides by them.  A sum kept by adding and subtracting does not know
 * when the longest has gone.  So a group keeps, in one number,
 *
 *		units = sum over its values x of  B ^ scale(x),		B = 10^12
 *
 * which is linear in the weights like the sum itself.  Its digits in base B
 * are how many values there are of each scale, none of which is negative or
 * reaches B, so the longest scale is the position of the highest digit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define DIGITS_PER_UNIT 12

/* B to a higher power would leave the range of numeric. */
#define MAX_SCALE 10000

/* Units of small scales, made once in a backend. */
#define CACHED_SCALES 32
static Numeric cached_units[CACHED_SCALES];

static Numeric
make_unit(int scale)
{
	char	   *text = psprintf("1e%d", scale * DIGITS_PER_UNIT);

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

static Numeric
unit_of_scale(int scale)
{
	if (scale >= CACHED_SCALES)
		return make_unit(scale);
	if (cached_units[scale] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		cached_units[scale] = make_unit(scale);
		MemoryContextSwitchTo(old);
	}
	return cached_units[scale];
}

PG_FUNCTION_INFO_V1(pgt_scale_unit);

/* B ^ scale(x); zero for NaN and infinities; NaN where no unit can be had. */
Datum
pgt_scale_unit(PG_FUNCTION_ARGS)
{
	Numeric		value = PG_GETARG_NUMERIC(0);
	int			scale;

	if (numeric_is_nan(value) || numeric_is_inf(value))
		PG_RETURN_NUMERIC(int64_to_numeric(0));
	scale = DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(value)));
	if (scale > MAX_SCALE)
		PG_RETURN_DATUM(DirectFunctionCall3(numeric_in, CStringGetDatum("NaN"),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1)));
	PG_RETURN_NUMERIC(unit_of_scale(scale));
}

/* The longest scale in a positive number of units. */
int
scale_of_units(Numeric units)
{
	char	   *digits = numeric_normalize(units);

	return (strlen(digits) - 1) / DIGITS_PER_UNIT;
}
