-- SPDX-License-Identifier: Apache-2.0
-- Reminders by mail, for whoever asked for one. Only additions, so that an instance of the release before goes on: it
-- moves and cancels appointments without knowing of reminders, and never takes one from the outbox.
-- +goose Up

ALTER TABLE appointment
    -- How long before the appointment the citizen wants to be reminded; null for not at all.
    ADD COLUMN remind_before interval CHECK (remind_before BETWEEN interval '1 minute' AND interval '31 days'),
    -- The time a reminder was queued for. Another starts_at, whoever moved the appointment, is due another reminder.
    ADD COLUMN reminded_for  timestamptz;
CREATE INDEX appointment_reminder ON appointment (starts_at) WHERE remind_before IS NOT NULL;

-- A reminder waits by remind_at. Its next_attempt_at never comes, since by that an instance of the release before would
-- take it, and it has no words for it.
ALTER TABLE mail_outbox
    ADD COLUMN remind_at timestamptz,
    DROP CONSTRAINT mail_outbox_kind_check,
    ADD CONSTRAINT mail_outbox_kind_check CHECK (kind IN ('confirmed', 'moved', 'cancelled', 'reminder')),
    ADD CONSTRAINT mail_outbox_reminder_waits CHECK ((kind = 'reminder') = (remind_at IS NOT NULL));
-- Never two at once, however many instances queue them.
CREATE UNIQUE INDEX mail_outbox_reminder ON mail_outbox (appointment_id) WHERE kind = 'reminder';

-- The data map is added to, not written anew: what other migrations said of the tables stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE appointment IS %L', replace(obj_description('appointment'::regclass, 'pg_class'), ']}', ', "remind_before", "reminded_for"]}'));
    EXECUTE format('COMMENT ON TABLE mail_outbox IS %L', replace(obj_description('mail_outbox'::regclass, 'pg_class'), ']}', ', "remind_at"]}'));
END
$$;
-- +goose StatementEnd
