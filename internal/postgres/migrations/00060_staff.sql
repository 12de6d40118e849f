-- SPDX-License-Identifier: Apache-2.0
-- The staff side (T2, T5, T6). Only additions, so that an instance of the release before goes on: it leaves the new
-- columns at their defaults, and to it an appointment that was called is still a confirmed one.
-- +goose Up

ALTER TABLE appointment
    -- Where the booking came from (T6).
    ADD COLUMN origin       text        NOT NULL DEFAULT 'form' CHECK (origin IN ('form', 'phone', 'counter')),
    ADD COLUMN called_at    timestamptz,
    ADD COLUMN completed_at timestamptz,
    ADD COLUMN missed_at    timestamptz,
    -- One end each, whatever clerk and citizen do at once.
    ADD CONSTRAINT one_end_per_appointment CHECK (num_nonnulls(cancelled_at, completed_at, missed_at) <= 1);

-- Who is signed in at the staff side. The key is a hash of the cookie; claims are the values of the identity provider
-- that give a role, so that a role taken away in the settings ends with the next request.
CREATE TABLE staff_session (
    token_hash bytea       NOT NULL PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    subject    text        NOT NULL,
    claims     text[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE staff_session IS '{"None": ["token_hash", "subject", "claims", "created_at", "expires_at"]}';

-- The data map is added to, not written anew: what other migrations said of the table stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE appointment IS %L', replace(obj_description('appointment'::regclass, 'pg_class'), ']}',
        ', "origin", "called_at", "completed_at", "missed_at"]}'));
END
$$;
-- +goose StatementEnd

-- staff_hold keeps one appointment with its contact, or the access log of one address, past its period for a case
-- (A3) or a restriction (Art. 18 GDPR), as open_hold does, and tells the audit log who did. The app may call it, and
-- so it is narrow: one record at a time, never beyond what the policy allows a case, at most a hundred cases at once.
-- +goose StatementBegin
CREATE FUNCTION staff_hold(actor text, why text, case_reference text, what text, ends timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    n bigint;
    address boolean := what !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
BEGIN
    IF coalesce(actor, '') = '' THEN
        RAISE EXCEPTION 'a hold needs to say who opens it' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (SELECT count(DISTINCT (h.kind, h.reference)) FROM retention_hold AS h WHERE h.until > now()
            AND (h.kind, h.reference) IS DISTINCT FROM (why, case_reference)) >= 100 THEN
        RAISE EXCEPTION 'a hundred cases are open: end one first' USING ERRCODE = 'configuration_limit_exceeded';
    END IF;
    n := open_hold(why, case_reference, CASE WHEN address THEN 'AccessLog' ELSE 'Contact' END,
        CASE WHEN address THEN host(what::inet) ELSE what END, ends);
    INSERT INTO audit_log (actor, action, object) VALUES (actor, 'opened ' || why || ' ' || case_reference,
        CASE WHEN address THEN 'access log' ELSE 'appointment/' || what END);
    RETURN n;
END
$$;
-- +goose StatementEnd

-- staff_end_hold ends a case, and tells the audit log who did.
-- +goose StatementBegin
CREATE FUNCTION staff_end_hold(actor text, why text, case_reference text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    n bigint := end_hold(why, case_reference);
BEGIN
    IF n > 0 THEN
        INSERT INTO audit_log (actor, action, object) VALUES (actor, 'ended ' || why || ' ' || case_reference, n || ' records');
    END IF;
    RETURN n;
END
$$;
-- +goose StatementEnd

-- staff_holds lists the cases that keep something, never what.
-- +goose StatementBegin
CREATE FUNCTION staff_holds() RETURNS TABLE (kind text, reference text, opened_at timestamptz, until timestamptz, records bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT h.kind, h.reference, min(h.opened_at), max(h.until), count(*) FROM retention_hold AS h
    WHERE h.until > now() GROUP BY 1, 2 ORDER BY 4, 2
$$;
-- +goose StatementEnd
