/*-------------------------------------------------------------------------
 *
 * markup.c
 *	  Text for HTML and SVG, so that it can be nothing but text.
 *
 * Every character that is not plain ASCII becomes a numeric reference; those
 * that mean something to a parser too.  Control characters, which XML forbids,
 * and those that turn the direction of writing, which would reorder what stands
 * beside a name, become U+FFFD.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "monitor/markup.h"

#define ELLIPSIS	0x2026
#define REPLACEMENT	0xFFFD

static bool
is_forbidden(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) ||
		(c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
		(c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
		(c >= 0xD800 && c <= 0xDFFF) || (c & 0xFFFE) == 0xFFFE || c > 0x10FFFF;
}

static void
append_character(StringInfo out, pg_wchar c)
{
	if (c < 0x7F && c >= 0x20 && strchr("&<>\"'`", (int) c) == NULL)
		appendStringInfoChar(out, (char) c);
	else
		appendStringInfo(out, "&#%u;", is_forbidden(c) ? REPLACEMENT : (unsigned) c);
}

/*
 * As UTF-8.  A database that does not know its encoding may hold anything; what is
 * not UTF-8 there is shown as question marks.
 */
static char *
to_utf8(const char *text)
{
	int			len = strlen(text);
	char	   *copy;

	if (GetDatabaseEncoding() != PG_SQL_ASCII || pg_verify_mbstr(PG_UTF8, text, len, true))
		return pg_server_to_any(text, len, PG_UTF8);
	copy = pstrdup(text);
	for (char *p = copy; *p != '\0'; p++)
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	return copy;
}

void
markup_text(StringInfo out, const char *text, int max_columns)
{
	char	   *utf8 = to_utf8(text);
	int			columns = 0;

	for (const unsigned char *p = (const unsigned char *) utf8; *p != '\0';)
	{
		int			len = pg_utf_mblen(p);
		int			width = Max(pg_encoding_dsplen(PG_UTF8, (const char *) p), 0);
		bool		last = p[len] == '\0';

		/* the last column is for the ellipsis, if anything follows */
		if (max_columns > 0 &&
			columns + width + (last ? 0 : 1) > max_columns)
		{
			append_character(out, ELLIPSIS);
			break;
		}
		append_character(out, utf8_to_unicode(p));
		columns += width;
		p += len;
	}
	if (utf8 != text)
		pfree(utf8);
}

int
markup_columns(const char *text)
{
	char	   *utf8 = to_utf8(text);
	int			columns = 0;

	for (const char *p = utf8; *p != '\0'; p += pg_utf_mblen((const unsigned char *) p))
		columns += Max(pg_encoding_dsplen(PG_UTF8, p), 0);
	if (utf8 != text)
		pfree(utf8);
	return columns;
}

char *
markup_duration(double s)
{
	if (s < 0.0095)
		return psprintf("%.2g ms", s < 0 ? 0 : s * 1000);
	if (s < 0.9995)
		return psprintf("%.0f ms", s * 1000);
	if (s < 9.95)
		return psprintf("%.2g s", s);
	if (s < 59.5)
		return psprintf("%.0f s", s);
	if (s < 59.5 * 60)
		return psprintf("%.2g min", s / 60);
	if (s < 47.5 * 3600)
		return psprintf("%.2g h", s / 3600);
	return psprintf("%.0f d", s / 86400);
}

static char *
scaled(double n, const char *const *units, double step)
{
	int			unit = 0;

	while (n >= step * 0.9995 && units[unit + 1] != NULL)
	{
		n /= step;
		unit++;
	}
	return psprintf(unit > 0 && n < 9.95 ? "%.1f%s" : "%.0f%s", n, units[unit]);
}

char *
markup_count(double n)
{
	static const char *const units[] = {"", " k", " M", " G", " T", NULL};

	return scaled(n, units, 1000);
}

char *
markup_bytes(double bytes)
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB", NULL};

	return scaled(bytes, units, 1024);
}
