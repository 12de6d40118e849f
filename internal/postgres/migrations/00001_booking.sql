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
    -- SEQUENCE of the calendar entry (RFC 5545): each move and the cancellation count one.
    sequence     integer     NOT NULL DEFAULT 0,
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
    kind            text        NOT NULL CHECK (kind IN ('confirmed', 'moved', 'cancelled')),
    token           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    failed_at       timestamptz
);
-- Deleting an appointment looks for its mail.
CREATE INDEX mail_outbox_appointment ON mail_outbox (appointment_id);

-- What citizen and office wrote to each other, and sent along (M4, M5). Both go with the appointment at the latest.
CREATE TABLE message (
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    appointment_id uuid        NOT NULL REFERENCES appointment ON DELETE CASCADE,
    sender         text        NOT NULL CHECK (sender IN ('citizen', 'office')),
    body           text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (appointment_id, id)
);

CREATE TABLE attachment (
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    appointment_id uuid        NOT NULL REFERENCES appointment ON DELETE CASCADE,
    file_name      text        NOT NULL,
    media_type     text        NOT NULL,
    content        bytea       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (appointment_id, id)
);

-- Keys below begin with the start event, so that one index serves identity, purge and audit.

-- Technical metadata of a video session (A9).
CREATE TABLE session (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    user_agent text,
    transport  text,
    PRIMARY KEY (created_at, id)
);

-- Stored apart: nothing leads from an address to a session, an appointment or a person (A10).
CREATE TABLE session_address (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now(),
    address    inet        NOT NULL,
    PRIMARY KEY (created_at, id)
);

-- How a signature was written: direction, pauses, speed (A8). The signed document itself is not kept here.
CREATE TABLE signature (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    signed_at       timestamptz NOT NULL DEFAULT now(),
    document_sha256 bytea       NOT NULL,
    strokes         bytea       NOT NULL,
    PRIMARY KEY (signed_at, id)
);

-- The proof of a consent (T2). Its period starts when it is withdrawn or its purpose has ended, and not before.
CREATE TABLE consent (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject          text        NOT NULL,
    purpose          text        NOT NULL,
    channel          text        NOT NULL,
    given_at         timestamptz NOT NULL DEFAULT now(),
    withdrawn_at     timestamptz,
    purpose_ended_at timestamptz
);
CREATE INDEX consent_ended ON consent (least(withdrawn_at, purpose_ended_at)) WHERE least(withdrawn_at, purpose_ended_at) IS NOT NULL;

-- Who did what to which record, by identifiers only (T6, A13).
CREATE TABLE audit_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now(),
    actor      text        NOT NULL,
    action     text        NOT NULL,
    object     text        NOT NULL,
    PRIMARY KEY (created_at, id)
);

-- What was erased on request, so that a restore erases it again. An HMAC, never the identifier: a journal that keeps
-- what was erased would be the last place to find it.
CREATE TABLE erasure_journal (
    erased_at    timestamptz NOT NULL DEFAULT now(),
    subject_hmac bytea       NOT NULL CHECK (octet_length(subject_hmac) = 32),
    PRIMARY KEY (erased_at, subject_hmac)
);

-- Kept only where the policy has a rule for it (A3); the referrer is not stored at all, nor any path with a secret.
-- Partitioned, so that expiry can be a DROP: purge makes a partition a day ahead where the rule says Delete.
CREATE TABLE access_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now(),
    address    inet,
    user_agent text,
    method     text        NOT NULL,
    route      text        NOT NULL,
    status     integer     NOT NULL,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE TABLE access_log_rest PARTITION OF access_log DEFAULT;
-- Only rows that still say something about a person: what was stripped is never looked at again.
CREATE INDEX access_log_personal ON access_log (created_at) WHERE address IS NOT NULL OR user_agent IS NOT NULL;

-- The data map (M3): which category each column belongs to. The audit reads it from the catalogue and reports every
-- column it does not find here. None is for what tells nothing of a citizen.
COMMENT ON TABLE appointment IS '{"Appointment": ["id", "office", "counter", "service", "channel", "starts_at", "ends_at", "state", "locale", "token_hash", "sequence", "created_at", "confirmed_at", "cancelled_at"]}';
COMMENT ON TABLE contact IS '{"Contact": ["appointment_id", "given_name", "family_name", "email", "phone", "street", "postal_code", "city", "notice_date", "created_at"]}';
COMMENT ON TABLE mail_outbox IS '{"MailOutbox": ["id", "appointment_id", "kind", "token", "created_at", "next_attempt_at", "attempts", "failed_at"]}';
COMMENT ON TABLE message IS '{"Message": ["id", "appointment_id", "sender", "body", "created_at"]}';
COMMENT ON TABLE attachment IS '{"Attachment": ["id", "appointment_id", "file_name", "media_type", "content", "created_at"]}';
COMMENT ON TABLE session IS '{"SessionMetadata": ["id", "created_at", "ended_at", "user_agent", "transport"]}';
COMMENT ON TABLE session_address IS '{"SessionAddress": ["id", "created_at", "address"]}';
COMMENT ON TABLE signature IS '{"SignatureBiometrics": ["id", "signed_at", "document_sha256", "strokes"]}';
COMMENT ON TABLE consent IS '{"Consent": ["id", "subject", "purpose", "channel", "given_at", "withdrawn_at", "purpose_ended_at"]}';
COMMENT ON TABLE audit_log IS '{"AuditLog": ["id", "created_at", "actor", "action", "object"]}';
COMMENT ON TABLE erasure_journal IS '{"ErasureJournal": ["erased_at", "subject_hmac"]}';
COMMENT ON TABLE access_log IS '{"AccessLog": ["id", "created_at", "address", "user_agent", "method", "route", "status"]}';
