/*-------------------------------------------------------------------------
 *
 * advice.c
 *	  Which indexes of the sources would let a refresh find rows, and are not
 *	  there.
 *
 * A rule looks rows up by columns that stand for columns of tables:
 *
 *	join			rows of each factor, by what equates it with another
 *	clock			rows of a factor between two values of a bound
 *	PARTITION		rows of each input, by the key
 *	LINEAR			rows of each side, by the pairs
 *	merged state	rows of a group that is computed afresh, by the group keys
 *
 * A lookup by several columns is served if one of them is the first column of
 * an index, since the others then only filter.  Where it reaches several
 * tables of a join, it is enough that one of them is served: the others are
 * found from there, as any join is.  Small tables need no index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "delta/delta.h"
#include "delta/explain.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A table needs no index up to so many rows, or pages if nobody counted. */
#define SMALL_ROWS 1000
#define SMALL_PAGES 8

typedef enum Lookup
{
	LOOKUP_UNKNOWN,				/* by nothing that a table has */
	LOOKUP_SERVED,
	LOOKUP_MISSING
} Lookup;

typedef struct AdviceList
{
	List	   *advice;			/* of ExplainedAdvice */
	bool		report;			/* else only find out */
	bool		ordered;		/* the lookup is of a range, not by equality */
} AdviceList;

static Lookup lookup_stage(AdviceList *list, const Stage *stage, List *columns);

/* ---- tables ---- */

static bool
is_small_relation(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	bool		result = true;

	if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		result = rel->rd_rel->reltuples >= 0 ?
			rel->rd_rel->reltuples <= SMALL_ROWS :
			RelationGetNumberOfBlocks(rel) <= SMALL_PAGES;
	relation_close(rel, NoLock);
	return result;
}

/* A partitioned table is small if all of its partitions are. */
static bool
is_small(Oid relid)
{
	ListCell   *lc;

	if (get_rel_relkind(relid) == RELKIND_RELATION)
		return is_small_relation(relid);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
		if (!is_small_relation(lfirst_oid(lc)))
			return false;
	return true;
}

static bool
index_serves(Oid index, List *columns, bool ordered)
{
	Relation	rel = index_open(index, AccessShareLock);
	Oid			am = rel->rd_rel->relam;
	bool		result = (am == BTREE_AM_OID || (am == HASH_AM_OID && !ordered)) &&
		rel->rd_index->indisvalid &&
		heap_attisnull(rel->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		list_member_int(columns, rel->rd_index->indkey.values[0]);

	index_close(rel, NoLock);
	return result;
}

static bool
has_index(Oid relid, List *columns, bool ordered)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	bool		result = false;
	ListCell   *lc;

	foreach(lc, indexes)
		if (index_serves(lfirst_oid(lc), columns, ordered))
			result = true;
	relation_close(rel, NoLock);
	return result;
}

bool
table_has_index(Oid relid, List *columns)
{
	return has_index(relid, columns, false);
}

/* Those of the columns that a btree can have. */
static List *
indexable_columns(Oid relid, List *columns)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, columns)
		if (OidIsValid(GetDefaultOpClass(get_atttype(relid, lfirst_int(lc)),
										 BTREE_AM_OID)))
			result = list_append_unique_int(result, lfirst_int(lc));
	return result;
}

static void
report_missing(AdviceList *list, Oid relid, List *columns)
{
	ExplainedAdvice *advice;
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, columns)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 quote_identifier(get_attname(relid, lfirst_int(lc), false)));
	foreach(lc, list->advice)
	{
		advice = lfirst(lc);
		if (strcmp(advice->relation, sqlgen_relation(relid)) == 0 &&
			strcmp(advice->columns, names.data) == 0)
			return;
	}
	advice = palloc0(sizeof(ExplainedAdvice));
	advice->relation = sqlgen_relation(relid);
	advice->columns = names.data;
	advice->statement = psprintf("CREATE INDEX ON %s (%s)", advice->relation,
								 names.data);
	list->advice = lappend(list->advice, advice);
}

static Lookup
lookup_table(AdviceList *list, Oid relid, List *columns)
{
	columns = indexable_columns(relid, columns);
	if (columns == NIL)
		return LOOKUP_UNKNOWN;
	if (has_index(relid, columns, list->ordered) || is_small(relid))
		return LOOKUP_SERVED;
	if (list->report)
		report_missing(list, relid, columns);
	return LOOKUP_MISSING;
}

/* ---- from columns of a relation down to those of its tables ---- */

static Lookup
lookup_factor(AdviceList *list, const Factor *factor, List *columns)
{
	if (columns == NIL || factor->function != NULL)
		return LOOKUP_UNKNOWN;
	return factor->stage != NULL ? lookup_stage(list, factor->stage, columns) :
		lookup_table(list, factor->relid, columns);
}

/* The columns of a factor that are among the given targets of a branch. */
static List *
factor_columns(const Branch *branch, int scan, List *targets)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, targets)
	{
		Var		   *var = (Var *) strip_relabel(list_nth(branch->targets,
														  lfirst_int(lc) - 1));

		if (IsA(var, Var) && var->varno == scan && var->varattno > 0)
			result = lappend_int(result, var->varattno);
	}
	return result;
}

static Lookup
lookup_branch(AdviceList *list, const Branch *branch, List *targets)
{
	bool		report = list->report;
	Lookup		result = LOOKUP_UNKNOWN;
	int			missing = 0;
	int			scan = 0;
	ListCell   *lc;

	list->report = false;
	foreach(lc, branch->factors)
	{
		Lookup		found = lookup_factor(list, lfirst(lc),
										  factor_columns(branch, ++scan, targets));

		if (found == LOOKUP_MISSING && missing == 0)
			missing = scan;
		if (found == LOOKUP_SERVED || result == LOOKUP_UNKNOWN)
			result = found;
	}
	list->report = report;
	if (result == LOOKUP_MISSING)
		(void) lookup_factor(list, list_nth(branch->factors, missing - 1),
							 factor_columns(branch, missing, targets));
	return result;
}

/* What needs all of several lookups */
static Lookup
both(Lookup a, Lookup b)
{
	return Max(a, b);
}

static Lookup
lookup_branches(AdviceList *list, List *branches, List *targets)
{
	Lookup		result = LOOKUP_UNKNOWN;
	ListCell   *lc;

	foreach(lc, branches)
		result = both(result, lookup_branch(list, lfirst(lc), targets));
	return result;
}

/* Columns of an input that columns of a PARTITION or LINEAR stage are. */
static List *
input_columns(const Stage *stage, const StageInput *input, List *columns)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, columns)
	{
		int			origin = stage->origins[lfirst_int(lc) - 1];

		if (origin != 0)
			result = lappend_int(result, stage->rule == STAGE_PARTITION ?
								 input->keys[origin - 1] : origin);
	}
	return result;
}

static Lookup
lookup_stage(AdviceList *list, const Stage *stage, List *columns)
{
	Lookup		result = LOOKUP_UNKNOWN;
	ListCell   *lc;

	/* a table of ours has the indexes that it needs */
	if (columns == NIL || stage->rule == STAGE_STORED ||
		stage->rule == STAGE_RECURSION || stage->rule == STAGE_WORKING)
		return LOOKUP_UNKNOWN;
	if (stage->rule == STAGE_SUM)
		return lookup_branches(list, stage->branches, columns);
	foreach(lc, stage->inputs)
	{
		const StageInput *input = lfirst(lc);

		result = both(result, lookup_stage(list, input->stage,
										   input_columns(stage, input, columns)));
		if (stage->rule == STAGE_LINEAR)
			break;
	}
	return result;
}

/* ---- which lookups the rules make ---- */

/* Of each factor, by what equates it with each other one. */
static void
advise_branch(AdviceList *list, const Branch *branch)
{
	int			nfactors = list_length(branch->factors);
	List	   *equalities = branch_equalities(branch);
	ListCell   *lc;

	for (int scan = 1; scan <= nfactors; scan++)
		for (int other = 1; other <= nfactors; other++)
		{
			const Factor *from = list_nth(branch->factors, other - 1);
			List	   *columns = NIL;

			if (other == scan || from->function != NULL)
				continue;
			foreach(lc, equalities)
			{
				const ColumnEquality *e = lfirst(lc);

				if (e->factor == scan && e->other == other)
					columns = list_append_unique_int(columns, e->column);
			}
			(void) lookup_factor(list, list_nth(branch->factors, scan - 1), columns);
		}
}

/* By each column that is compared with the clock. */
static void
advise_clock(AdviceList *list, const Branch *branch)
{
	ListCell   *lc;

	list->ordered = true;
	foreach(lc, branch_clock(branch)->bounds)
	{
		Var		   *var = (Var *) strip_relabel(((const ClockBound *) lfirst(lc))->expr);

		if (IsA(var, Var) && var->varattno > 0)
			(void) lookup_factor(list, list_nth(branch->factors, var->varno - 1),
								 list_make1_int(var->varattno));
	}
	list->ordered = false;
}

static void
advise_branches(AdviceList *list, List *branches)
{
	ListCell   *lc;

	foreach(lc, branches)
	{
		advise_branch(list, lfirst(lc));
		if (((Branch *) lfirst(lc))->uses_clock)
			advise_clock(list, lfirst(lc));
	}
}

static void
advise_partition(AdviceList *list, const Stage *stage)
{
	List	   *keys = slice_keys(stage, 0);
	ListCell   *li,
			   *lk;

	foreach(li, stage->inputs)
	{
		const StageInput *input = lfirst(li);
		List	   *columns = NIL;

		foreach(lk, keys)
			columns = lappend_int(columns,
								  input->keys[((SliceKey *) lfirst(lk))->position]);
		(void) lookup_stage(list, input->stage, columns);
	}
}

static void
advise_linear(AdviceList *list, const Stage *stage)
{
	for (int i = 1; i < list_length(stage->inputs); i++)
	{
		const StageInput *input = stage_input_at(stage, i);
		List	   *left = NIL;
		List	   *right = NIL;
		ListCell   *lc;

		foreach(lc, input->pairs)
		{
			const StagePair *pair = lfirst(lc);

			left = list_append_unique_int(left, pair->left);
			right = list_append_unique_int(right, pair->right);
		}
		(void) lookup_stage(list, stage_input_at(stage, 0)->stage, left);
		(void) lookup_stage(list, input->stage, right);
	}
}

static void
advise_stage(AdviceList *list, const Stage *stage)
{
	switch (stage->rule)
	{
		case STAGE_SUM:
			advise_branches(list, stage->branches);
			break;
		case STAGE_PARTITION:
			advise_partition(list, stage);
			break;
		case STAGE_LINEAR:
			advise_linear(list, stage);
			break;
		case STAGE_RECURSION:
			advise_branches(list, stage->branches);
			advise_branches(list, stage->step);
			break;
		case STAGE_STORED:
		case STAGE_WORKING:
			break;
	}
}

/* Is a group computed afresh in the course of ordinary changes? */
static bool
recomputes_groups(const DeltaProgram *program)
{
	if (!program->tree->aggregated || program->tree->nkeys == 0)
		return false;
	for (int i = 0; i < program->nstates; i++)
		if (program->states[i].kind == STATE_MIN ||
			program->states[i].kind == STATE_MAX ||
			program->states[i].kind == STATE_VALUE)
			return true;
	return program->fresh_keys != 0 || program->tree->having != NULL;
}

static void
advise_program(AdviceList *list, const DeltaProgram *program)
{
	List	   *keys = NIL;
	ListCell   *lc;

	advise_branches(list, program->tree->branches);
	foreach(lc, program->tree->stages)
		advise_stage(list, lfirst(lc));
	if (!recomputes_groups(program))
		return;
	for (int key = 1; key <= program->tree->nkeys; key++)
		keys = lappend_int(keys, key);
	(void) lookup_branches(list, program->tree->branches, keys);
}

List *
program_advice(const DeltaProgram *program)
{
	AdviceList	list = {.report = true};
	ListCell   *lc;

	if (program->reason != NULL)
		return NIL;
	foreach(lc, program->parts)
		advise_program(&list, lfirst(lc));
	advise_program(&list, program);
	return list.advice;
}
