-- SPDX-License-Identifier: Apache-2.0
-- The purge. Every function is owned by the schema's owner and runs with its rights, so that whoever calls it can
-- delete what is due and nothing else (invariant 6). search_path is pinned to the schema this file runs in.
-- The periods lie in retention_rule, which the operator owns: see sql/rules.sql.
-- +goose Up

-- What is left of what was anonymised (A14): appointments, and sessions by their address. day is in UTC.
CREATE TABLE appointment_count (
    day     date   NOT NULL,
    office  text   NOT NULL,
    service text   NOT NULL,
    channel text   NOT NULL,
    outcome text   NOT NULL CHECK (outcome IN ('confirmed', 'cancelled', 'session')),
    count   bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, office, service, channel, outcome)
);

-- finished_at is null until nothing that was due is left. reached is the start event of the last record removed: the
-- next batch begins there and need not pass all that was removed before it.
CREATE TABLE purge_run (
    category    text        NOT NULL,
    run         uuid        NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    removed     bigint      NOT NULL,
    reached     timestamptz,
    PRIMARY KEY (category, run)
);

-- A restriction (Art. 18 GDPR) or an abuse case (A3) keeps exactly the records it names, until a date. record is the
-- appointment for what hangs on one, else the number of the record.
CREATE TABLE retention_hold (
    category  text        NOT NULL,
    record    text        NOT NULL,
    kind      text        NOT NULL CHECK (kind IN ('Restriction', 'AbuseCase')),
    reference text        NOT NULL CHECK (reference <> ''),
    opened_at timestamptz NOT NULL DEFAULT now(),
    until     timestamptz NOT NULL CHECK (isfinite(until)),
    PRIMARY KEY (category, record, kind, reference)
);

COMMENT ON TABLE appointment_count IS '{"None": ["day", "office", "service", "channel", "outcome", "count"]}';
COMMENT ON TABLE purge_run IS '{"None": ["category", "run", "started_at", "finished_at", "removed", "reached"]}';
COMMENT ON TABLE retention_hold IS '{"AbuseCase": ["category", "record", "kind", "reference", "opened_at", "until"]}';
COMMENT ON TABLE goose_db_version IS '{"None": ["id", "version_id", "is_applied", "tstamp"]}';

-- A purge leaves dead rows, whose bytes only VACUUM removes, and VACUUM can run in no function. So autovacuum is told to
-- come after a thousand of them, whatever the size of the table, rather than after a fifth of it.
ALTER TABLE appointment SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE contact SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE mail_outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);

-- retention_category says where the records of each category lie: r is the record; start begins its period, collected
-- is when it was stored and so which promise was given, condition picks the category's records of the table, key names
-- a record to a hold, and held_by are the categories whose holds keep it: an appointment stays with what hangs on it.
-- +goose StatementBegin
CREATE FUNCTION retention_category() RETURNS TABLE (category text, relation text, source text, start text, collected text,
        condition text, key text, held_by text[])
    LANGUAGE sql STABLE AS $$
    VALUES
    ('Hold', 'appointment', 'appointment AS r', 'r.created_at', 'r.created_at', $c$r.state = 'held'$c$,
        'r.id', ARRAY['Appointment', 'Contact', 'Message', 'Attachment', 'MailOutbox']),
    ('UnconfirmedBooking', 'appointment', 'appointment AS r', 'r.created_at', 'r.created_at', $c$r.state = 'pending'$c$,
        'r.id', ARRAY['Appointment', 'Contact', 'Message', 'Attachment', 'MailOutbox']),
    ('MailOutbox', 'mail_outbox', 'mail_outbox AS r', 'coalesce(r.failed_at, r.created_at)', 'r.created_at', 'true',
        'r.appointment_id', ARRAY['MailOutbox']),
    ('AccessLog', 'access_log', 'access_log AS r', 'r.created_at', 'r.created_at', '(r.address IS NOT NULL OR r.user_agent IS NOT NULL)',
        'r.id', ARRAY['AccessLog']),
    ('Contact', 'contact', 'contact AS r JOIN appointment AS a ON a.id = r.appointment_id', 'least(a.ends_at, a.cancelled_at)',
        'r.created_at', 'true', 'r.appointment_id', ARRAY['Contact']),
    ('Message', 'message', 'message AS r JOIN appointment AS a ON a.id = r.appointment_id', 'least(a.ends_at, a.cancelled_at)',
        'r.created_at', 'true', 'r.appointment_id', ARRAY['Message']),
    ('Attachment', 'attachment', 'attachment AS r JOIN appointment AS a ON a.id = r.appointment_id', 'least(a.ends_at, a.cancelled_at)',
        'r.created_at', 'true', 'r.appointment_id', ARRAY['Attachment']),
    ('SessionAddress', 'session_address', 'session_address AS r', 'r.created_at', 'r.created_at', 'true', 'r.id', ARRAY['SessionAddress']),
    ('SessionMetadata', 'session', 'session AS r', 'r.created_at', 'r.created_at', 'true', 'r.id', ARRAY['SessionMetadata']),
    ('SignatureBiometrics', 'signature', 'signature AS r', 'r.signed_at', 'r.signed_at', 'true', 'r.id', ARRAY['SignatureBiometrics']),
    ('Consent', 'consent', 'consent AS r', 'least(r.withdrawn_at, r.purpose_ended_at)', 'r.given_at', 'true', 'r.id', ARRAY['Consent']),
    ('AuditLog', 'audit_log', 'audit_log AS r', 'r.created_at', 'r.created_at', 'true', 'r.id', ARRAY['AuditLog']),
    ('ErasureJournal', 'erasure_journal', 'erasure_journal AS r', 'r.erased_at', 'r.erased_at', 'true', 'r.subject_hmac', ARRAY[]::text[]),
    ('AbuseCase', 'retention_hold', 'retention_hold AS r', 'r.opened_at', 'r.opened_at', $c$r.kind = 'AbuseCase'$c$, 'r.record', ARRAY[]::text[]),
    -- Last, since what hangs on an appointment goes by rules of its own first.
    ('Appointment', 'appointment', 'appointment AS r', 'least(r.ends_at, r.cancelled_at)', 'r.created_at',
        $c$r.state IN ('confirmed', 'cancelled')$c$, 'r.id', ARRAY['Appointment', 'Contact', 'Message', 'Attachment', 'MailOutbox'])
$$;
-- +goose StatementEnd

-- retention_due is the condition under which a record of a category is past its period, and past the tolerance too when
-- tolerant; null when there never was a rule. A record keeps the shortest promise given since it was collected:
-- retention_rule holds, beside the rule in force, the shorter ones that were, each with the time until it was promised.
-- +goose StatementBegin
CREATE FUNCTION retention_due(kind text, start text, collected text, tolerant boolean) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    r        record;
    latest   timestamptz;
    due_by   timestamptz;
    branches text := '';
BEGIN
    FOR r IN SELECT n.period, n.tolerance, n.until FROM retention_rule AS n WHERE n.category = kind LOOP
        due_by := now() - r.period - CASE WHEN tolerant THEN r.tolerance ELSE interval '0' END;
        latest := greatest(latest, due_by);
        branches := branches || CASE WHEN branches = '' THEN '' ELSE ' OR ' END || format('%s <= %L::timestamptz', start, due_by)
            || CASE WHEN r.until = 'infinity' THEN '' ELSE format(' AND %s < %L::timestamptz', collected, r.until) END;
    END LOOP;
    RETURN CASE WHEN latest IS NOT NULL THEN format('%s <= %L::timestamptz AND (%s)', start, latest, branches) END;
END
$$;
-- +goose StatementEnd

-- retention_kept excludes the records a hold keeps; empty, and so free of cost, while there is none.
-- +goose StatementBegin
CREATE FUNCTION retention_kept(key text, held_by text[]) RETURNS text
    LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(format(' AND %s <> ALL (%L)', key || '::text', array_agg(DISTINCT h.record)), '')
    FROM retention_hold AS h WHERE h.category = ANY (held_by) AND h.until > now()
    HAVING count(*) > 0
$$;
-- +goose StatementEnd

-- purge removes up to batch records of a category that are due, and gives their number; null when no rule ever gave a
-- period. Records others hold locked are left for the next run. run is the caller's name for one whole purge.
-- +goose StatementBegin
CREATE FUNCTION purge(kind text, batch integer, sweep uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    k      record;
    due    text;
    wanted text;
    paused timestamptz;
    behind timestamptz;
    tids   tid[];
    ids    bigint[];
    low    timestamptz;
    high   timestamptz;
    gone   bigint;
BEGIN
    IF batch IS NULL OR batch NOT BETWEEN 1 AND 100000 OR sweep IS NULL THEN
        RAISE EXCEPTION 'give a batch of 1 to 100000 records and a run' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO k FROM retention_category() AS c WHERE c.category = kind;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no category of this name' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    due := retention_due(kind, k.start, k.collected, false);
    IF due IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT r.action, r.suspended_until INTO wanted, paused FROM retention_rule AS r WHERE r.category = kind ORDER BY r.until DESC LIMIT 1;
    IF paused > now() THEN
        -- Not recorded as a run: what was not looked for was not found absent.
        RETURN 0;
    END IF;
    -- A hold that has ended says nothing any more, and would only tell who once asked for it.
    DELETE FROM retention_hold WHERE retention_hold.kind = 'Restriction' AND until <= now();
    SELECT p.reached INTO behind FROM purge_run AS p WHERE p.category = kind AND p.run = sweep;
    IF kind = 'AccessLog' AND wanted = 'Delete' THEN
        k.condition := 'true';
        gone := drop_expired_logs(due);
    END IF;
    -- Locked first and acted upon second, each under its own snapshot: a record that was changed in between is seen as
    -- it is now. Oldest first, so that a purge cut short has done the most urgent.
    EXECUTE format('SELECT array_agg(d.tid), array_agg(d.id), min(d.start), max(d.start) FROM (
            SELECT r.ctid AS tid, %1$s AS id, %2$s AS start FROM %3$s WHERE %4$s AND %5$s%6$s%7$s
            ORDER BY %2$s LIMIT %8$s FOR UPDATE OF r SKIP LOCKED) AS d',
        CASE kind WHEN 'AccessLog' THEN 'r.id' ELSE 'NULL::bigint' END, k.start, k.source, k.condition, due,
        retention_kept(k.key, k.held_by), CASE WHEN behind IS NULL THEN '' ELSE format(' AND %s >= %L::timestamptz', k.start, behind) END, batch)
        INTO tids, ids, low, high;
    CASE
    WHEN tids IS NULL THEN
    WHEN kind = 'AccessLog' AND wanted = 'Strip' THEN
        UPDATE access_log AS r SET address = NULL, user_agent = NULL WHERE r.created_at BETWEEN low AND high AND r.id = ANY (ids);
    WHEN kind = 'AccessLog' THEN
        DELETE FROM access_log AS r WHERE r.created_at BETWEEN low AND high AND r.id = ANY (ids);
    WHEN kind = 'Appointment' AND wanted = 'Anonymize' THEN
        WITH deleted AS (
            DELETE FROM appointment AS r WHERE r.ctid = ANY (tids) RETURNING r.starts_at, r.office, r.service, r.channel, r.state
        )
        -- Sorted, so that two purges at once cannot lock the same counts in opposite order.
        INSERT INTO appointment_count (day, office, service, channel, outcome, count)
            SELECT (d.starts_at AT TIME ZONE 'UTC')::date, d.office, d.service, d.channel, d.state, count(*)
            FROM deleted AS d GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT (day, office, service, channel, outcome) DO UPDATE SET count = appointment_count.count + excluded.count;
    WHEN kind = 'SessionAddress' AND wanted = 'Anonymize' THEN
        WITH deleted AS (DELETE FROM session_address AS r WHERE r.ctid = ANY (tids) RETURNING r.created_at)
        INSERT INTO appointment_count (day, office, service, channel, outcome, count)
            SELECT (d.created_at AT TIME ZONE 'UTC')::date, '', '', 'Video', 'session', count(*) FROM deleted AS d GROUP BY 1 ORDER BY 1
            ON CONFLICT (day, office, service, channel, outcome) DO UPDATE SET count = appointment_count.count + excluded.count;
    ELSE
        EXECUTE format('DELETE FROM %I AS r WHERE r.ctid = ANY ($1)', k.relation) USING tids;
    END CASE;
    gone := coalesce(gone, 0) + coalesce(cardinality(tids), 0);
    INSERT INTO purge_run AS p (category, run, started_at, finished_at, removed, reached)
        VALUES (kind, sweep, now(), CASE WHEN gone < batch THEN clock_timestamp() END, gone, high)
        ON CONFLICT (category, run) DO UPDATE SET removed = p.removed + excluded.removed, finished_at = excluded.finished_at,
            reached = coalesce(excluded.reached, p.reached);
    IF gone < batch THEN
        DELETE FROM purge_run AS p WHERE p.category = kind AND p.run <> ALL (ARRAY(
            SELECT n.run FROM purge_run AS n WHERE n.category = kind ORDER BY n.started_at DESC LIMIT 20));
    END IF;
    RETURN gone;
END
$$;
-- +goose StatementEnd

-- drop_expired_logs drops partitions of the access log that hold nothing but due records, and makes those of tomorrow
-- and the day after; it gives the number of records dropped, which may exceed the batch: a DROP costs the same for any.
-- A partition with a record on hold is left to the row-wise purge.
-- +goose StatementBegin
CREATE FUNCTION drop_expired_logs(due text) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    part    text;
    day     date;
    whole   boolean;
    counted bigint;
    gone    bigint := 0;
BEGIN
    FOR part IN SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'access_log'::regclass AND c.relname <> 'access_log_rest' ORDER BY 1 LOOP
        -- Only what ended before now can be due as a whole; looking at the others would cost a scan each.
        CONTINUE WHEN to_date(substr(part, 12), 'YYYYMMDD') >= (now() AT TIME ZONE 'UTC')::date;
        EXECUTE format('SELECT count(*), coalesce(bool_and(%s), true) FROM %I AS r', due, part) INTO counted, whole;
        CONTINUE WHEN NOT whole OR EXISTS (SELECT FROM retention_hold AS h WHERE h.category = 'AccessLog' AND h.until > now());
        BEGIN
            EXECUTE format('DROP TABLE %I', part);
            gone := gone + counted;
        EXCEPTION WHEN lock_not_available THEN
            NULL; -- Somebody reads the log; the next run finds it again.
        END;
    END LOOP;
    FOR ahead IN 1..2 LOOP
        day := (now() AT TIME ZONE 'UTC')::date + ahead;
        part := 'access_log_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE %I PARTITION OF access_log FOR VALUES FROM (%L) TO (%L)', part,
                day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
            EXECUTE format('GRANT SELECT ON %I TO %I', part, current_schema() || '_backup');
        EXCEPTION WHEN lock_not_available OR check_violation OR duplicate_table THEN
            NULL; -- Rows dated ahead by a fast clock, or another purge: the default partition holds them as well.
        END;
    END LOOP;
    RETURN gone;
END
$$;
-- +goose StatementEnd

-- open_hold keeps records past their period until a date, for a restriction (Art. 18 GDPR) or an abuse case (A3), and
-- gives the number of records found. what is an appointment for the categories that hang on one, an address for
-- AccessLog and SessionAddress, else the number of the record. The app cannot open one: whoever can keep data can
-- undo its deletion. Opening one again can only end it sooner, and a case that has ended is not opened twice.
-- +goose StatementBegin
CREATE FUNCTION open_hold(why text, case_reference text, kind text, what text, ends timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    k    record;
    n    bigint;
    most interval;
BEGIN
    SELECT * INTO k FROM retention_category() AS c WHERE c.category = kind AND c.held_by <> '{}';
    IF NOT FOUND OR kind IN ('Hold', 'UnconfirmedBooking') THEN
        RAISE EXCEPTION 'records of this category cannot be held' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(case_reference, '') = '' OR why IS NULL OR why NOT IN ('Restriction', 'AbuseCase') THEN
        RAISE EXCEPTION 'a hold needs a kind, Restriction or AbuseCase, and a case reference' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    most := CASE why WHEN 'Restriction' THEN interval '366 days' ELSE (SELECT min(r.period) FROM retention_rule AS r WHERE r.category = 'AbuseCase') END;
    IF most IS NULL THEN
        RAISE EXCEPTION 'the policy has no rule for AbuseCase, so that no case may keep anything' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF ends IS NULL OR ends <= now() OR ends > now() + most THEN
        RAISE EXCEPTION 'a hold must end after now and within what the policy allows a case, or 366 days for a restriction' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('INSERT INTO retention_hold AS h (category, record, kind, reference, until)
            SELECT DISTINCT %L, %s::text, %L, %L, %L::timestamptz FROM %s WHERE %s = %L
            ON CONFLICT (category, record, kind, reference) DO UPDATE
                SET until = CASE WHEN h.until <= now() THEN excluded.until ELSE least(h.until, excluded.until) END
                WHERE h.kind = ''Restriction'' OR h.until > now()',
        kind, k.key, why, case_reference, ends, k.source,
        CASE WHEN kind IN ('AccessLog', 'SessionAddress') THEN 'r.address' ELSE k.key END, what);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
-- +goose StatementEnd

-- end_hold ends every hold of a case at once and gives their number.
-- +goose StatementBegin
CREATE FUNCTION end_hold(why text, case_reference text) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH ended AS (
        UPDATE retention_hold SET until = now() WHERE kind = why AND reference = case_reference AND until > now() RETURNING 1
    )
    SELECT count(*) FROM ended
$$;
-- +goose StatementEnd

-- rewrite_storage writes the tables citizens' data lie in anew, so that the bytes of deleted rows are in no file of the
-- table or its indexes any more; false when the last rewrite is younger than given. It locks each table while it works.
-- +goose StatementBegin
CREATE FUNCTION rewrite_storage(every interval) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM purge_run AS p WHERE p.category = 'StorageRewrite' AND p.finished_at > now() - every) THEN
        RETURN false;
    END IF;
    CLUSTER contact USING contact_pkey;
    CLUSTER message USING message_pkey;
    CLUSTER attachment USING attachment_pkey;
    CLUSTER mail_outbox USING mail_outbox_pkey;
    CLUSTER session_address USING session_address_pkey;
    CLUSTER session USING session_pkey;
    CLUSTER signature USING signature_pkey;
    CLUSTER consent USING consent_pkey;
    CLUSTER access_log_rest USING access_log_rest_pkey;
    CLUSTER appointment USING appointment_ended;
    DELETE FROM purge_run AS p WHERE p.category = 'StorageRewrite';
    INSERT INTO purge_run (category, run, started_at, finished_at, removed)
        VALUES ('StorageRewrite', gen_random_uuid(), now(), clock_timestamp(), 0);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- retention_audit counts, per category the schema stores, records and start events, and gives nothing of a person.
-- period, action and since are null where no rule covers the category; stored counts a large table up to 1000; due is past the period,
-- overdue past the tolerance too, both without what holds keep; next_due is the earliest moment one can fall due.
-- Every statement is dynamic: the plans of a thousand schemas must not stay in the memory of the audit's session.
-- +goose StatementBegin
CREATE FUNCTION retention_audit() RETURNS TABLE (category text, period interval, action text, stored bigint, due bigint,
        overdue bigint, oldest timestamptz, removed bigint, purged_at timestamptz, held bigint, next_due timestamptz,
        since timestamptz, suspended_until timestamptz)
    -- What is due lies at one end of an index, whatever statistics from before the purge make of it.
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    k      record;
    late   text;
    later  text;
    kept   text;
    blocks bigint;
BEGIN
    FOR k IN EXECUTE $q$
        SELECT c.*, r.period, r.action, r.effective_from, r.suspended_until, p.removed, p.finished_at, coalesce(h.held, 0) AS held, n.shortest,
            EXISTS (SELECT FROM retention_hold) AS holds
        FROM retention_category() AS c
        LEFT JOIN retention_rule AS r ON r.category = c.category AND r.until = 'infinity'
        LEFT JOIN (SELECT g.category, min(g.period) AS shortest FROM retention_rule AS g GROUP BY 1) AS n ON n.category = c.category
        LEFT JOIN (SELECT g.category, count(*) AS held FROM retention_hold AS g WHERE g.until > now() GROUP BY 1) AS h ON h.category = c.category
        LEFT JOIN (SELECT DISTINCT ON (g.category) g.category, g.removed, g.finished_at FROM purge_run AS g
            WHERE g.finished_at IS NOT NULL ORDER BY g.category, g.finished_at DESC) AS p ON p.category = c.category
        $q$ LOOP
        category := k.category;
        period := k.period;
        action := k.action;
        since := k.effective_from;
        suspended_until := k.suspended_until;
        removed := k.removed;
        purged_at := k.finished_at;
        held := k.held;
        stored := 0;
        due := 0;
        overdue := 0;
        oldest := NULL;
        blocks := CASE k.relation WHEN 'access_log'
            THEN (SELECT sum(pg_relation_size(i.inhrelid)) FROM pg_inherits AS i WHERE i.inhparent = 'access_log'::regclass)
            ELSE pg_relation_size(k.relation::regclass) END / 8192;
        IF blocks > 0 THEN
            IF k.category = 'AccessLog' AND k.action IS DISTINCT FROM 'Strip' THEN
                k.condition := 'true';
            END IF;
            late := coalesce(retention_due(k.category, k.start, k.collected, false), 'false');
            later := coalesce(retention_due(k.category, k.start, k.collected, true), 'false');
            kept := CASE WHEN k.holds THEN retention_kept(k.key, k.held_by) ELSE '' END;
            IF blocks <= 64 THEN
                EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %1$s%2$s), count(*) FILTER (WHERE %3$s%2$s), min(%4$s) FILTER (WHERE isfinite(%4$s))
                    FROM %5$s WHERE %6$s', late, kept, later, k.start, k.source, k.condition) INTO stored, due, overdue, oldest;
            ELSE
                -- A large table is never read as a whole.
                EXECUTE format('SELECT (SELECT count(*) FROM (SELECT FROM %7$I AS r WHERE %2$s LIMIT 1000) AS n),
                    (SELECT count(*) FROM %1$s WHERE %2$s AND %3$s%5$s), (SELECT count(*) FROM %1$s WHERE %2$s AND %4$s%5$s),
                    (SELECT %6$s FROM %1$s WHERE %2$s AND isfinite(%6$s) ORDER BY %6$s LIMIT 1)',
                    k.source, k.condition, late, later, kept, k.start, k.relation) INTO stored, due, overdue, oldest;
            END IF;
        END IF;
        next_due := oldest + k.shortest;
        RETURN NEXT;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- retention_runs gives the last purges, newest first; finished_at is null while one of its categories is unfinished.
-- +goose StatementBegin
CREATE FUNCTION retention_runs() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT jsonb_agg(n) FROM (
        SELECT min(p.started_at) AS started_at, CASE WHEN bool_and(p.finished_at IS NOT NULL) THEN max(p.finished_at) END AS finished_at,
            sum(p.removed) AS removed
        FROM purge_run AS p WHERE p.category <> 'StorageRewrite' GROUP BY p.run ORDER BY 1 DESC LIMIT 5) AS n
$$;
-- +goose StatementEnd
