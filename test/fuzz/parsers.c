/*-------------------------------------------------------------------------
 *
 * parsers.c
 *	  Random texts for the parser of schedules and durations.
 *
 *		usage: parsers SECONDS [SEED]
 *
 * The parser is linked as the server has it, with the sanitizers, and with
 * stand-ins for the few functions of the server that it calls; what it
 * allocates comes from malloc() and is freed after each text, so that they see
 * every byte.  A text is half of the time one that a user could have meant,
 * then changed in a few places.  What must hold, for each text and time t:
 *
 * 1. No report of a sanitizer, no crash, and an answer within ten seconds
 *	  of processor time.
 * 2. A duration is taken if and only if the regular expression below takes it
 *	  and its value is in range, and it has the value that follows from that.
 * 3. next(t) > t, or there is none; and next(u) = next(t) for each u from t to
 *	  before next(t).  For a duration next(t) = t + its value.
 * 4. A plain cron expression, of numbers, ranges, steps and lists, comes when
 *	  each of its fields has the value, and at no second between.
 *
 * 3 and 4 are asked where pgt_schedule_next() exists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#undef vsnprintf
#undef printf
#undef fprintf
#undef snprintf
#undef strerror

extern Datum pgt_parse_duration_seconds(PG_FUNCTION_ARGS);
extern Datum pgt_schedule_next(PG_FUNCTION_ARGS) __attribute__((weak));

#define MAX_TEXT 400

/* ---- the server, as far as the parser knows it ---- */

char	   *pgt_default_schedule = "1s";

static sigjmp_buf raised;
static void *allocated[64];
static int	nallocated;
static TimestampTz shown;

void *
palloc(Size size)
{
	if (nallocated == lengthof(allocated))
		abort();
	return allocated[nallocated++] = malloc(size);
}

void
pfree(void *pointer)
{
	for (int i = 0; i < nallocated; i++)
		if (allocated[i] == pointer)
			allocated[i] = NULL;
	free(pointer);
}

static void
free_all(void)
{
	while (nallocated > 0)
		free(allocated[--nallocated]);
}

char *
psprintf(const char *fmt,...)
{
	va_list		args;
	int			len;
	char	   *result;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	result = palloc(len + 1);
	va_start(args, fmt);
	vsnprintf(result, len + 1, fmt, args);
	va_end(args);
	return result;
}

bool
errstart(int elevel, const char *domain)
{
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	siglongjmp(raised, 1);
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *fmt,...)
{
	return 0;
}

int
errhint(const char *fmt,...)
{
	return 0;
}

int
errdetail(const char *fmt,...)
{
	return 0;
}

int
pg_strcasecmp(const char *s1, const char *s2)
{
	for (; *s1 != '\0' || *s2 != '\0'; s1++, s2++)
	{
		unsigned char a = *s1 >= 'A' && *s1 <= 'Z' ? *s1 + 'a' - 'A' : *s1;
		unsigned char b = *s2 >= 'A' && *s2 <= 'Z' ? *s2 + 'a' - 'A' : *s2;

		if (a != b)
			return (int) a - (int) b;
	}
	return 0;
}

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

char *
text_to_cstring(const text *t)
{
	int			len = VARSIZE_ANY_EXHDR(t);
	char	   *result = palloc(len + 1);

	memcpy(result, VARDATA_ANY(t), len);
	result[len] = '\0';
	return result;
}

#define EPOCHS_APART ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

TimestampTz
GetCurrentTimestamp(void)
{
	return shown;
}

pg_time_t
timestamptz_to_time_t(TimestampTz t)
{
	return (pg_time_t) (t / USECS_PER_SEC + EPOCHS_APART);
}

void
j2date(int jd, int *year, int *month, int *day)
{
	time_t		seconds = (time_t) (jd - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	struct tm	tm;

	gmtime_r(&seconds, &tm);
	*year = tm.tm_year + 1900;
	*month = tm.tm_mon + 1;
	*day = tm.tm_mday;
}

int
j2day(int jd)
{
	return (jd + 1) % 7;
}

TimestampTz
time_t_to_timestamptz(pg_time_t tm)
{
	return ((TimestampTz) tm - EPOCHS_APART) * USECS_PER_SEC;
}

/* ---- random ---- */

static uint64 state;

/* splitmix64 */
static uint64
next_random(void)
{
	uint64		z = (state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int
below(int n)
{
	return (int) (next_random() % n);
}

static bool
one_in(int n)
{
	return below(n) == 0;
}

/* ---- the text that is tried ---- */

static char subject[MAX_TEXT + 1];
static uint64 seed;

static void
fail(const char *what)
{
	fprintf(stderr, "not ok - %s: \"%s\" at %lld (seed %llu)\n", what, subject,
			(long long) shown, (unsigned long long) seed);
	_exit(1);
}

static void
too_slow(int signo)
{
	fail("no answer within ten seconds");
}

static void
append(const char *s)
{
	size_t		len = strlen(subject);

	snprintf(subject + len, sizeof(subject) - len, "%s", s);
}

static void
append_number(void)
{
	static const char *const edges[] = {
		"0", "00", "1", "007", "60", "999", "5200", "5201", "3144960000000",
		"3144960000001", "9223372036854775807", "9223372036854775808",
		"18446744073709551616", "99999999999999999999999999", "-1", "+1",
		"2147483647", "2147483648", "4294967296"
	};
	char		digits[16];

	snprintf(digits, sizeof(digits), "%d", below(one_in(4) ? 1000000 : 100));
	append(one_in(8) ? edges[below(lengthof(edges))] : digits);
}

static void
append_duration(void)
{
	static const char *const units[] = {"w", "d", "h", "m", "s", "ms"};
	static const char *const blanks[] = {"", "", "", " ", "\t", "  "};

	append(blanks[below(lengthof(blanks))]);
	for (int i = 0; i < lengthof(units); i++)
	{
		if (!one_in(3))
			continue;
		append_number();
		append(blanks[below(lengthof(blanks))]);
		append(units[one_in(12) ? below(lengthof(units)) : i]);
		append(blanks[below(lengthof(blanks))]);
	}
}

typedef struct CronField
{
	int			least;
	int			greatest;
	uint64		values;			/* a bit for each */
} CronField;

static const CronField cron_fields[6] = {
	{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}
};

/* A field of numbers, ranges, steps and lists, and its values. */
static void
append_plain_field(CronField *field)
{
	int			n = one_in(3) ? 1 + below(4) : 1;

	field->values = 0;
	for (int i = 0; i < n; i++)
	{
		int			from = field->least;
		int			to = field->greatest;
		int			step = 1;
		char		part[64];

		if (i > 0)
			append(",");
		if (one_in(2))
		{
			from += below(field->greatest - field->least + 1);
			to = one_in(2) ? from : from + below(field->greatest - from + 1);
			snprintf(part, sizeof(part), from == to && one_in(2) ? "%d" : "%d-%d", from, to);
		}
		else
			snprintf(part, sizeof(part), "*");
		append(part);
		if (strpbrk(part, "-*") != NULL && one_in(3))
		{
			step = 1 + below(field->greatest - field->least);
			snprintf(part, sizeof(part), "/%d", step);
			append(part);
		}
		for (int v = from; v <= to; v += step)
			field->values |= UINT64CONST(1) << v;
	}
}

static void
append_plain_cron(CronField *fields)
{
	int			first = one_in(2) ? 0 : 1;

	memcpy(fields, cron_fields, sizeof(cron_fields));
	fields[0].values = 1;
	for (int i = first; i < 6; i++)
	{
		if (i > first)
			append(" ");
		if (i >= 3 && one_in(2))
		{
			append("*");
			fields[i].values = ~UINT64CONST(0);
		}
		else
			append_plain_field(&fields[i]);
	}
}

static void
append_wild_cron(void)
{
	static const char *const words[] = {
		"*", "?", "L", "W", "LW", "MON", "sun", "JAN-DEC", "dec", "1#2", "5L",
		"*/0", "*/1", "0/5", "1-", "-1", ",", "1,,2", "59", "60", "L-3", "15W",
		"10-5", "7", "0-7", "*/99999999999", "@daily", "@", "1/1/1", "SAT,SUN"
	};
	int			n = one_in(4) ? below(8) : 5 + below(2);

	for (int i = 0; i < n; i++)
	{
		append(one_in(3) ? "*" : "");
		if (one_in(2))
			append_number();
		else
			append(words[below(lengthof(words))]);
		append(one_in(9) ? "\t" : " ");
	}
}

static void
append_noise(void)
{
	static const char alphabet[] = "0123456789 \twdhmsn*/,-?LW#@:.+ABCZ\n\v\177\303\274%";
	int			n = below(one_in(8) ? MAX_TEXT : 24);

	for (int i = 0; i < n; i++)
	{
		char		c[2] = {alphabet[below(sizeof(alphabet) - 1)], '\0'};

		append(c);
	}
}

static void
disturb(void)
{
	for (int n = below(4); n > 0; n--)
	{
		size_t		len = strlen(subject);
		size_t		at = len == 0 ? 0 : next_random() % len;

		switch (len == 0 || len > MAX_TEXT - 20 ? 0 : below(4))
		{
			case 0:
				subject[at] = len == 0 ? '\0' : 1 + below(255);
				break;
			case 1:
				memmove(subject + at, subject + at + 1, len - at);
				break;
			case 2:
				memmove(subject + at + 1, subject + at, len - at + 1);
				break;
			case 3:
				append(subject + at);
				break;
		}
	}
}

/* ---- what must hold ---- */

/* false if it raised an error */
static bool
call(PGFunction function, TimestampTz from, Datum *result)
{
	LOCAL_FCINFO(fcinfo, 2);
	size_t		len = strlen(subject);
	struct varlena *volatile argument = malloc(VARHDRSZ + len);
	volatile bool returned = false;

	SET_VARSIZE(argument, VARHDRSZ + len);
	memcpy(VARDATA(argument), subject, len);
	InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = PointerGetDatum(argument);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = TimestampTzGetDatum(from);
	fcinfo->args[1].isnull = false;
	if (sigsetjmp(raised, 0) == 0)
	{
		*result = function(fcinfo);
		returned = true;
	}
	free((void *) argument);
	free_all();
	return returned;
}

/* By another way: a regular expression, and 128 bits. */
static bool
duration_of(regex_t *grammar, int64 *ms)
{
	static const int64 unit_ms[] = {604800000, 86400000, 3600000, 60000, 1000, 1};
	regmatch_t	match[13];
	__int128	sum = 0;

	if (regexec(grammar, subject, lengthof(match), match, 0) != 0 ||
		subject[strspn(subject, " \t")] == '\0')
		return false;
	for (int unit = 0; unit < lengthof(unit_ms); unit++)
	{
		regmatch_t *digits = &match[2 * unit + 2];
		__int128	n = 0;

		if (digits->rm_so < 0)
			continue;
		for (regoff_t i = digits->rm_so; i < digits->rm_eo; i++)
			n = Min(n * 10 + (subject[i] - '0'), (__int128) PG_INT64_MAX);
		sum += n * unit_ms[unit];
	}
	*ms = (int64) sum;
	return sum <= INT64CONST(5200) * 604800000;
}

static bool
time_matches(const CronField *fields, TimestampTz t)
{
	time_t		seconds = timestamptz_to_time_t(t);
	struct tm	tm;

	gmtime_r(&seconds, &tm);
	return (fields[0].values >> tm.tm_sec & 1) && (fields[1].values >> tm.tm_min & 1) &&
		(fields[2].values >> tm.tm_hour & 1) && (fields[3].values >> tm.tm_mday & 1) &&
		(fields[4].values >> (tm.tm_mon + 1) & 1) && (fields[5].values >> tm.tm_wday & 1);
}

static TimestampTz
some_time(TimestampTz from, TimestampTz before)
{
	return from + (TimestampTz) (next_random() % (uint64) (before - from));
}

/* plain: the fields that a time must match, or NULL */
static bool
check_next(bool is_duration, int64 ms, const CronField *plain)
{
	Datum		result;
	TimestampTz next;
	TimestampTz between;

	if (!call(pgt_schedule_next, shown, &result))
	{
		if (is_duration)
			fail("a duration that is no schedule");
		/* A date that never comes may be refused, such as 30 February. */
		if (plain != NULL && plain[3].values == ~UINT64CONST(0))
			fail("a plain cron expression is refused");
		return false;
	}
	next = DatumGetTimestampTz(result);
	if (is_duration)
	{
		if (next != shown + ms * 1000)
			fail("the wrong next time of a duration");
		return true;
	}
	if (TIMESTAMP_NOT_FINITE(next))
		return true;
	if (next <= shown)
		fail("the next time is not later");
	between = some_time(shown, next);
	if (!call(pgt_schedule_next, between, &result) || DatumGetTimestampTz(result) != next)
	{
		fprintf(stderr, "after %lld: %lld, after %lld: %lld\n", (long long) shown, (long long) next,
				(long long) between, (long long) DatumGetTimestampTz(result));
		fail("a time in between has another next time");
	}
	if (plain != NULL)
	{
		/* Seconds count from the next full one after t. */
		TimestampTz least = (shown / USECS_PER_SEC + 1) * USECS_PER_SEC;

		if (!time_matches(plain, next))
			fail("a time that does not match");
		for (TimestampTz t = least; t < next && t < least + 4000 * USECS_PER_SEC; t += USECS_PER_SEC)
			if (time_matches(plain, t))
				fail("a time that matches is passed over");
		for (int i = 0; i < 200; i++)
			if (next - USECS_PER_SEC > least &&
				time_matches(plain, some_time(least, next - USECS_PER_SEC) / USECS_PER_SEC * USECS_PER_SEC))
				fail("a time that matches is passed over");
	}
	return true;
}

int
main(int argc, char **argv)
{
	const struct itimerval patience = {.it_value = {.tv_sec = 10}};
	regex_t		grammar;
	time_t		end = time(NULL) + (argc > 1 ? atol(argv[1]) : 60);
	uint64		tried = 0;
	uint64		durations = 0;
	uint64		schedules = 0;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64) time(NULL) * 1000003 + getpid();
	state = seed;
	signal(SIGPROF, too_slow);
	if (regcomp(&grammar, "^[ \t]*(([0-9]+)[ \t]*w[ \t]*)?(([0-9]+)[ \t]*d[ \t]*)?"
				"(([0-9]+)[ \t]*h[ \t]*)?(([0-9]+)[ \t]*m[ \t]*)?"
				"(([0-9]+)[ \t]*s[ \t]*)?(([0-9]+)[ \t]*ms[ \t]*)?$", REG_EXTENDED) != 0)
		fail("no grammar");

	while (tried % 256 != 0 || time(NULL) < end)
	{
		CronField	fields[6];
		bool		plain = false;
		bool		is_duration;
		bool		taken;
		Datum		result;
		int64		ms = 0;

		setitimer(ITIMER_PROF, &patience, NULL);
		/* between 2000 and 2100 */
		shown = some_time(0, INT64CONST(36525) * USECS_PER_DAY);
		subject[0] = '\0';
		switch (below(5))
		{
			case 0:
				append_noise();
				break;
			case 1:
			case 2:
				append_duration();
				break;
			case 3:
				append_plain_cron(fields);
				plain = one_in(2);
				break;
			case 4:
				append_wild_cron();
				break;
		}
		if (!plain && one_in(2))
			disturb();
		if (strlen(subject) > 150)
			plain = false;

		is_duration = duration_of(&grammar, &ms);
		taken = call(pgt_parse_duration_seconds, 0, &result);
		if (taken != is_duration)
			fail(taken ? "no duration, but taken" : "a duration, but refused");
		if (taken && DatumGetInt64(result) != ms / 1000)
			fail("the wrong duration");
		durations += taken;
		if (pgt_schedule_next != NULL)
			schedules += check_next(is_duration, ms, plain ? fields : NULL);
		tried++;
	}
	regfree(&grammar);
	printf("ok - %llu texts: %llu durations, %llu schedules; seed %llu\n",
		   (unsigned long long) tried, (unsigned long long) durations,
		   (unsigned long long) schedules, (unsigned long long) seed);
	return 0;
}
