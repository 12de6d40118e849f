-- SPDX-License-Identifier: Apache-2.0
-- The audit in fewer statements: planning them is nearly all it costs where tables are small, and a database has
-- hundreds of tenants.
-- +goose Up

-- retention_audit as before: it counts, per category the schema stores, records and start events, and gives nothing of
-- a person. period, action and since are null where no rule covers the category; stored counts a large table up to
-- 1000; due is past the period, overdue past the tolerance too, both without what holds keep; next_due is the earliest
-- moment one can fall due. Every statement is dynamic: the plans of a thousand schemas must not stay in the memory of
-- the audit's session. An empty table is not looked into at all.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION retention_audit() RETURNS TABLE (category text, period interval, action text, stored bigint, due bigint,
        overdue bigint, oldest timestamptz, removed bigint, purged_at timestamptz, held bigint, next_due timestamptz,
        since timestamptz, suspended_until timestamptz)
    -- What is due lies at one end of an index, whatever statistics from before the purge make of it.
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    k        record;
    -- The rules in force, the last finished purges, the holds and what was measured; each by position of its category.
    -- No expression below has a query in it: those PL/pgSQL answers by itself, without the executor.
    ruled    text[];
    periods  interval[];
    actions  text[];
    bounds   interval[];
    sinces   timestamptz[];
    pauses   timestamptz[];
    promised text[];
    purged   text[];
    removals bigint[];
    ends     timestamptz[];
    holding  text[];
    holds    bigint[];
    measured text[];
    stores   bigint[];
    dues     bigint[];
    overdues bigint[];
    oldests  timestamptz[];
    late     text;
    later    text;
    kept     text;
    n        integer;
    names    text[] := '{}';
    branches text[] := '{}';
BEGIN
    EXECUTE $q$SELECT array_agg(r.category) FILTER (WHERE r.until = 'infinity'), array_agg(r.period) FILTER (WHERE r.until = 'infinity'),
            array_agg(r.action) FILTER (WHERE r.until = 'infinity'), array_agg(r.period + r.tolerance) FILTER (WHERE r.until = 'infinity'),
            array_agg(r.effective_from) FILTER (WHERE r.until = 'infinity'), array_agg(r.suspended_until) FILTER (WHERE r.until = 'infinity'),
            coalesce(array_agg(r.category) FILTER (WHERE r.until <> 'infinity'), '{}')
        FROM retention_rule AS r$q$ INTO ruled, periods, actions, bounds, sinces, pauses, promised;
    IF pg_relation_size('purge_run') > 0 THEN
        EXECUTE $q$SELECT array_agg(p.category), array_agg(p.removed), array_agg(p.finished_at)
            FROM (SELECT DISTINCT ON (g.category) g.category, g.removed, g.finished_at FROM purge_run AS g
                WHERE g.finished_at IS NOT NULL ORDER BY g.category, g.finished_at DESC) AS p$q$ INTO purged, removals, ends;
    END IF;
    IF pg_relation_size('retention_hold') > 0 THEN
        EXECUTE $q$SELECT array_agg(h.category), array_agg(h.held)
            FROM (SELECT g.category, count(*) AS held FROM retention_hold AS g WHERE g.until > now() GROUP BY 1) AS h$q$ INTO holding, holds;
    END IF;
    FOR k IN EXECUTE $q$SELECT c.*, CASE c.relation WHEN 'access_log'
                THEN (SELECT sum(pg_relation_size(i.inhrelid)) FROM pg_inherits AS i WHERE i.inhparent = 'access_log'::regclass)
                ELSE pg_relation_size(c.relation::regclass) END / 8192 AS blocks
            FROM retention_category() AS c$q$ LOOP
        names := names || k.category;
        CONTINUE WHEN k.blocks = 0;
        n := array_position(ruled, k.category);
        IF k.category = 'AccessLog' AND actions[n] IS DISTINCT FROM 'Strip' THEN
            k.condition := 'true';
        END IF;
        IF k.category = ANY (promised) THEN
            late := coalesce(retention_due(k.category, k.start, k.collected, false), 'false');
            later := coalesce(retention_due(k.category, k.start, k.collected, true), 'false');
        ELSIF n IS NULL THEN
            late := 'false';
            later := 'false';
        ELSE -- As retention_due has it where no promise but the rule in force binds anything.
            late := format('%s <= %L::timestamptz', k.start, now() - periods[n]);
            later := format('%s <= %L::timestamptz', k.start, now() - bounds[n]);
        END IF;
        kept := CASE WHEN holding IS NULL THEN '' ELSE retention_kept(k.key, k.held_by) END;
        -- A large table is never read as a whole.
        branches := branches || CASE WHEN k.blocks <= 64 THEN
            format('SELECT %7$L AS name, count(*) AS stored, count(*) FILTER (WHERE %1$s%2$s) AS due, count(*) FILTER (WHERE %3$s%2$s) AS overdue,
                    min(%4$s) FILTER (WHERE isfinite(%4$s)) AS oldest FROM %5$s WHERE %6$s', late, kept, later, k.start, k.source, k.condition, k.category)
            ELSE
            format('SELECT %8$L AS name, (SELECT count(*) FROM (SELECT FROM %7$I AS r WHERE %2$s LIMIT 1000) AS n) AS stored,
                    (SELECT count(*) FROM %1$s WHERE %2$s AND %3$s%5$s) AS due, (SELECT count(*) FROM %1$s WHERE %2$s AND %4$s%5$s) AS overdue,
                    (SELECT %6$s FROM %1$s WHERE %2$s AND isfinite(%6$s) ORDER BY %6$s LIMIT 1) AS oldest',
                k.source, k.condition, late, later, kept, k.start, k.relation, k.category) END;
    END LOOP;
    IF branches <> '{}' THEN
        EXECUTE 'SELECT array_agg(u.name), array_agg(u.stored), array_agg(u.due), array_agg(u.overdue), array_agg(u.oldest)
            FROM (' || array_to_string(branches, ' UNION ALL ') || ') AS u' INTO measured, stores, dues, overdues, oldests;
    END IF;
    FOREACH category IN ARRAY names LOOP
        n := array_position(ruled, category);
        period := periods[n];
        action := actions[n];
        since := sinces[n];
        suspended_until := pauses[n];
        n := array_position(purged, category);
        removed := removals[n];
        purged_at := ends[n];
        held := coalesce(holds[array_position(holding, category)], 0);
        n := array_position(measured, category);
        stored := coalesce(stores[n], 0);
        due := coalesce(dues[n], 0);
        overdue := coalesce(overdues[n], 0);
        oldest := oldests[n];
        next_due := oldest + period;
        IF category = ANY (promised) THEN
            EXECUTE 'SELECT min(g.period) + $2 FROM retention_rule AS g WHERE g.category = $1' INTO next_due USING category, oldest;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
-- +goose StatementEnd
