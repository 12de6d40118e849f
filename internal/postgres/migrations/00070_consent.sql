-- SPDX-License-Identifier: Apache-2.0
-- Consents behind a booking (T2, Art. 7 GDPR). Only additions, so that an instance of the release before goes on: it
-- asks for none, and what it deletes ends what it does not know of.
-- +goose Up

-- subject is the appointment's id: random, and telling nothing once the appointment is gone. text_sha256 is the digest of
-- the text as it was read, in the language of locale.
ALTER TABLE consent
    ADD COLUMN locale      text,
    ADD COLUMN text_sha256 bytea CHECK (octet_length(text_sha256) = 32);
CREATE INDEX consent_subject ON consent (subject);

-- The data map is added to, not written anew: what other migrations said of the table stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE consent IS %L', replace(obj_description('consent'::regclass, 'pg_class'), ']}', ', "locale", "text_sha256"]}'));
END
$$;
-- +goose StatementEnd

-- What was agreed to, and by which way, is not changed afterwards.
CREATE TRIGGER given_once BEFORE UPDATE OF subject, purpose, channel, locale, text_sha256 ON consent FOR EACH ROW
    WHEN (current_user::text LIKE '%\_app\__') EXECUTE FUNCTION refuse_start();

-- end_consents: when an appointment goes, whoever deletes it, so does the purpose of its consents, and from then on the
-- period of the proof runs. A booking that was never confirmed leaves nothing to prove.
-- +goose StatementBegin
CREATE FUNCTION end_consents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF pg_relation_size('consent') > 0 THEN
        DELETE FROM consent AS c USING gone AS g WHERE c.subject = g.id::text AND g.state IN ('held', 'pending');
        UPDATE consent AS c SET purpose_ended_at = now() FROM gone AS g
            WHERE c.subject = g.id::text AND c.withdrawn_at IS NULL AND coalesce(c.purpose_ended_at, 'infinity') > now();
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER end_consents AFTER DELETE ON appointment REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION end_consents();
