-- SPDX-License-Identifier: Apache-2.0
-- What begins a period is the database's to say, not the app's: an instance that was taken over can neither put a
-- deletion off, nor hurry it past the audit log, nor lose what is on hold. Only triggers, so that an instance of the
-- release before, which never does any of this, goes on.
-- +goose Up

-- refuse_start names what was attempted, never a value of it.
-- +goose StatementBegin
CREATE FUNCTION refuse_start() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'the database sets what begins the period of a record of %, and when', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

-- Each record begins now, and neither its beginning nor what it hangs on ever changes. Purge, restore, import and
-- the DBA are other roles and are not asked: the names of the app's two end in _app_a and _app_b.
-- +goose StatementBegin
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM (VALUES
            ('appointment', 'created_at', NULL), ('contact', 'created_at', 'appointment_id'), ('mail_outbox', 'created_at', 'appointment_id'),
            ('message', 'created_at', 'appointment_id'), ('attachment', 'created_at', 'appointment_id'), ('session', 'created_at', NULL),
            ('signature', 'signed_at', NULL), ('consent', 'given_at', NULL), ('session_address', 'created_at', ''),
            ('audit_log', 'created_at', ''), ('erasure_journal', 'erased_at', '')) AS v (name, start, key) LOOP
        EXECUTE format('CREATE TRIGGER begins_now BEFORE INSERT ON %I FOR EACH ROW
            WHEN (NEW.%I IS DISTINCT FROM now() AND current_user::text LIKE ''%%\_app\__'') EXECUTE FUNCTION refuse_start()', t.name, t.start);
        -- The app may not update those with an empty key at all.
        CONTINUE WHEN t.key = '';
        EXECUTE format('CREATE TRIGGER begins_once BEFORE UPDATE OF %s ON %I FOR EACH ROW
            WHEN (current_user::text LIKE ''%%\_app\__'') EXECUTE FUNCTION refuse_start()', concat_ws(', ', t.start, t.key), t.name);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- The access log is written a little later than its line happened, by the clock of another machine.
CREATE TRIGGER begins_now BEFORE INSERT ON access_log FOR EACH ROW
    WHEN (NEW.created_at NOT BETWEEN now() - interval '1 day' AND now() + interval '10 minutes' AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();

-- An appointment lies at most two years ahead (citizens may book one) and its state only goes forward. It moves while
-- it is still to come and to a time still to come; it is cancelled now, once, and stays so. least() passes over nulls.
CREATE TRIGGER ends_in_time BEFORE INSERT ON appointment FOR EACH ROW
    WHEN ((NEW.ends_at > now() + interval '731 days' OR NEW.cancelled_at IS NOT NULL) AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();
CREATE TRIGGER ends_once BEFORE UPDATE OF starts_at, ends_at, cancelled_at, state ON appointment FOR EACH ROW
    WHEN ((NEW.ends_at IS DISTINCT FROM OLD.ends_at
                AND (least(OLD.ends_at, OLD.cancelled_at) <= now() OR NEW.ends_at <= now() OR NEW.ends_at > now() + interval '731 days')
            OR NEW.cancelled_at IS DISTINCT FROM OLD.cancelled_at
                AND (OLD.cancelled_at IS NOT NULL OR NEW.cancelled_at IS DISTINCT FROM now() OR NEW.state <> 'cancelled')
            OR NEW.state <> OLD.state AND (OLD.state = 'cancelled' OR OLD.state = 'confirmed' AND NEW.state <> 'cancelled' OR NEW.state = 'held'))
        AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();

-- A mail fails now and once. A consent is withdrawn, and its purpose ends, now or, for a purpose, on a day ahead; what
-- has begun does not begin again.
CREATE TRIGGER fails_once BEFORE INSERT OR UPDATE OF failed_at ON mail_outbox FOR EACH ROW
    WHEN (NEW.failed_at IS DISTINCT FROM now() AND NEW.failed_at IS NOT NULL AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();
CREATE TRIGGER failed_for_good BEFORE UPDATE OF failed_at ON mail_outbox FOR EACH ROW
    WHEN (OLD.failed_at IS NOT NULL AND NEW.failed_at IS DISTINCT FROM OLD.failed_at AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();
CREATE TRIGGER ends_once BEFORE UPDATE OF withdrawn_at, purpose_ended_at ON consent FOR EACH ROW
    WHEN ((NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at AND (OLD.withdrawn_at IS NOT NULL OR NEW.withdrawn_at IS DISTINCT FROM now())
            OR NEW.purpose_ended_at IS DISTINCT FROM OLD.purpose_ended_at AND (OLD.purpose_ended_at <= now() OR NEW.purpose_ended_at < now()))
        AND current_user::text LIKE '%\_app\__')
    EXECUTE FUNCTION refuse_start();

-- held_until tells until when a hold keeps an appointment or anything that hangs on it; null when none does. The app
-- may ask, so that a citizen who wants it erased (Art. 17 GDPR) is told why it is not (Art. 12(4)); it learns neither
-- the case nor its kind.
-- +goose StatementBegin
CREATE FUNCTION held_until(appointment uuid) RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT max(h.until) FROM retention_hold AS h WHERE h.record = appointment::text AND h.until > now()
        AND h.category IN ('Appointment', 'Contact', 'Message', 'Attachment', 'MailOutbox')
$$;
-- +goose StatementEnd

-- keep_held passes over a record on hold: an expiry of many goes on without it, and an erasure of one finds nothing to
-- delete. What is held cannot be overwritten either. A held mail that was sent is kept as one nobody sends again.
-- Its arguments are the category and the column a hold names its records by; an appointment stays for all that hangs on it.
-- +goose StatementBegin
CREATE FUNCTION keep_held() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    key text;
BEGIN
    IF TG_ARGV[1] = 'id' THEN
        key := OLD.id::text;
    ELSE
        key := OLD.appointment_id::text;
    END IF;
    IF NOT EXISTS (SELECT FROM retention_hold AS h WHERE h.record = key AND h.until > now() AND (h.category = TG_ARGV[0]
            OR TG_ARGV[0] = 'Appointment' AND h.category IN ('Contact', 'Message', 'Attachment', 'MailOutbox'))) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'a record of % is on hold until its case is ended', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_TABLE_NAME = 'mail_outbox' THEN
        UPDATE mail_outbox SET failed_at = now(), token = NULL WHERE id = OLD.id AND failed_at IS NULL;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- An appointment is kept from whoever deletes for the app too, so that what hangs on it cannot go by that way.
CREATE TRIGGER keep_held BEFORE DELETE ON appointment FOR EACH ROW
    WHEN (session_user::text ~ '_(app_[ab]|backup)$') EXECUTE FUNCTION keep_held('Appointment', 'id');
-- +goose StatementBegin
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM (VALUES
            ('contact', 'Contact', 'appointment_id', 'DELETE OR UPDATE'), ('message', 'Message', 'appointment_id', 'DELETE OR UPDATE'),
            ('attachment', 'Attachment', 'appointment_id', 'DELETE OR UPDATE'), ('mail_outbox', 'MailOutbox', 'appointment_id', 'DELETE'),
            ('session', 'SessionMetadata', 'id', 'DELETE OR UPDATE'), ('signature', 'SignatureBiometrics', 'id', 'DELETE OR UPDATE'),
            ('consent', 'Consent', 'id', 'DELETE')) AS v (name, category, key, events) LOOP
        EXECUTE format('CREATE TRIGGER keep_held BEFORE %s ON %I FOR EACH ROW WHEN (current_user::text LIKE ''%%\_app\__'')
            EXECUTE FUNCTION keep_held(%L, %L)', t.events, t.name, t.category, t.key);
    END LOOP;
END
$$;
-- +goose StatementEnd
