/*-------------------------------------------------------------------------
 *
 * markup.h
 *	  Text for HTML and SVG.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MARKUP_H
#define PGT_MARKUP_H

#include "pgt.h"
#include "lib/stringinfo.h"

/*
 * Append text of users as text and nothing else, in element content and in quoted
 * attributes.  What is appended is ASCII, whatever the encoding of the database.
 * At most max_columns are shown, wide characters being two, the last of them an
 * ellipsis if the text is longer; 0: all of it.
 */
extern void markup_text(StringInfo out, const char *text, int max_columns);

/* How many columns is that, as far as one can know? */
extern int	markup_columns(const char *text);

/* "3.4 s", "12 min", "5 d"; "2,400" as "2.4 k". */
extern char *markup_duration(double seconds);
extern char *markup_count(double n);
extern char *markup_bytes(double bytes);

#endif							/* PGT_MARKUP_H */
