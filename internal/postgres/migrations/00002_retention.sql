-- SPDX-License-Identifier: Apache-2.0
-- The purge. Every function is owned by the schema's owner and runs with its rights, so that whoever calls it can
-- delete what is due and nothing else (invariant 6). search_path is pinned to the schema this file runs in.
-- The periods lie in retention_rule, which the operator owns: see sql/rules.sql.
-- +goose Up

-- What is left of an appointment that was anonymised (A14). day is the day of the appointment in UTC.
CREATE TABLE appointment_count (
    day     date   NOT NULL,
    office  text   NOT NULL,
    service text   NOT NULL,
    channel text   NOT NULL,
    outcome text   NOT NULL CHECK (outcome IN ('confirmed', 'cancelled')),
    count   bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, office, service, channel, outcome)
);

-- finished_at is null until nothing that was due is left.
CREATE TABLE purge_run (
    category    text        NOT NULL,
    run         uuid        NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    removed     bigint      NOT NULL,
    PRIMARY KEY (category, run)
);

-- purge removes up to batch records of a category that are due, and gives their number; null when no rule tells a
-- period. Records others hold locked are left for the next run. run is the caller's name for one whole purge.
-- Subqueries are wrapped in ARRAY(), which is evaluated exactly once: a join could run one again and exceed batch.
-- +goose StatementBegin
CREATE FUNCTION purge(kind text, batch integer, sweep uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    cutoff timestamptz;
    wanted text;
    gone   bigint;
BEGIN
    IF batch IS NULL OR batch NOT BETWEEN 1 AND 100000 OR sweep IS NULL THEN
        RAISE EXCEPTION 'give a batch of 1 to 100000 records and a run' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT now() - r.period, r.action INTO cutoff, wanted FROM retention_rule AS r WHERE r.category = kind;
    CASE kind
    WHEN 'Hold' THEN
        DELETE FROM appointment WHERE id = ANY (ARRAY(
            SELECT id FROM appointment WHERE state = 'held' AND created_at <= cutoff
            ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS gone = ROW_COUNT;
    WHEN 'UnconfirmedBooking' THEN
        DELETE FROM appointment WHERE id = ANY (ARRAY(
            SELECT id FROM appointment WHERE state = 'pending' AND created_at <= cutoff
            ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS gone = ROW_COUNT;
    WHEN 'MailOutbox' THEN
        DELETE FROM mail_outbox WHERE id = ANY (ARRAY(
            SELECT id FROM mail_outbox WHERE coalesce(failed_at, created_at) <= cutoff
            LIMIT batch FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS gone = ROW_COUNT;
    WHEN 'AccessLog' THEN
        IF wanted = 'Strip' THEN
            UPDATE access_log SET address = NULL, user_agent = NULL WHERE id = ANY (ARRAY(
                SELECT id FROM access_log
                WHERE created_at <= cutoff AND (address IS NOT NULL OR user_agent IS NOT NULL)
                ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
        ELSE
            DELETE FROM access_log WHERE id = ANY (ARRAY(
                SELECT id FROM access_log WHERE created_at <= cutoff LIMIT batch FOR UPDATE SKIP LOCKED));
        END IF;
        GET DIAGNOSTICS gone = ROW_COUNT;
    WHEN 'Contact' THEN
        -- Per appointment, never per customer: a repeat visitor's old contacts go too.
        DELETE FROM contact WHERE appointment_id = ANY (ARRAY(
            SELECT c.appointment_id FROM contact AS c JOIN appointment AS a ON a.id = c.appointment_id
            WHERE least(a.ends_at, a.cancelled_at) <= cutoff
            LIMIT batch FOR UPDATE OF c SKIP LOCKED));
        GET DIAGNOSTICS gone = ROW_COUNT;
    WHEN 'Appointment' THEN
        WITH deleted AS (
            DELETE FROM appointment WHERE id = ANY (ARRAY(
                SELECT id FROM appointment
                WHERE state IN ('confirmed', 'cancelled') AND least(ends_at, cancelled_at) <= cutoff
                ORDER BY least(ends_at, cancelled_at) LIMIT batch FOR UPDATE SKIP LOCKED))
            RETURNING starts_at, office, service, channel, state
        ), counted AS (
            -- Sorted, so that two purges at once cannot lock the same counts in opposite order.
            INSERT INTO appointment_count (day, office, service, channel, outcome, count)
            SELECT (starts_at AT TIME ZONE 'UTC')::date, office, service, channel, state, count(*)
            FROM deleted WHERE wanted = 'Anonymize' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT (day, office, service, channel, outcome)
                DO UPDATE SET count = appointment_count.count + excluded.count
        )
        SELECT count(*) INTO gone FROM deleted;
    ELSE
        RAISE EXCEPTION 'there is no category of this name' USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    IF cutoff IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO purge_run AS r (category, run, started_at, finished_at, removed)
        VALUES (kind, sweep, now(), CASE WHEN gone < batch THEN clock_timestamp() END, gone)
        ON CONFLICT (category, run)
            DO UPDATE SET removed = r.removed + excluded.removed, finished_at = excluded.finished_at;
    DELETE FROM purge_run WHERE category = kind AND run <> ALL (ARRAY(
        SELECT run FROM purge_run WHERE category = kind ORDER BY started_at DESC LIMIT 100));
    RETURN gone;
END
$$;
-- +goose StatementEnd

-- retention_audit counts, per category the schema stores, records and start events, and gives nothing of a person.
-- period and action are null where no rule covers the category; due is past the period, overdue past the tolerance too.
-- In SQL rather than PL/pgSQL, since an audit of a thousand schemas must not keep a thousand plans in memory.
-- +goose StatementBegin
CREATE FUNCTION retention_audit() RETURNS TABLE (category text, period interval, action text, stored bigint, due bigint,
        overdue bigint, oldest timestamptz, removed bigint, purged_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT k.category, r.period, r.action, m.stored, m.due, m.overdue, m.oldest, p.removed, p.finished_at
    FROM (VALUES ('Hold'), ('UnconfirmedBooking'), ('MailOutbox'), ('AccessLog'), ('Contact'), ('Appointment')) AS k (category)
    LEFT JOIN retention_rule AS r ON r.category = k.category
    LEFT JOIN LATERAL (SELECT n.removed, n.finished_at FROM purge_run AS n
        WHERE n.category = k.category AND n.finished_at IS NOT NULL ORDER BY n.finished_at DESC LIMIT 1) AS p ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS stored,
            count(*) FILTER (WHERE s.start <= now() - r.period) AS due,
            count(*) FILTER (WHERE s.start <= now() - r.period - r.tolerance) AS overdue,
            min(s.start) FILTER (WHERE isfinite(s.start)) AS oldest
        FROM (
            SELECT created_at AS start FROM appointment WHERE k.category = 'Hold' AND state = 'held'
            UNION ALL
            SELECT created_at FROM appointment WHERE k.category = 'UnconfirmedBooking' AND state = 'pending'
            UNION ALL
            SELECT coalesce(failed_at, created_at) FROM mail_outbox WHERE k.category = 'MailOutbox'
            UNION ALL
            SELECT created_at FROM access_log WHERE k.category = 'AccessLog'
                AND (address IS NOT NULL OR user_agent IS NOT NULL OR r.action IS DISTINCT FROM 'Strip')
            UNION ALL
            SELECT least(a.ends_at, a.cancelled_at) FROM contact AS c JOIN appointment AS a ON a.id = c.appointment_id
                WHERE k.category = 'Contact'
            UNION ALL
            SELECT least(ends_at, cancelled_at) FROM appointment
                WHERE k.category = 'Appointment' AND state IN ('confirmed', 'cancelled')
        ) AS s
    ) AS m
$$;
-- +goose StatementEnd
