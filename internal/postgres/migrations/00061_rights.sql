-- SPDX-License-Identifier: Apache-2.0
-- What citizens ask for behind their link: restriction (Art. 18 GDPR) and objection (Art. 21). Only additions, so that
-- an instance of the release before goes on: to it a restricted record is one on hold.
-- +goose Up

ALTER TABLE appointment ADD COLUMN objected_at timestamptz;

-- The data map is added to, not written anew: what other migrations said of the table stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE appointment IS %L', replace(obj_description('appointment'::regclass, 'pg_class'), ']}', ', "objected_at"]}'));
END
$$;
-- +goose StatementEnd

-- An objection is made now, once, and is not lost.
CREATE TRIGGER objects_once BEFORE INSERT OR UPDATE OF objected_at ON appointment FOR EACH ROW
    WHEN (NEW.objected_at IS DISTINCT FROM now() AND NEW.objected_at IS NOT NULL AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();
CREATE TRIGGER objected_for_good BEFORE UPDATE OF objected_at ON appointment FOR EACH ROW
    WHEN (OLD.objected_at IS NOT NULL AND NEW.objected_at IS DISTINCT FROM OLD.objected_at AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();

-- restricted_until tells until when the citizen's own restriction keeps an appointment; null when none does.
-- +goose StatementBegin
CREATE FUNCTION restricted_until(appointment uuid) RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT max(h.until) FROM retention_hold AS h WHERE h.record = appointment::text AND h.until > now()
        AND h.kind = 'Restriction' AND h.reference = 'citizen/' || appointment
$$;
-- +goose StatementEnd

-- citizen_restrict keeps what is behind a link as it is, at the longest for a year from now and a year from the
-- appointment's end, however often it is asked for; it gives the end, null when there is nothing to restrict. The app
-- may call it, so a thousand at once is the most: one that was taken over cannot put off the deletion of all there is.
-- +goose StatementBegin
CREATE FUNCTION citizen_restrict(hash bytea) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    a    record;
    ends timestamptz;
BEGIN
    SELECT r.id, least(r.ends_at, r.cancelled_at) AS ended, EXISTS (SELECT FROM contact AS c WHERE c.appointment_id = r.id) AS named
        INTO a FROM appointment AS r WHERE r.token_hash = hash AND r.state IN ('confirmed', 'cancelled') FOR UPDATE;
    ends := least(now(), a.ended) + interval '365 days';
    IF a.id IS NULL OR ends <= now() THEN
        RETURN NULL;
    END IF;
    IF restricted_until(a.id) IS NULL THEN
        IF (SELECT count(*) FROM retention_hold AS h WHERE h.until > now() AND h.kind = 'Restriction' AND h.reference LIKE 'citizen/%') >= 1000 THEN
            RAISE EXCEPTION 'a thousand restrictions are open: end one first' USING ERRCODE = 'configuration_limit_exceeded';
        END IF;
        PERFORM open_hold('Restriction', 'citizen/' || a.id, CASE WHEN a.named THEN 'Contact' ELSE 'Appointment' END, a.id::text, ends);
        -- By the database, so that where an audit log is kept nothing is restricted without a trace.
        INSERT INTO audit_log (actor, action, object) SELECT 'citizen', 'restricted', 'appointment/' || a.id
            WHERE EXISTS (SELECT FROM retention_rule AS n WHERE n.category = 'AuditLog');
    END IF;
    RETURN restricted_until(a.id);
END
$$;
-- +goose StatementEnd

-- citizen_lift ends the citizen's own restriction, and no other hold; false when there was none.
-- +goose StatementBegin
CREATE FUNCTION citizen_lift(hash bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    subject uuid := (SELECT r.id FROM appointment AS r WHERE r.token_hash = hash);
BEGIN
    IF subject IS NULL OR end_hold('Restriction', 'citizen/' || subject) = 0 THEN
        RETURN false;
    END IF;
    INSERT INTO audit_log (actor, action, object) SELECT 'citizen', 'restriction lifted', 'appointment/' || subject
        WHERE EXISTS (SELECT FROM retention_rule AS n WHERE n.category = 'AuditLog');
    RETURN true;
END
$$;
-- +goose StatementEnd

-- staff_hold as before, but citizens' restrictions do not count: they must not use up what the staff may open.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION staff_hold(actor text, why text, case_reference text, what text, ends timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    n bigint;
    address boolean := what !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
BEGIN
    IF coalesce(actor, '') = '' THEN
        RAISE EXCEPTION 'a hold needs to say who opens it' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF case_reference LIKE 'citizen/%' THEN
        RAISE EXCEPTION 'references that begin with citizen/ are the citizens'' own' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (SELECT count(DISTINCT (h.kind, h.reference)) FROM retention_hold AS h WHERE h.until > now() AND h.reference NOT LIKE 'citizen/%'
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

-- staff_holds as before, without the citizens' own restrictions: those are the citizens' to end.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION staff_holds() RETURNS TABLE (kind text, reference text, opened_at timestamptz, until timestamptz, records bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT h.kind, h.reference, min(h.opened_at), max(h.until), count(*) FROM retention_hold AS h
    WHERE h.until > now() AND h.reference NOT LIKE 'citizen/%' GROUP BY 1, 2 ORDER BY 4, 2
$$;
-- +goose StatementEnd
