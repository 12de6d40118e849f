-- SPDX-License-Identifier: Apache-2.0
-- The tenant's schema. Runs with search_path set to the tenant's schema alone, as the schema's NOLOGIN owner.
-- Contacts lie apart from appointments, so that each category can go in its own time (B1, A10).
-- +goose Up

CREATE TABLE appointment (
    id           uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    office       text        NOT NULL,
    counter      integer     NOT NULL CHECK (counter > 0),
    service      text        NOT NULL,
    channel      text        NOT NULL CHECK (channel IN ('OnSite', 'Phone', 'Video')),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL CHECK (ends_at > starts_at),
    state        text        NOT NULL DEFAULT 'held'
                 CHECK (state IN ('held', 'pending', 'confirmed', 'cancelled')),
    locale       text        NOT NULL,
    token_hash   bytea       NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    cancelled_at timestamptz,
    -- Double booking is impossible, whatever the application does.
    CONSTRAINT one_appointment_per_counter
        EXCLUDE USING gist (office WITH =, counter WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (state <> 'cancelled')
);
-- The two start events of the purge: creation while nothing is agreed, then the end or the cancellation.
CREATE INDEX appointment_unconfirmed ON appointment (created_at) WHERE state IN ('held', 'pending');
CREATE INDEX appointment_ended ON appointment (least(ends_at, cancelled_at));

CREATE TABLE contact (
    appointment_id uuid        NOT NULL PRIMARY KEY REFERENCES appointment ON DELETE CASCADE,
    given_name     text        NOT NULL,
    family_name    text        NOT NULL,
    email          text,
    phone          text,
    street         text,
    postal_code    text,
    city           text,
    notice_date    date        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- Mail waits here until the relay has taken it, and is deleted then.
CREATE TABLE mail_outbox (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    appointment_id  uuid        NOT NULL REFERENCES appointment ON DELETE CASCADE,
    kind            text        NOT NULL CHECK (kind IN ('confirmed', 'cancelled')),
    token           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    failed_at       timestamptz
);
-- Deleting an appointment looks for its mail.
CREATE INDEX mail_outbox_appointment ON mail_outbox (appointment_id);

-- Kept only where the policy has a rule for it (A3); the referrer is not stored at all, nor any path with a secret.
CREATE TABLE access_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    address    inet,
    user_agent text,
    method     text        NOT NULL,
    route      text        NOT NULL,
    status     integer     NOT NULL
);
-- Only rows that still say something about a person: what was stripped is never looked at again.
CREATE INDEX access_log_personal ON access_log (created_at) WHERE address IS NOT NULL OR user_agent IS NOT NULL;
