/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings: one flat table.
 *
 * A setting exists only where a user can know a better value than we do.
 * doc/settings.md describes the ones for users; a choice that belongs to one
 * stream table is an argument of create_stream_table() instead.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <limits.h>

#include "utils/guc.h"

#include "scheduler/scheduler.h"

#define MINUTES_PER_WEEK	(7 * 24 * 60)
#define HIDDEN_SETTING		(GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE)

bool		pgt_enabled = true;
char	   *pgt_default_schedule = NULL;
int			pgt_max_consecutive_errors = 3;
int			pgt_history_retention = MINUTES_PER_WEEK;
int			pgt_max_refresh_workers = 4;
int			pgt_metrics_port = 0;
int			pgt_debug_apply = APPLY_PATH_AUTO;
int			pgt_debug_plan = DEBUG_PLAN_AUTO;
char	   *pgt_debug_stable_name = NULL;

static bool check_schedule(char **newval, void **extra, GucSource source);

static const struct config_enum_entry apply_options[] = {
	{"auto", APPLY_PATH_AUTO, false},
	{"c", APPLY_PATH_C, false},
	{"sql", APPLY_PATH_SQL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry plan_options[] = {
	{"auto", DEBUG_PLAN_AUTO, false},
	{"tiny", DEBUG_PLAN_TINY, false},
	{"bulk", DEBUG_PLAN_BULK, false},
	{NULL, 0, false}
};

/* The type follows from which of the four variables is given. */
typedef struct Setting
{
	const char *name;
	const char *short_desc;
	const char *long_desc;
	GucContext	context;
	int			flags;
	bool	   *boolvar;
	int		   *intvar;
	char	  **stringvar;
	int		   *enumvar;
	int			boot;			/* of a bool, int or enum */
	const char *boot_string;
	int			min;
	int			max;
	const struct config_enum_entry *options;
	GucStringCheckHook check_string;
} Setting;

static const Setting settings[] = {
	{
		.name = "pg_trickle.enabled",
		.short_desc = "Lets the scheduler start refreshes.",
		.long_desc = "When off, changes are still captured and manual refreshes still run, "
		"so that nothing is lost: stream tables catch up when it is turned on again.",
		.context = PGC_SIGHUP,
		.boolvar = &pgt_enabled,
		.boot = true,
	},
	{
		.name = "pg_trickle.default_schedule",
		.short_desc = "Schedule of stream tables whose schedule is \"calculated\" and that no other one reads.",
		.long_desc = "A duration such as \"200ms\", \"1s\" or \"1h30m\", or a cron expression; "
		"\"0s\" refreshes as soon as a change commits.",
		.context = PGC_SIGHUP,
		.stringvar = &pgt_default_schedule,
		.boot_string = "1s",
		.check_string = check_schedule,
	},
	{
		.name = "pg_trickle.max_consecutive_errors",
		.short_desc = "Suspends a stream table after this many failed refreshes in a row.",
		.long_desc = "Errors that pass by themselves, such as deadlocks and lock timeouts, "
		"do not count. resume_stream_table() starts a suspended stream table again. "
		"Zero never suspends one.",
		.context = PGC_SIGHUP,
		.intvar = &pgt_max_consecutive_errors,
		.boot = 3,
		.min = 0,
		.max = INT_MAX,
	},
	{
		.name = "pg_trickle.history_retention",
		.short_desc = "Time for which the history of refreshes is kept.",
		.long_desc = "Zero keeps none. "
		"Whatever its age, no more than the newest 10000 refreshes of a stream table are kept.",
		.context = PGC_SIGHUP,
		.flags = GUC_UNIT_MIN,
		.intvar = &pgt_history_retention,
		.boot = MINUTES_PER_WEEK,
		.min = 0,
		.max = INT_MAX,
	},
	{
		.name = "pg_trickle.max_refresh_workers",
		.short_desc = "Greatest number of refresh workers, in all databases together.",
		.long_desc = "They refresh what takes long, beside the worker that each database has. "
		"Zero lets that one refresh everything, one after the other.",
		.context = PGC_SIGHUP,
		.intvar = &pgt_max_refresh_workers,
		.boot = 4,
		.min = 0,
		.max = 1024,
	},
	{
		.name = "pg_trickle.metrics_port",
		.short_desc = "Port on which metrics are served over HTTP.",
		.long_desc = "Only the loopback interface is listened on. Zero serves nothing.",
		.context = PGC_SIGHUP,
		.intvar = &pgt_metrics_port,
		.boot = 0,
		.min = 0,
		.max = 65535,
	},
	{
		.name = "pg_trickle.debug_apply",
		.short_desc = "Forces the path by which deltas are put into stream tables.",
		.long_desc = "For tests: both paths give the same result.",
		.context = PGC_USERSET,
		.flags = HIDDEN_SETTING,
		.enumvar = &pgt_debug_apply,
		.boot = APPLY_PATH_AUTO,
		.options = apply_options,
	},
	{
		.name = "pg_trickle.debug_plan",
		.short_desc = "Forces the plans with which deltas are computed.",
		.long_desc = "For tests: all plans give the same result.",
		.context = PGC_USERSET,
		.flags = HIDDEN_SETTING,
		.enumvar = &pgt_debug_plan,
		.boot = DEBUG_PLAN_AUTO,
		.options = plan_options,
	},
	{
		.name = "pg_trickle.debug_stable_name",
		.short_desc = "Is hashed in place of the name of a table that begins to be tracked.",
		.long_desc = "For tests: two tables that have the same hash.",
		.context = PGC_SUSET,
		.flags = HIDDEN_SETTING,
		.stringvar = &pgt_debug_stable_name,
		.boot_string = "",
	},
};

void
pgt_guc_init(void)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		const Setting *s = &settings[i];

		if (s->boolvar)
			DefineCustomBoolVariable(s->name, s->short_desc, s->long_desc,
									 s->boolvar, s->boot, s->context, s->flags,
									 NULL, NULL, NULL);
		else if (s->intvar)
			DefineCustomIntVariable(s->name, s->short_desc, s->long_desc,
									s->intvar, s->boot, s->min, s->max,
									s->context, s->flags, NULL, NULL, NULL);
		else if (s->enumvar)
			DefineCustomEnumVariable(s->name, s->short_desc, s->long_desc,
									 s->enumvar, s->boot, s->options,
									 s->context, s->flags, NULL, NULL, NULL);
		else
			DefineCustomStringVariable(s->name, s->short_desc, s->long_desc,
									   s->stringvar, s->boot_string,
									   s->context, s->flags,
									   s->check_string, NULL, NULL);
	}

	MarkGUCPrefixReserved("pg_trickle");
}

static bool
check_schedule(char **newval, void **extra, GucSource source)
{
	Schedule	schedule;

	if (schedule_read(*newval, &schedule))
		return true;

	GUC_check_errhint("%s", SCHEDULE_HINT);
	return false;
}
