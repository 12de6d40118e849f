-- SPDX-License-Identifier: Apache-2.0
-- Slots that were given up and are offered to citizens again only after a while, so that nobody can hand one over by
-- cancelling at an agreed moment. Only an addition: an instance of the release before offers them at once, as it did.
-- +goose Up

-- Whose it was is not here, only what was freed and when it is offered again. The staff may book it at once.
CREATE TABLE slot_release (
    office    text        NOT NULL,
    counter   integer     NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL CHECK (ends_at > starts_at),
    free_at   timestamptz NOT NULL CHECK (isfinite(free_at)),
    PRIMARY KEY (office, counter, starts_at, free_at)
);
COMMENT ON TABLE slot_release IS '{"None": ["office", "counter", "starts_at", "ends_at", "free_at"]}';
