/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Read a schedule: the staleness that a stream table may reach.
 *
 *		schedule := part { part }		part := digits unit
 *
 * with the units w d h m s ms in strictly descending order.  The order makes
 * every text mean one thing only ("1m30s", never "30s1m" or "1s1s").
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "scheduler/scheduler.h"

typedef struct ScheduleUnit
{
	const char *name;
	int64		ms;
} ScheduleUnit;

/* Largest first; "ms" never meets "m" because units are matched whole. */
static const ScheduleUnit units[] = {
	{"w", INT64CONST(7) * 24 * 3600 * 1000},
	{"d", INT64CONST(24) * 3600 * 1000},
	{"h", INT64CONST(3600) * 1000},
	{"m", INT64CONST(60) * 1000},
	{"s", INT64CONST(1000)},
	{"ms", INT64CONST(1)},
};

/* Far below where a timestamp plus a schedule would overflow. */
#define MAX_SCHEDULE_MS (INT64CONST(5200) * 7 * 24 * 3600 * 1000)

PG_FUNCTION_INFO_V1(pgt_parse_duration_seconds);

static const char *
skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

static const char *
read_number(const char *p, int64 *number)
{
	if (*p < '0' || *p > '9')
		return NULL;

	for (*number = 0; *p >= '0' && *p <= '9'; p++)
	{
		if (pg_mul_s64_overflow(*number, 10, number) ||
			pg_add_s64_overflow(*number, *p - '0', number))
			return NULL;
	}
	return p;
}

/* Finds the unit at p among those from *next on, and moves *next behind it. */
static const char *
read_unit(const char *p, int *next, int64 *unit_ms)
{
	size_t		len = 0;

	while (p[len] >= 'a' && p[len] <= 'z')
		len++;

	for (int i = *next; i < lengthof(units); i++)
	{
		if (strlen(units[i].name) == len &&
			memcmp(units[i].name, p, len) == 0)
		{
			*next = i + 1;
			*unit_ms = units[i].ms;
			return p + len;
		}
	}
	return NULL;
}

bool
schedule_try_parse_ms(const char *schedule, int64 *ms)
{
	const char *p = skip_blanks(schedule);
	int			next = 0;

	*ms = 0;
	if (*p == '\0')
		return false;

	while (*p != '\0')
	{
		int64		number;
		int64		unit_ms;

		p = read_number(p, &number);
		if (p == NULL)
			return false;
		p = read_unit(skip_blanks(p), &next, &unit_ms);
		if (p == NULL)
			return false;

		if (pg_mul_s64_overflow(number, unit_ms, &number) ||
			pg_add_s64_overflow(*ms, number, ms))
			return false;
		p = skip_blanks(p);
	}

	return *ms <= MAX_SCHEDULE_MS;
}

static int64
parse_or_raise(const char *text, const char *what)
{
	int64		ms;

	if (!schedule_try_parse_ms(text, &ms))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: \"%s\"", what, text),
				 errhint("%s", SCHEDULE_HINT)));
	return ms;
}

int64
schedule_parse_ms(const char *schedule)
{
	/* a check hook guards the setting */
	return parse_or_raise(schedule ? schedule : pgt_default_schedule, "schedule");
}

/* SQL: parse_duration_seconds(text), whole seconds, the rest cut off. */
Datum
pgt_parse_duration_seconds(PG_FUNCTION_ARGS)
{
	char	   *duration = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_INT64(parse_or_raise(duration, "duration") / 1000);
}
