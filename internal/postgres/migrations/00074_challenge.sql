-- SPDX-License-Identifier: Apache-2.0
-- What a hold costs where a tenant asks for a proof of work. Only additions: an instance of the release before asks for none.
-- +goose Up

-- The key challenges are signed with, one for all replicas of an instance. It opens nothing else.
CREATE TABLE challenge_key (
    one boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    key bytea   NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);
INSERT INTO challenge_key DEFAULT VALUES;

-- Which challenges were spent, by a hash of their random number, until they expire. Nothing leads to a hold or a person.
CREATE TABLE challenge_spent (
    mark       bytea       NOT NULL PRIMARY KEY CHECK (octet_length(mark) = 32),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE challenge_key IS '{"None": ["one", "key"]}';
COMMENT ON TABLE challenge_spent IS '{"None": ["mark", "expires_at"]}';
