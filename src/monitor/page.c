/*-------------------------------------------------------------------------
 *
 * page.c
 *	  status_page(): how the stream tables are, as one HTML page.
 *
 * The page asks for nothing from anywhere: no script, no image, no font, and its
 * policy says so to the browser; the one style element is allowed by its hash.
 * Shapes are placed by percents, so that text keeps its size on any screen.
 *
 * It stays below 100 kB: what is shown of each kind is limited, the worst first,
 * and if that is still too much, by half of that, and so on.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <math.h>

#include "commands/dbcommands.h"
#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "monitor/drawing.h"
#include "monitor/markup.h"
#include "monitor/state.h"

PG_FUNCTION_INFO_V1(pgt_status_page);

#define PAGE_BYTES		98000

/* The strip: a day, by half hours. */
#define STRIP_CELLS		48
#define STRIP_CELL_S	1800

#define CHART_HEIGHT	190

typedef struct PageLimits
{
	int			nodes;			/* of the graph */
	int			strips;
	int			points;			/* of the chart, for each stream table */
	int			lines;			/* of lists */
} PageLimits;

typedef struct StatusPage
{
	StringInfoData out;
	PageLimits	limits;
	const MonitorState *state;
	int		   *order;			/* stream tables, the worst first */
	int			nfresh;
} StatusPage;

static const char *const page_style =
"body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
"main{max-width:1240px;margin:0 auto;padding:16px}"
"h1{font-size:20px;margin:0 0 2px;overflow-wrap:anywhere}h2{font-size:16px;margin:30px 0 6px}"
"p{margin:4px 0 10px;color:var(--dim);font-size:13px}"
".t{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0}"
".t div{border:1px solid var(--edge);border-left-width:6px;border-radius:6px;padding:5px 14px;font-size:13px;color:var(--dim)}"
".t b{display:block;font-size:22px;line-height:1.2;color:var(--ink)}"
".t .ff{border-left-color:var(--fresh)}.t .fl{border-left-color:var(--late)}.t .fs{border-left-color:var(--stale)}.t .fn{border-left-color:var(--line)}"
".w{overflow-x:auto;border:1px solid var(--edge);border-radius:6px}.w svg{display:block}"
".r{display:grid;grid-template-columns:minmax(0,300px) minmax(0,1fr) minmax(0,250px);gap:2px 14px;align-items:center;padding:6px 0;border-top:1px solid var(--edge)}"
".l{grid-template-columns:minmax(0,300px) minmax(0,1fr)}"
"@media(max-width:700px){.r,.l{grid-template-columns:minmax(0,1fr)}}"
".n{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}"
".m{font-size:13px;color:var(--dim);overflow-wrap:anywhere}"
".s{display:block;width:100%;height:16px;background:var(--box)}"
"span{white-space:nowrap;margin-right:10px}.k{display:inline-block;width:10px;height:10px;margin-right:5px}.k rect{width:100%;height:100%}"
".c{display:block;width:100%;overflow:visible}.c text{font-size:12px;fill:var(--dim)}.c line{stroke:var(--edge)}"
".v{overflow:visible}.p{fill:var(--fresh);fill-opacity:.55}.q{fill:var(--late)}.x{fill:none;stroke:var(--stale);stroke-width:2}"
".h{fill:var(--line);fill-opacity:.6}";

/* ---- pieces ---- */

static const char *
style_hash(const char *style)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	int			size = pg_b64_enc_len(PG_SHA256_DIGEST_LENGTH);
	char	   *result = palloc0(size + 1);

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) style, strlen(style)) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	if (pgt_b64_encode(digest, sizeof(digest), result, size) < 0)
		elog(ERROR, "could not encode a hash");
	return result;
}

static void
page_name(StatusPage *page, const char *name)
{
	appendStringInfoString(&page->out, "<div class=\"n\"><bdi>");
	markup_text(&page->out, name, 0);
	appendStringInfoString(&page->out, "</bdi></div>");
}

static void
page_more(StatusPage *page, int more, const char *what)
{
	if (more > 0)
		appendStringInfo(&page->out, "<p>and %d more%s</p>", more, what);
}

/* "3 s old, 1 s wanted" and what else is to be known. */
static void
page_how_old(StatusPage *page, const MonitoredTable *table)
{
	StringInfo	out = &page->out;

	appendStringInfoString(out, freshness_name(table->freshness));
	if (table->staleness_s == 0)
		appendStringInfoString(out, ", no change waits");
	else if (table->staleness_s > 0)
		appendStringInfo(out, ", %s old", markup_duration(table->staleness_s));
	if (table->target_s >= 0)
		appendStringInfo(out, ", %s wanted",
						 table->target_s == 0 ? "0 s" : markup_duration(table->target_s));
}

static void
page_head(StatusPage *page)
{
	char	   *style = psprintf("%s%s", drawing_style, page_style);
	const char *database = get_database_name(MyDatabaseId);

	appendStringInfo(&page->out,
					 "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
					 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">"
					 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>pg_trickle: ",
					 style_hash(style));
	markup_text(&page->out, database, 40);
	appendStringInfo(&page->out, "</title><style>%s</style></head><body><main><h1>Stream tables of <bdi>",
					 style);
	markup_text(&page->out, database, 0);
	appendStringInfoString(&page->out, "</bdi></h1>");
}

/* ---- how they are ---- */

static int
severity(Freshness freshness)
{
	static const int severities[] = {
		[FRESHNESS_FRESH] = 0,
		[FRESHNESS_EMPTY] = 1,
		[FRESHNESS_LATE] = 2,
		[FRESHNESS_STALE] = 3,
		[FRESHNESS_FAILING] = 4,
		[FRESHNESS_SUSPENDED] = 5,
	};

	return severities[freshness];
}

static void
order_tables(StatusPage *page)
{
	const MonitorState *state = page->state;
	int			n = 0;

	page->order = palloc(sizeof(int) * (state->nstream_tables + 1));
	for (int s = severity(FRESHNESS_SUSPENDED); s >= 0; s--)
		for (int i = 0; i < state->nstream_tables; i++)
			if (severity(state->tables[i].freshness) == s)
			{
				page->order[n++] = i;
				page->nfresh += s == 0;
			}
}

static void
page_tiles(StatusPage *page)
{
	int			counts[FRESHNESS_KINDS] = {0};

	for (int i = 0; i < page->state->nstream_tables; i++)
		counts[page->state->tables[i].freshness]++;
	appendStringInfoString(&page->out, "<div class=\"t\">");
	for (int i = 0; i < FRESHNESS_KINDS; i++)
		if (counts[i] > 0 || i == FRESHNESS_FRESH)
			appendStringInfo(&page->out, "<div class=\"f%c\"><b>%d</b>%s</div>",
							 strchr("euo", drawing_class((Freshness) i)) ?
							 's' : drawing_class((Freshness) i),
							 counts[i], freshness_name((Freshness) i));
	appendStringInfoString(&page->out, "</div>");
}

/* Those that are not fresh, and what is known about it. */
static void
page_attention(StatusPage *page)
{
	StringInfo	out = &page->out;
	int			n = page->state->nstream_tables - page->nfresh;

	if (n == 0)
		return;
	appendStringInfoString(out, "<h2>Needs attention</h2>");
	for (int i = 0; i < Min(n, page->limits.lines); i++)
	{
		const MonitoredTable *table = &page->state->tables[page->order[i]];

		appendStringInfoString(out, "<div class=\"r l\">");
		page_name(page, table->name);
		appendStringInfoString(out, "<div class=\"m\">");
		page_how_old(page, table);
		if (table->last_error != NULL)
		{
			appendStringInfo(out, "; %d error%s, the last: <bdi>", table->consecutive_errors,
							 table->consecutive_errors == 1 ? "" : "s");
			markup_text(out, table->last_error, 160);
			appendStringInfoString(out, "</bdi>");
		}
		appendStringInfoString(out, "; next refresh: ");
		markup_text(out, table->next_refresh ? table->next_refresh : "unknown", 160);
		appendStringInfoString(out, "</div></div>");
	}
	page_more(page, n - page->limits.lines, "");
}

/* ---- the graph ---- */

static int
select_table(const MonitorState *state, bool *selected, int index, int room)
{
	int			n = selected[index] ? 0 : 1;

	for (int i = 0; i < state->tables[index].nsources; i++)
		n += selected[state->tables[index].sources[i]] ? 0 : 1;
	if (n > room)
		return 0;
	selected[index] = true;
	for (int i = 0; i < state->tables[index].nsources; i++)
		selected[state->tables[index].sources[i]] = true;
	return n;
}

/* The worst stream tables with what they read, as far as there is room. */
static void
page_graph(StatusPage *page)
{
	const MonitorState *state = page->state;
	bool	   *selected = palloc0(sizeof(bool) * (state->ntables + 1));
	int			n = 0;

	if (state->nstream_tables == 0)
	{
		appendStringInfoString(&page->out, "<p>There are none that you may see.</p>");
		return;
	}
	for (int i = 0; i < state->nstream_tables; i++)
		n += select_table(state, selected, page->order[i], page->limits.nodes - n);
	appendStringInfoString(&page->out,
						   "<h2>What reads what</h2><p>Left of each stream table what it reads; dashed: not a stream table. Of each: how stale it is, and how stale its schedule lets it become.</p><div class=\"w\">");
	drawing_svg(&page->out, state, selected, false);
	appendStringInfoString(&page->out, "</div>");
	page_more(page, state->ntables - n, "; pgtrickle.dag('svg') draws all");
}

/* ---- the strips ---- */

/* What a half hour was like; the worst counts. */
enum
{
	CELL_QUIET,
	CELL_FRESH,
	CELL_LATE,
	CELL_STALE,
	CELL_KINDS
};

static const char cell_classes[] = {'h', 'f', 'l', 's'};

static Freshness
freshness_of_duration(const MonitoredTable *table, double s)
{
	double		target = Max(table->target_s, 0);

	if (s <= Max(target, 1))
		return FRESHNESS_FRESH;
	return s <= target + Max(target, 5) ? FRESHNESS_LATE : FRESHNESS_STALE;
}

static void
mark_cell(char *cells, double age_s, int kind)
{
	int			cell = STRIP_CELLS - 1 - (int) (Max(age_s, 0) / STRIP_CELL_S);

	if (cell >= 0 && cells[cell] < kind)
		cells[cell] = kind;
}

/* Since then it has been as it is now. */
static void
mark_now(char *cells, const MonitoredTable *table, double age_s)
{
	int			kind = table->freshness == FRESHNESS_LATE ? CELL_LATE : CELL_STALE;

	if (table->freshness == FRESHNESS_FRESH || table->freshness == FRESHNESS_EMPTY)
		return;
	for (double age = Min(age_s, STRIP_CELLS * STRIP_CELL_S); age >= 0; age -= STRIP_CELL_S)
		mark_cell(cells, age, kind);
	mark_cell(cells, 0, kind);
}

static char *
read_cells(const MonitoredTable *table)
{
	char	   *cells = palloc0(STRIP_CELLS);
	MonitorQuery query;

	monitor_query_begin(&query);
	monitor_query_run(psprintf("SELECT floor(extract(epoch FROM clock_timestamp() - end_time) / %d)::int8,"
							   " max(duration_ms) FILTER (WHERE status = 'COMPLETED'), count(*) FILTER (WHERE status = 'FAILED')"
							   " FROM pgtrickle.refresh_history WHERE pgt_relid = %u::oid::regclass"
							   " AND end_time > clock_timestamp() - interval '1 day' GROUP BY 1",
							   STRIP_CELL_S, table->relid));
	for (int i = 0; i < SPI_processed; i++)
	{
		double		age = monitor_int64(i, 1, 0) * (double) STRIP_CELL_S;
		double		ms = monitor_double(i, 2, -1);

		if (ms >= 0)
			mark_cell(cells, age, CELL_FRESH + freshness_of_duration(table, ms / 1000));
		if (monitor_int64(i, 3, 0) > 0)
			mark_cell(cells, age, CELL_STALE);
	}
	monitor_query_end(&query);
	mark_now(cells, table, table->data_timestamp == 0 ? 0 :
			 (GetCurrentTimestamp() - table->data_timestamp) / (double) USECS_PER_SEC);
	return cells;
}

static void
page_strip(StatusPage *page, const MonitoredTable *table)
{
	StringInfo	out = &page->out;
	char	   *cells = read_cells(table);

	appendStringInfoString(out, "<div class=\"r\">");
	page_name(page, table->name);
	appendStringInfo(out, "<svg class=\"s\" viewBox=\"0 0 %d 1\" preserveAspectRatio=\"none\">", STRIP_CELLS);
	for (int kind = CELL_FRESH; kind < CELL_KINDS; kind++)
	{
		bool		any = false;

		for (int i = 0; i < STRIP_CELLS;)
		{
			int			n = 0;

			while (i + n < STRIP_CELLS && cells[i + n] == kind)
				n++;
			if (n > 0)
			{
				if (!any)
					appendStringInfo(out, "<path class=\"f%c\" d=\"", cell_classes[kind]);
				appendStringInfo(out, "M%d 0h%dv1h-%dz", i, n, n);
				any = true;
			}
			i += Max(n, 1);
		}
		if (any)
			appendStringInfoString(out, "\"/>");
	}
	appendStringInfoString(out, "</svg><div class=\"m\">");
	page_how_old(page, table);
	appendStringInfoString(out, "</div></div>");
}

static void
page_legend(StatusPage *page, const char *class, const char *what)
{
	appendStringInfo(&page->out, " <span><svg class=\"k\"><rect class=\"%s\"/></svg>%s</span>", class, what);
}

static void
page_strips(StatusPage *page)
{
	int			n = page->state->nstream_tables;

	if (n == 0)
		return;
	appendStringInfoString(&page->out, "<h2>The last 24 hours</h2><p>By half hours, now at the right:");
	page_legend(page, "ff", "refreshed in time");
	page_legend(page, "fl", "late");
	page_legend(page, "fs", "failed, or very late");
	appendStringInfoString(&page->out, " else nothing had changed.</p>");
	for (int i = 0; i < Min(n, page->limits.strips); i++)
		page_strip(page, &page->state->tables[page->order[i]]);
	page_more(page, n - page->limits.strips, page->nfresh >= n - page->limits.strips ?
			  ", all fresh" : "");
}

/* ---- refresh times ---- */

typedef struct Point
{
	double		age_s;
	double		ms;
	bool		full;
	bool		failed;
	bool		first;
	const char *name;
	char	   *reason;			/* of a full one */
} Point;

static int
compare_ages(const void *a, const void *b)
{
	double		x = ((const Point *) a)->age_s;
	double		y = ((const Point *) b)->age_s;

	return x < y ? -1 : x > y;
}

/* The newest refreshes of each stream table that has a strip. */
static Point *
read_points(StatusPage *page, int *npoints)
{
	int			ntables = Min(page->state->nstream_tables, page->limits.strips);
	Point	   *points = palloc(sizeof(Point) * (ntables * page->limits.points + 1));

	*npoints = 0;
	for (int i = 0; i < ntables; i++)
	{
		const MonitoredTable *table = &page->state->tables[page->order[i]];
		MonitorQuery query;

		monitor_query_begin(&query);
		monitor_query_run(psprintf("SELECT extract(epoch FROM clock_timestamp() - end_time)::float8, duration_ms,"
								   " (action <> 'DIFFERENTIAL')::int::int8, (status = 'FAILED')::int::int8, reason"
								   " FROM pgtrickle.refresh_history WHERE pgt_relid = %u::oid::regclass"
								   " AND end_time > clock_timestamp() - interval '1 day'"
								   " ORDER BY refresh_id DESC LIMIT %d",
								   table->relid, page->limits.points));
		for (int j = 0; j < SPI_processed; j++)
		{
			Point	   *point = &points[(*npoints)++];

			point->age_s = Max(monitor_double(j, 1, 0), 0);
			point->ms = Max(monitor_double(j, 2, 0), 0.01);
			point->full = monitor_int64(j, 3, 0) != 0;
			point->failed = monitor_int64(j, 4, 0) != 0;
			point->reason = monitor_text(&query, j, 5);
			point->first = point->reason != NULL && strcmp(point->reason, "first refresh") == 0;
			point->name = table->name;
		}
		monitor_query_end(&query);
	}
	qsort(points, *npoints, sizeof(Point), compare_ages);
	return points;
}

/* Both axes are logarithmic: what is recent has more room. */
typedef struct Scale
{
	double		low;
	double		high;
} Scale;

static double
scale_part(const Scale *scale, double value)
{
	return (log10(Max(value, scale->low)) - log10(scale->low)) /
		(log10(scale->high) - log10(scale->low));
}

static double
point_y(const Scale *scale, double ms)
{
	return CHART_HEIGHT - 24 - scale_part(scale, ms) * (CHART_HEIGHT - 44);
}

/* From 10 % on are the points, before that the figures. */
static double
point_x(const Scale *scale, double age_s)
{
	return 98 - scale_part(scale, age_s) * 84;
}

static void
page_axes(StatusPage *page, const Scale *ages, const Scale *times)
{
	static const struct
	{
		double		s;
		const char *name;
	}			ticks[] = {{1, "1 s"}, {60, "1 min"}, {3600, "1 h"}, {86400, "1 d"}};

	for (double ms = times->low; ms <= times->high * 1.001; ms *= 10)
		appendStringInfo(&page->out, "<line x1=\"12%%\" x2=\"100%%\" y1=\"%.0f\" y2=\"%.0f\"/><text x=\"11%%\" y=\"%.0f\" text-anchor=\"end\">%s</text>",
						 point_y(times, ms), point_y(times, ms), point_y(times, ms) + 4,
						 markup_duration(ms / 1000));
	for (int i = 0; i < lengthof(ticks); i++)
		if (ticks[i].s <= ages->high * 1.001)
			appendStringInfo(&page->out, "<text x=\"%.1f%%\" y=\"%d\" text-anchor=\"middle\">%s</text>",
							 point_x(ages, ticks[i].s), CHART_HEIGHT - 4, ticks[i].name);
}

static void
page_point(StatusPage *page, const Point *point, const Scale *ages, const Scale *times)
{
	double		x = point_x(ages, point->age_s);
	double		y = point_y(times, point->ms);

	if (!point->full && !point->failed)
		appendStringInfo(&page->out, "<circle class=\"p\" cx=\"%.1f%%\" cy=\"%.0f\" r=\"3\"/>", x, y);
	else
		appendStringInfo(&page->out, "<svg class=\"v\" x=\"%.1f%%\" y=\"%.0f\"><path class=\"%s\"/></svg>",
						 x, y, point->failed ?
						 "x\" d=\"M-4-4 4 4M4-4-4 4" : "q\" d=\"M0-5 5 0 0 5-5 0z");
}

static bool
same_reason(const Point *a, const Point *b)
{
	return a->name == b->name && a->reason != NULL && b->reason != NULL &&
		strcmp(a->reason, b->reason) == 0;
}

static bool
wants_reason(const Point *point)
{
	return point->full && !point->failed && !point->first;
}

/* Each stream table and reason once, the newest first. */
static void
page_reasons(StatusPage *page, const Point *points, int npoints)
{
	StringInfo	out = &page->out;
	bool	   *told = palloc0(sizeof(bool) * (npoints + 1));
	int			shown = 0;
	int			more = 0;

	for (int i = 0; i < npoints; i++)
	{
		const Point *point = &points[i];
		int			times = 0;

		if (told[i] || !wants_reason(point))
			continue;
		for (int j = i; j < npoints; j++)
			if (j == i || (wants_reason(&points[j]) && same_reason(point, &points[j])))
			{
				told[j] = true;
				times++;
			}
		if (shown >= page->limits.lines)
		{
			more++;
			continue;
		}
		if (shown++ == 0)
			appendStringInfoString(out, "<h2>Full refreshes, and why</h2>");
		appendStringInfoString(out, "<div class=\"r l\">");
		page_name(page, point->name);
		appendStringInfoString(out, "<div class=\"m\"><bdi>");
		markup_text(out, point->reason ? point->reason : "no reason is known", 160);
		appendStringInfo(out, "</bdi>: %s%s ago, took %s</div></div>",
						 times == 1 ? "" : psprintf("%d times, the last ", times),
						 markup_duration(point->age_s), markup_duration(point->ms / 1000));
	}
	page_more(page, more, "; see pgtrickle.refresh_timeline()");
}

static void
page_times(StatusPage *page)
{
	int			npoints;
	Point	   *points = read_points(page, &npoints);
	Scale		ages = {.low = 1, .high = 60};
	Scale		times = {.low = 0.1, .high = 100};

	if (npoints == 0)
		return;
	for (int i = 0; i < npoints; i++)
	{
		ages.high = Max(ages.high, points[i].age_s);
		while (points[i].ms > times.high)
			times.high *= 10;
	}
	appendStringInfoString(&page->out, "<h2>How long refreshes took</h2><p>Against how long ago they were:");
	page_legend(page, "p", "differential");
	page_legend(page, "q", "full");
	page_legend(page, "fs", "failed");
	appendStringInfo(&page->out, " The newest %d of each stream table above.</p><svg class=\"c\" height=\"%d\">",
					 page->limits.points, CHART_HEIGHT);
	page_axes(page, &ages, &times);
	/* what needs a look lies on top */
	for (int i = 0; i < npoints; i++)
		if (!points[i].full && !points[i].failed)
			page_point(page, &points[i], &ages, &times);
	for (int i = 0; i < npoints; i++)
		if (points[i].full || points[i].failed)
			page_point(page, &points[i], &ages, &times);
	appendStringInfoString(&page->out, "</svg>");
	page_reasons(page, points, npoints);
}

/* ---- pending changes ---- */

/* Of each source those that wait for its most backward reader. */
static void
page_pending(StatusPage *page)
{
	StringInfo	out = &page->out;
	MonitorQuery query;
	double		most = 1;
	int			n;

	monitor_query_begin(&query);
	monitor_query_run("SELECT source_table, pending_rows, buffer_bytes FROM pgtrickle.pgt_pending_by_source()");
	n = SPI_processed;
	if (n > 0)
		appendStringInfoString(out, "<h2>Changes that wait</h2><p>By source, for the stream table that is furthest behind, and the size of the change buffer.</p>");
	for (int i = 0; i < n; i++)
		most = Max(most, (double) monitor_int64(i, 2, 0));
	for (int i = 0; i < Min(n, page->limits.lines); i++)
	{
		int64		pending = monitor_int64(i, 2, -1);

		appendStringInfoString(out, "<div class=\"r\">");
		page_name(page, monitor_text(&query, i, 1));
		appendStringInfo(out, "<svg class=\"s\"><rect class=\"h\" height=\"16\" width=\"%.1f%%\"/></svg><div class=\"m\">",
						 100 * Max(pending, 0) / most);
		appendStringInfo(out, "%s, %s</div></div>",
						 pending < 0 ? "not known" :
						 psprintf("%s change%s", markup_count(pending), pending == 1 ? "" : "s"),
						 markup_bytes(monitor_int64(i, 3, 0)));
	}
	page_more(page, n - page->limits.lines, "; see pgtrickle.change_buffer_sizes()");
	monitor_query_end(&query);
}

/* ---- all of it ---- */

static void
page_about(StatusPage *page)
{
	MonitorQuery query;

	monitor_query_begin(&query);
	monitor_query_run("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
					  " pgtrickle.version(), pgtrickle.pgt_scheduler_running()::int::int8");
	appendStringInfo(&page->out, "<p>%s UTC, pg_trickle %s, %s</p>",
					 monitor_text(&query, 0, 1), monitor_text(&query, 0, 2),
					 monitor_int64(0, 3, 0) ? "the scheduler serves this database" :
					 "<b>no scheduler serves this database</b>");
	monitor_query_end(&query);
}

static void
build_page(StatusPage *page)
{
	initStringInfo(&page->out);
	page_head(page);
	page_about(page);
	page_tiles(page);
	page_attention(page);
	page_graph(page);
	page_strips(page);
	page_times(page);
	page_pending(page);
	appendStringInfoString(&page->out, "</main></body></html>\n");
}

Datum
pgt_status_page(PG_FUNCTION_ARGS)
{
	StatusPage	page = {
		.state = monitor_read_state(),
		.limits = {.nodes = 80, .strips = 40, .points = 12, .lines = 20}
	};

	order_tables(&page);
	for (;;)
	{
		build_page(&page);
		if (page.out.len <= PAGE_BYTES || page.limits.strips <= 1)
			break;
		page.limits.nodes /= 2;
		page.limits.strips /= 2;
		page.limits.lines = Max(page.limits.lines / 2, 3);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page.out.data, page.out.len));
}
