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
-- How long an erasure on request may wait for a store before it is overdue (Art. 17 GDPR).
ALTER TABLE termintreu.tenant ADD COLUMN IF NOT EXISTS erase_within interval;
-- The last restore of a backup into a scratch schema, in numbers and times only.
ALTER TABLE termintreu.tenant ADD COLUMN IF NOT EXISTS restore_test jsonb;

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

-- A backup is tried now and then by restoring it into a schema of its own. Whose backup it is may ask for that schema
-- and fill it, and for no other: it is the operator's, so that it can be taken away whoever filled it. A session's lock
-- tells one that is in use from one a killed job left, which is a copy of the data nobody deletes (invariant 3).
CREATE SCHEMA IF NOT EXISTS termintreu_scratch;

-- whose tells whose backup asks.
CREATE OR REPLACE FUNCTION termintreu_scratch.whose() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id text;
BEGIN
    SELECT t.data_id INTO id FROM termintreu.tenant AS t WHERE t.data_id || '_backup' = session_user;
    IF id IS NULL THEN
        RAISE EXCEPTION 'only the backup of a tenant has a scratch schema' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN id;
END
$$;

-- due tells whether no backup was shown to come out equal for so long.
CREATE OR REPLACE FUNCTION termintreu_scratch.due(every interval) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((t.restore_test ->> 'proven_at')::timestamptz <= now() - every, true)
        FROM termintreu.tenant AS t WHERE t.data_id = termintreu_scratch.whose()
$$;

-- clear drops the scratch schema, unless another session works in it; false then.
CREATE OR REPLACE FUNCTION termintreu_scratch.clear() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id text := termintreu_scratch.whose();
BEGIN
    IF NOT pg_try_advisory_lock(7741, hashtext(id)) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', 's' || id);
    RETURN true;
END
$$;

-- make gives an empty scratch schema; null while another session works in it.
CREATE OR REPLACE FUNCTION termintreu_scratch.make() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id text := termintreu_scratch.whose();
BEGIN
    IF NOT termintreu_scratch.clear() THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE SCHEMA %I', 's' || id);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', 's' || id, session_user);
    RETURN 's' || id;
END
$$;

-- note remembers how a test came out: proven_at and what stands beside it are of the last that was equal.
CREATE OR REPLACE FUNCTION termintreu_scratch.note(snapshot timestamptz, tables integer, rows bigint, differing integer, seconds double precision) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE termintreu.tenant AS t SET restore_test = coalesce(t.restore_test, '{}') || jsonb_build_object('tested_at', now(), 'differing', differing)
            || CASE differing WHEN 0 THEN jsonb_build_object('proven_at', now(), 'snapshot_start', snapshot, 'tables', tables, 'rows', rows, 'seconds', seconds) ELSE '{}' END
        WHERE t.data_id = termintreu_scratch.whose()
$$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA termintreu_scratch FROM PUBLIC;

-- audit measures every tenant in one call. It commits between chunks, since one transaction over a thousand schemas
-- runs into max_locks_per_transaction. A tenant that cannot be read tells its SQLSTATE, never zero (invariant 7).
CREATE OR REPLACE PROCEDURE termintreu.audit(chunk integer, INOUT report jsonb) LANGUAGE plpgsql AS $$
DECLARE
    measured_at constant timestamptz := clock_timestamp();
    id       text;
    found    jsonb;
    runs     jsonb;
    archived jsonb;
    failure  text;
    measured jsonb[] := '{}';
    seen     integer := 0;
    tenant   jsonb;
    unmapped jsonb;
    kept     jsonb;
    scratch  text[];
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
    -- Scratch schemas no session works in.
    scratch := ARRAY(SELECT t.data_id FROM termintreu.tenant AS t JOIN pg_catalog.pg_namespace AS n ON n.nspname = 's' || t.data_id
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = 7741 AND l.granted
            AND l.objid = (pg_catalog.hashtext(t.data_id)::bigint & 4294967295)::oid
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())));
    FOR id, tenant IN SELECT t.data_id, to_jsonb(t) FROM termintreu.tenant AS t ORDER BY t.data_id LOOP
        found := NULL;
        runs := NULL;
        kept := NULL;
        archived := NULL;
        failure := NULL;
        -- A tenant that holds a lock on its own tables makes itself Unknown, and keeps no other from being measured.
        SET LOCAL lock_timeout = '500ms';
        BEGIN
            EXECUTE pg_catalog.format('SELECT jsonb_agg(to_jsonb(a) || jsonb_build_object(''period'', extract(epoch FROM a.period))), %1$I.retention_runs(), %2$s FROM %1$I.retention_audit() AS a',
                id, CASE WHEN tenant ->> 'erase_within' IS NULL THEN 'NULL::jsonb' ELSE pg_catalog.format(
                    '(SELECT jsonb_build_object(''waiting'', count(requested_at), ''overdue'', count(requested_at) FILTER (WHERE requested_at < now() - $1), ''oldest'', min(requested_at))
                        FROM %I.erasure_pending)', id) END)
                INTO found, runs, kept USING (tenant ->> 'erase_within')::interval;
            -- Asked only of who hands over: a fleet that does not pays nothing for it.
            IF found @> '[{"action": "Archive"}]' THEN
                EXECUTE pg_catalog.format('SELECT %I.archive_audit()', id) INTO archived;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            failure := SQLSTATE;
        END;
        measured := measured || pg_catalog.jsonb_strip_nulls(tenant || jsonb_build_object('categories', found, 'runs', runs, 'archived', archived, 'failure', failure, 'unmapped', unmapped -> id,
            'erasures', kept, 'scratch', id = ANY (scratch)));
        seen := seen + 1;
        IF seen % chunk = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    report := jsonb_build_object('measured_at', measured_at, 'tenants', to_jsonb(measured));
END
$$;
REVOKE ALL ON PROCEDURE termintreu.audit(integer, jsonb) FROM PUBLIC;
