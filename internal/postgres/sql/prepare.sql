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

-- audit measures every tenant in one call. It commits between chunks, since one transaction over a thousand schemas
-- runs into max_locks_per_transaction. A tenant that cannot be read tells its SQLSTATE, never zero (invariant 7).
CREATE OR REPLACE PROCEDURE termintreu.audit(chunk integer, INOUT report jsonb) LANGUAGE plpgsql AS $$
DECLARE
    measured_at constant timestamptz := clock_timestamp();
    id       text;
    found    jsonb;
    failure  text;
    measured jsonb[] := '{}';
    seen     integer := 0;
    tenant   jsonb;
BEGIN
    FOR id, tenant IN SELECT t.data_id, to_jsonb(t) FROM termintreu.tenant AS t ORDER BY t.data_id LOOP
        found := NULL;
        failure := NULL;
        BEGIN
            EXECUTE pg_catalog.format('SELECT jsonb_agg(to_jsonb(a) || jsonb_build_object(''period'', extract(epoch FROM a.period))) FROM %I.retention_audit() AS a', id) INTO found;
        EXCEPTION WHEN OTHERS THEN
            failure := SQLSTATE;
        END;
        measured := measured || (tenant || jsonb_build_object('categories', found, 'failure', failure));
        seen := seen + 1;
        IF seen % chunk = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    report := jsonb_build_object('measured_at', measured_at, 'tenants', to_jsonb(measured));
END
$$;
REVOKE ALL ON PROCEDURE termintreu.audit(integer, jsonb) FROM PUBLIC;
