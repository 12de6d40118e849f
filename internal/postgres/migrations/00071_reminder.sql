-- SPDX-License-Identifier: Apache-2.0
-- Reminders by mail, for whoever asked for one. Only additions, so that an instance of the release before goes on: it
-- moves and cancels appointments without knowing of reminders. The outbox is the next migration's: a transaction that
-- locks both tables would meet an instance that takes them in the other order.
-- +goose Up

ALTER TABLE appointment
    -- How long before the appointment the citizen wants to be reminded; null for not at all.
    ADD COLUMN remind_before interval CHECK (remind_before BETWEEN interval '1 minute' AND interval '31 days'),
    -- The time a reminder was queued for. Another starts_at, whoever moved the appointment, is due another reminder.
    ADD COLUMN reminded_for  timestamptz;
CREATE INDEX appointment_reminder ON appointment (starts_at) WHERE remind_before IS NOT NULL;

-- The data map is added to, not written anew: what other migrations said of the table stays.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('COMMENT ON TABLE appointment IS %L', replace(obj_description('appointment'::regclass, 'pg_class'), ']}', ', "remind_before", "reminded_for"]}'));
END
$$;
-- +goose StatementEnd
