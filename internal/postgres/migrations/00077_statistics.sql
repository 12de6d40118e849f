-- SPDX-License-Identifier: Apache-2.0
-- What ANALYZE learns of a column are values of it, which stay in pg_statistic after their rows are gone, until it runs
-- again. So it learns nothing of what says who somebody is or what they wrote; no query asks for rows by these.
-- +goose Up

ALTER TABLE contact ALTER given_name SET STATISTICS 0, ALTER family_name SET STATISTICS 0, ALTER email SET STATISTICS 0, ALTER phone SET STATISTICS 0,
    ALTER street SET STATISTICS 0, ALTER postal_code SET STATISTICS 0, ALTER city SET STATISTICS 0;
ALTER TABLE mail_outbox ALTER token SET STATISTICS 0;
ALTER TABLE message ALTER body SET STATISTICS 0;
ALTER TABLE attachment ALTER file_name SET STATISTICS 0, ALTER content SET STATISTICS 0;
ALTER TABLE session ALTER user_agent SET STATISTICS 0;
ALTER TABLE session_address ALTER address SET STATISTICS 0;
ALTER TABLE signature ALTER strokes SET STATISTICS 0;
ALTER TABLE consent ALTER subject SET STATISTICS 0;
ALTER TABLE access_log ALTER address SET STATISTICS 0, ALTER user_agent SET STATISTICS 0;
ALTER TABLE staff_session ALTER subject SET STATISTICS 0, ALTER claims SET STATISTICS 0;

-- drop_expired_logs as before; the table of a day is made with what its parent was told of statistics, which a
-- partition does not take over by itself.
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
            EXECUTE format('ALTER TABLE %I ALTER address SET STATISTICS 0, ALTER user_agent SET STATISTICS 0', part);
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
