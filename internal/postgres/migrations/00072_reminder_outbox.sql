-- SPDX-License-Identifier: Apache-2.0
-- Reminders in the outbox. Only additions, so that an instance of the release before goes on: it never takes one.
-- +goose Up

-- A reminder waits by remind_at. Its next_attempt_at never comes, since by that an instance of the release before would
-- take it, and it has no words for it.
ALTER TABLE mail_outbox
    ADD COLUMN remind_at timestamptz,
    DROP CONSTRAINT mail_outbox_kind_check,
    ADD CONSTRAINT mail_outbox_kind_check CHECK (kind IN ('confirmed', 'moved', 'cancelled', 'reminder')),
    ADD CONSTRAINT mail_outbox_reminder_waits CHECK ((kind = 'reminder') = (remind_at IS NOT NULL));
-- Never two at once, however many instances queue them.
CREATE UNIQUE INDEX mail_outbox_reminder ON mail_outbox (appointment_id) WHERE kind = 'reminder';

-- The data map is added to, not written anew: what other migrations said of the table stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE mail_outbox IS %L', replace(obj_description('mail_outbox'::regclass, 'pg_class'), ']}', ', "remind_at"]}'));
END
$$;
-- +goose StatementEnd
