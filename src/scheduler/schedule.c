/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Read a schedule: the staleness that a stream table may reach, or the
 *	  times at which it is to be refreshed.
 *
 *		schedule := duration | cron
 *		duration := part { part }		part := digits unit
 *		cron	 := [second] minute hour day month weekday | @name
 *
 * with the units w d h m s ms in strictly descending order.  The order makes
 * every text mean one thing only ("1m30s", never "30s1m" or "1s1s").  No text
 * is both: a duration has no field that is a number or a star alone.
 *
 * The times of a cron expression are those of UTC, as everything is that
 * refreshes compute.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

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
PG_FUNCTION_INFO_V1(pgt_schedule_next);

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

static bool
read_duration(const char *schedule, int64 *ms)
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

/* ---- cron ---- */

#define CRON_FIELDS		6		/* with seconds */
#define CRON_MAX_LENGTH 200		/* of the 256 that the library reads */
/* So many times of an expression are looked at for the shortest gap. */
#define CRON_GAPS		64

static const char *const cron_names[][2] = {
	{"@yearly", "0 0 0 1 1 *"},
	{"@annually", "0 0 0 1 1 *"},
	{"@monthly", "0 0 0 1 * *"},
	{"@weekly", "0 0 0 * * 0"},
	{"@daily", "0 0 0 * * *"},
	{"@midnight", "0 0 0 * * *"},
	{"@hourly", "0 0 * * * *"},
};

static int
count_fields(const char *p)
{
	int			n = 0;

	for (p = skip_blanks(p); *p != '\0'; p = skip_blanks(p))
	{
		n++;
		p += strcspn(p, " \t");
	}
	return n;
}

/* The expression as the library wants it, with seconds; NULL if it is none. */
static const char *
cron_text(const char *text)
{
	int			nfields = count_fields(text);

	for (int i = 0; i < lengthof(cron_names); i++)
		if (pg_strcasecmp(skip_blanks(text), cron_names[i][0]) == 0)
			return cron_names[i][1];
	if (strlen(text) > CRON_MAX_LENGTH ||
		(nfields != CRON_FIELDS && nfields != CRON_FIELDS - 1))
		return NULL;
	return nfields == CRON_FIELDS ? text : psprintf("0 %s", text);
}

/*
 * The library reads an expression; the next time is found here, since its own way
 * passes some over ("0 0 * 2 *" after 29 January) and gives others that do not
 * match ("* 12 1 * 3" at midnight).
 *
 *		next(t) = the least u > t whose second, minute, hour, day, month and day
 *				  of the week are all among those of the expression
 *
 * Days of UTC have all 86,400 seconds.  A date falls on each day of the week, 29
 * February included, within any 40 years; so what matches none of those days
 * never comes.
 */
#define CRON_DAYS		(41 * 366)

static bool
has(const uint8 *bits, int n)
{
	return (bits[n / 8] >> (n % 8) & 1) != 0;
}

/* The first second of a day that matches, from the given one on, or SECS_PER_DAY. */
static int
cron_second(const cron_expr *cron, int from)
{
	for (int minute = from / SECS_PER_MINUTE; minute < HOURS_PER_DAY * MINS_PER_HOUR; minute++)
	{
		if (!has(cron->hours, minute / MINS_PER_HOUR) || !has(cron->minutes, minute % MINS_PER_HOUR))
			continue;
		for (int second = Max(from - minute * SECS_PER_MINUTE, 0); second < SECS_PER_MINUTE; second++)
			if (has(cron->seconds, second))
				return minute * SECS_PER_MINUTE + second;
	}
	return SECS_PER_DAY;
}

/* -1 if there is none */
static pg_time_t
cron_after(const cron_expr *cron, pg_time_t t)
{
	int			day = (t + 1) / SECS_PER_DAY - ((t + 1) % SECS_PER_DAY < 0);
	int			from = t + 1 - (pg_time_t) day * SECS_PER_DAY;

	for (int i = 0; i < CRON_DAYS; i++)
	{
		int			year;
		int			month;
		int			dom;
		int			second = SECS_PER_DAY;

		j2date(day + UNIX_EPOCH_JDATE, &year, &month, &dom);
		if (has(cron->months, month - 1) && has(cron->days_of_month, dom) &&
			has(cron->days_of_week, j2day(day + UNIX_EPOCH_JDATE)))
			second = cron_second(cron, from);
		if (second < SECS_PER_DAY)
			return (pg_time_t) day * SECS_PER_DAY + second;
		from = 0;
		day++;
	}
	return -1;
}

/* The shortest time between two of the next times; false if there is none. */
static bool
cron_gap(const cron_expr *cron, int64 *us)
{
	pg_time_t	first = cron_after(cron, timestamptz_to_time_t(GetCurrentTimestamp()));
	pg_time_t	at = first;

	*us = USECS_PER_DAY * 365;
	for (int i = 0; i < CRON_GAPS && at != (pg_time_t) -1; i++)
	{
		pg_time_t	next = cron_after(cron, at);

		if (next != (pg_time_t) -1)
			*us = Min(*us, (next - at) * USECS_PER_SEC);
		at = next;
	}
	return first != (pg_time_t) -1;
}

static bool
read_cron(const char *text, Schedule *schedule)
{
	const char *expression = cron_text(text);
	const char *error = NULL;

	if (expression == NULL)
		return false;
	cron_parse_expr(expression, &schedule->cron, &error);
	return error == NULL && cron_gap(&schedule->cron, &schedule->us);
}

/* ---- either ---- */

bool
schedule_read(const char *text, Schedule *schedule)
{
	int64		ms;

	memset(schedule, 0, sizeof(*schedule));
	if (read_duration(text, &ms))
	{
		schedule->us = ms * 1000;
		return true;
	}
	schedule->is_cron = true;
	return read_cron(text, schedule);
}

void
schedule_check(const char *text)
{
	Schedule	schedule;

	if (!schedule_read(text, &schedule))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schedule: \"%s\"", text),
				 errhint("%s", SCHEDULE_HINT)));
}

TimestampTz
schedule_next(const Schedule *schedule, TimestampTz shown)
{
	pg_time_t	next;

	if (!schedule->is_cron)
		return shown + schedule->us;
	next = cron_after(&schedule->cron, timestamptz_to_time_t(shown));
	return next == (pg_time_t) -1 ? DT_NOEND : time_t_to_timestamptz(next);
}

/* SQL: parse_duration_seconds(text), whole seconds, the rest cut off. */
Datum
pgt_parse_duration_seconds(PG_FUNCTION_ARGS)
{
	char	   *duration = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int64		ms;

	if (!read_duration(duration, &ms))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid duration: \"%s\"", duration),
				 errhint("Use numbers with the units w, d, h, m, s and ms, largest first, for example \"200ms\", \"5m\" or \"1h30m\".")));
	PG_RETURN_INT64(ms / 1000);
}

/* SQL: schedule_next(schedule text, shown timestamptz) */
Datum
pgt_schedule_next(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz shown = PG_GETARG_TIMESTAMPTZ(1);
	Schedule	schedule;

	schedule_check(string);
	(void) schedule_read(string, &schedule);
	if (TIMESTAMP_NOT_FINITE(shown))
		PG_RETURN_TIMESTAMPTZ(shown);
	PG_RETURN_TIMESTAMPTZ(schedule_next(&schedule, shown));
}
