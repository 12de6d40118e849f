-- SPDX-License-Identifier: Apache-2.0
-- Erasures on request (Art. 17 GDPR) that a restore repeats: the row is hidden at once and waits in erasure_pending until
-- a store has confirmed the journal entry; then it goes (invariant 5).
-- +goose Up

-- What is hidden and waits for its journal entry. By identifier and without reference, so that an entry that has not
-- been confirmed outlives its row, a purge and a restore.
CREATE TABLE erasure_pending (
    subject      uuid        NOT NULL PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE erasure_pending IS '{"None": ["subject", "requested_at"]}';

-- key names the tenant's key the mark was made with; empty for marks an instance of an older release made.
-- shipped_at is when a store had the entry.
ALTER TABLE erasure_journal ADD COLUMN key text NOT NULL DEFAULT '', ADD COLUMN shipped_at timestamptz;
COMMENT ON TABLE erasure_journal IS '{"ErasureJournal": ["erased_at", "subject_hmac", "key", "shipped_at"]}';

-- confirm_erasures deletes hidden appointments whose journal entry a store has confirmed, and gives their number. Only
-- what was asked to be erased can be deleted by it, so that the backup role cannot delete anything else.
-- +goose StatementBegin
CREATE FUNCTION confirm_erasures(subjects uuid[], marks bytea[], key_name text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    IF cardinality(subjects) <> cardinality(marks) OR coalesce(key_name, '') = '' THEN
        RAISE EXCEPTION 'give a mark for each subject and the name of the key' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WITH waiting AS (
        DELETE FROM erasure_pending AS p USING unnest(subjects, marks) AS u (subject, mark) WHERE p.subject = u.subject
        RETURNING p.subject, p.requested_at, u.mark
    ), erased AS (
        DELETE FROM appointment AS a USING waiting AS w WHERE a.id = w.subject
    ), written AS (
        INSERT INTO erasure_journal (erased_at, subject_hmac, key, shipped_at)
            SELECT w.requested_at, w.mark, key_name, now() FROM waiting AS w ON CONFLICT DO NOTHING
    )
    SELECT count(*) INTO gone FROM waiting;
    RETURN gone;
END
$$;
-- +goose StatementEnd

-- confirm_journal notes that a store has entries an instance of an older release made.
-- +goose StatementBegin
CREATE FUNCTION confirm_journal(marks bytea[]) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH noted AS (
        UPDATE erasure_journal SET shipped_at = now() WHERE subject_hmac = ANY (marks) AND shipped_at IS NULL RETURNING 1
    )
    SELECT count(*) FROM noted
$$;
-- +goose StatementEnd

-- drop_expired_logs as before, but for the grant: a restore purges in a schema that has no backup role.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION drop_expired_logs(due text) RETURNS bigint
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
            IF to_regrole(quote_ident(current_schema() || '_backup')) IS NOT NULL THEN
                EXECUTE format('GRANT SELECT ON %I TO %I', part, current_schema() || '_backup');
            END IF;
        EXCEPTION WHEN lock_not_available OR check_violation OR duplicate_table THEN
            NULL; -- Rows dated ahead by a fast clock, or another purge: the default partition holds them as well.
        END;
    END LOOP;
    RETURN gone;
END
$$;
-- +goose StatementEnd
