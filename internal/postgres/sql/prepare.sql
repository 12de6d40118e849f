-- SPDX-License-Identifier: Apache-2.0
-- What the operator keeps for itself in a database of tenants. Runs as the operator, under an advisory lock, any
-- number of times. A new schema is closed to everyone but its owner.
CREATE SCHEMA IF NOT EXISTS termintreu;

-- data_id is the opaque name shared catalogues may show; the names below stay in here.
CREATE TABLE IF NOT EXISTS termintreu.tenant (
    data_id        text        NOT NULL PRIMARY KEY,
    namespace      text        NOT NULL,
    name           text        NOT NULL,
    uid            text        NOT NULL,
    spec_hash      text        NOT NULL DEFAULT '',
    schema_version bigint      NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    retained_since timestamptz,
    retained_until timestamptz
);
-- The restore under way, by its UID: until it has ended, the application is kept out.
ALTER TABLE termintreu.tenant ADD COLUMN IF NOT EXISTS restoring text;

-- What became of each restore. A swap and its row are one transaction, so that an operator killed in between knows.
CREATE TABLE IF NOT EXISTS termintreu.restore (
    uid         text        NOT NULL PRIMARY KEY,
    data_id     text        NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    result      jsonb       NOT NULL
);


-- server says which server the database is on, so that a copy of it elsewhere is told from it. Who calls has met the
-- server and found it to be the right one.
CREATE TABLE IF NOT EXISTS termintreu.server (
    one               boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    system_identifier text    NOT NULL
);
INSERT INTO termintreu.server AS s (system_identifier) SELECT system_identifier::text FROM pg_catalog.pg_control_system()
ON CONFLICT (one) DO UPDATE SET system_identifier = excluded.system_identifier WHERE s.system_identifier <> excluded.system_identifier;

-- audit measures every tenant in one call. It commits between chunks, since one transaction over a thousand schemas
-- runs into max_locks_per_transaction. A tenant that cannot be read tells its SQLSTATE, never zero (invariant 7).
CREATE OR REPLACE PROCEDURE termintreu.audit(chunk integer, INOUT report jsonb) LANGUAGE plpgsql AS $$
DECLARE
    measured_at constant timestamptz := clock_timestamp();
    id       text;
    found    jsonb;
    runs     jsonb;
    failure  text;
    measured jsonb[] := '{}';
    seen     integer := 0;
    tenant   jsonb;
    unmapped jsonb;
BEGIN
    -- Every column of every tenant the data map of the migrations does not name, and every table it gives a category
    -- whose purge does not look there (M3). Catalogue only: it needs no lock on any of them.
    SELECT pg_catalog.jsonb_object_agg(u.data_id, u.names) INTO unmapped FROM (
        SELECT t.data_id, pg_catalog.jsonb_agg(c.relname || '.' || a.attname ORDER BY c.relname, a.attnum) AS names
        FROM termintreu.tenant AS t
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.data_id
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
        LEFT JOIN (VALUES ('appointment', 'Appointment'), ('contact', 'Contact'), ('mail_outbox', 'MailOutbox'), ('message', 'Message'),
            ('attachment', 'Attachment'), ('session', 'SessionMetadata'), ('session_address', 'SessionAddress'),
            ('signature', 'SignatureBiometrics'), ('consent', 'Consent'), ('audit_log', 'AuditLog'),
            ('erasure_journal', 'ErasureJournal'), ('access_log', 'AccessLog'), ('retention_hold', 'AbuseCase')) AS k (relation, category) ON k.relation = c.relname
        WHERE NOT coalesce(pg_catalog.starts_with(d.description, '{"' || coalesce(k.category, 'None') || '": [')
            AND pg_catalog.strpos(d.description, '"' || a.attname || '"') > 0, false)
        GROUP BY t.data_id) AS u;
    FOR id, tenant IN SELECT t.data_id, to_jsonb(t) FROM termintreu.tenant AS t ORDER BY t.data_id LOOP
        found := NULL;
        runs := NULL;
        failure := NULL;
        -- A tenant that holds a lock on its own tables makes itself Unknown, and keeps no other from being measured.
        SET LOCAL lock_timeout = '500ms';
        BEGIN
            EXECUTE pg_catalog.format('SELECT jsonb_agg(to_jsonb(a) || jsonb_build_object(''period'', extract(epoch FROM a.period))), %1$I.retention_runs() FROM %1$I.retention_audit() AS a', id) INTO found, runs;
        EXCEPTION WHEN OTHERS THEN
            failure := SQLSTATE;
        END;
        measured := measured || (tenant || jsonb_build_object('categories', found, 'runs', runs, 'failure', failure, 'unmapped', unmapped -> id));
        seen := seen + 1;
        IF seen % chunk = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    report := jsonb_build_object('measured_at', measured_at, 'tenants', to_jsonb(measured));
END
$$;
REVOKE ALL ON PROCEDURE termintreu.audit(integer, jsonb) FROM PUBLIC;
