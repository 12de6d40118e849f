-- SPDX-License-Identifier: Apache-2.0
-- The hand-over to a statutory archive (T8): records of a rule with the action Archive are deleted only once every
-- archive has shown them. Only additions for whoever has no such rule, so that an instance of the release before goes on.
-- +goose Up

-- What an archive has, or is about to get. record and content name the record while it is there; what stays is what an
-- auditor asks: under which name, of which size and SHA-256, in which version, until when. No row tells of a person.
CREATE TABLE archive_receipt (
    -- The name at the archives. It is the same whenever the same record is handed over, so that a run that follows a
    -- killed one, or a restore, writes to the same place.
    object         uuid        NOT NULL PRIMARY KEY,
    category       text        NOT NULL,
    record         text,
    content        bytea       CHECK (octet_length(content) = 32),
    -- Of the encrypted object.
    size           bigint      NOT NULL CHECK (size > 0),
    sha256         bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    until          timestamptz NOT NULL CHECK (isfinite(until)),
    begun_at       timestamptz NOT NULL DEFAULT now(),
    handed_over_at timestamptz,
    -- Version by archive; set once each of them has shown the object, its lock and the lock's end.
    versions       jsonb       CHECK (jsonb_typeof(versions) = 'object'),
    -- Why the last attempt failed: an archive's name and a word, and nothing else fits.
    failure        text        CHECK (failure ~ '^[a-z0-9-]{1,40}: [A-Za-z]{1,40}$'),
    CHECK ((versions IS NULL) = (handed_over_at IS NULL)),
    CHECK ((record IS NULL) = (content IS NULL)),
    CHECK (record IS NOT NULL OR versions IS NOT NULL)
);
CREATE UNIQUE INDEX archive_receipt_record ON archive_receipt (category, record) WHERE record IS NOT NULL;
COMMENT ON TABLE archive_receipt IS '{"None": ["object", "category", "record", "content", "size", "sha256", "until", "begun_at", "handed_over_at", "versions", "failure"]}';

-- archive_document is what is handed over of one record, whatever its period: the record as it is, and of its
-- appointment what tells an office which file it belongs to. It is the same text for the same record in any session.
-- A record is found by its place, since none has an index of its numbers; null when there is none at the place.
-- +goose StatementBegin
CREATE FUNCTION archive_document(kind text, place tid) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path FROM CURRENT SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' AS $$
BEGIN
    CASE kind
    WHEN 'Message' THEN
        RETURN (SELECT jsonb_build_object('category', kind, 'record', to_jsonb(r), 'appointment', jsonb_build_object('office', a.office,
                'service', a.service, 'channel', a.channel, 'starts_at', a.starts_at, 'ends_at', a.ends_at, 'cancelled_at', a.cancelled_at))
            FROM message AS r JOIN appointment AS a ON a.id = r.appointment_id WHERE r.ctid = place);
    WHEN 'Attachment' THEN
        RETURN (SELECT jsonb_build_object('category', kind, 'record', to_jsonb(r) - 'content'
                    || jsonb_build_object('content', replace(encode(r.content, 'base64'), E'\n', '')),
                'appointment', jsonb_build_object('office', a.office, 'service', a.service, 'channel', a.channel,
                    'starts_at', a.starts_at, 'ends_at', a.ends_at, 'cancelled_at', a.cancelled_at))
            FROM attachment AS r JOIN appointment AS a ON a.id = r.appointment_id WHERE r.ctid = place);
    WHEN 'Consent' THEN
        RETURN (SELECT jsonb_build_object('category', kind, 'record', to_jsonb(r)) FROM consent AS r WHERE r.ctid = place);
    END CASE;
END
$$;
-- +goose StatementEnd

-- archive_digest tells one content of a record from another.
-- +goose StatementBegin
CREATE FUNCTION archive_digest(kind text, place tid) RETURNS bytea
    LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT sha256(convert_to(archive_document(kind, place), 'UTF8'))
$$;
-- +goose StatementEnd

-- archive_held is the condition under which every archive has a record r of a category as it is now.
-- +goose StatementBegin
CREATE FUNCTION archive_held(kind text) RETURNS text
    LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT format('EXISTS (SELECT FROM archive_receipt AS x WHERE x.category = %1$L AND x.record = r.id::text
        AND x.versions IS NOT NULL AND x.content = archive_digest(%1$L, r.ctid))', kind)
$$;
-- +goose StatementEnd

-- archive_source says, for a category with a rule of action Archive in force and not suspended, where its due records
-- are: where they lie, what starts their period, and the condition they are due under and no hold keeps; no row else.
-- +goose StatementBegin
CREATE FUNCTION archive_source(kind text) RETURNS TABLE (source text, start text, collected text, due text, keeps interval)
    LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    k record;
BEGIN
    SELECT n.archive_period INTO keeps FROM retention_rule AS n WHERE n.category = kind AND n.until = 'infinity' AND n.action = 'Archive'
        AND (n.suspended_until IS NULL OR n.suspended_until <= now());
    IF keeps IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT k FROM retention_category() AS c WHERE c.category = kind;
    source := k.source;
    start := k.start;
    collected := k.collected;
    due := k.condition || ' AND ' || retention_due(kind, k.start, k.collected, false) || coalesce(retention_kept(k.key, k.held_by), '');
    RETURN NEXT;
END
$$;
-- +goose StatementEnd

-- archive_due gives numbers and places of up to batch due records that no archive has yet, oldest first, after the given
-- one.
-- +goose StatementBegin
CREATE FUNCTION archive_due(kind text, batch integer, after timestamptz, beyond bigint) RETURNS TABLE (number bigint, place tid, begun timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    s record;
BEGIN
    FOR s IN SELECT * FROM archive_source(kind) LOOP
        RETURN QUERY EXECUTE format('SELECT r.id, r.ctid, %1$s FROM %2$s WHERE %3$s AND (%1$s, r.id) > ($1, $2) AND NOT %4$s ORDER BY %1$s, r.id LIMIT $3',
            s.start, s.source, s.due, archive_held(kind)) USING after, beyond, batch;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- archive_take gives one record that is due, whole, to be encrypted: never one that is not due. until is when the
-- archive's lock must end; a record whose statutory period is over already is locked for a day, for a lock must lie
-- ahead. size and sha256 are of the object an attempt before wrote, null when there was none of this content.
-- +goose StatementBegin
CREATE FUNCTION archive_take(kind text, wanted bigint, place tid) RETURNS TABLE (object uuid, until timestamptz, document text, content bytea, size bigint, sha256 bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    s      record;
    begun  timestamptz;
    stored timestamptz;
BEGIN
    FOR s IN SELECT * FROM archive_source(kind) LOOP
        EXECUTE format('SELECT %1$s, %2$s FROM %3$s WHERE %4$s AND r.id = $1 AND r.ctid = $2', s.start, s.collected, s.source, s.due) INTO begun, stored USING wanted, place;
        CONTINUE WHEN begun IS NULL;
        document := archive_document(kind, place);
        CONTINUE WHEN document IS NULL;
        content := sha256(convert_to(document, 'UTF8')); -- as archive_digest
        object := md5(concat_ws('/', current_schema(), kind, wanted, extract(epoch FROM stored)))::uuid;
        SELECT x.size, x.sha256, x.until INTO size, sha256, until FROM archive_receipt AS x
            WHERE x.category = kind AND x.record = wanted::text AND x.content = archive_take.content AND x.until > now() + interval '1 day';
        IF NOT FOUND THEN
            until := greatest(date_trunc('second', begun + s.keeps), date_trunc('day', now()) + interval '2 days');
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- archive_begin writes down what is about to be written to the archives, so that a run that follows a killed one finds
-- it there; false when the record is not due any more or is not what it was.
-- +goose StatementBegin
CREATE FUNCTION archive_begin(kind text, wanted bigint, place tid, seen bytea, size bigint, sha256 bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    t record;
BEGIN
    SELECT * INTO t FROM archive_take(kind, wanted, place);
    IF NOT FOUND OR t.content IS DISTINCT FROM seen THEN
        RETURN false;
    END IF;
    INSERT INTO archive_receipt AS x (object, category, record, content, size, sha256, until)
        VALUES (t.object, kind, wanted::text, seen, archive_begin.size, archive_begin.sha256, t.until)
        ON CONFLICT (object) DO UPDATE SET record = excluded.record, content = excluded.content, size = excluded.size, sha256 = excluded.sha256,
            until = excluded.until, begun_at = now(), handed_over_at = NULL, versions = NULL, failure = NULL;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- archive_confirm is the receipt: every archive has shown the object of this SHA-256. False when the record is not what
-- it was, or another run began it anew: then nothing is deleted.
-- +goose StatementBegin
CREATE FUNCTION archive_confirm(kind text, wanted bigint, place tid, shown bytea, at_archives jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF at_archives IS NULL OR jsonb_typeof(at_archives) <> 'object' OR at_archives = '{}' THEN
        RAISE EXCEPTION 'a receipt needs the version at each archive' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE archive_receipt AS x SET versions = at_archives, handed_over_at = now(), failure = NULL
        WHERE x.category = kind AND x.record = wanted::text AND x.sha256 = shown AND x.versions IS NULL
            AND x.until > now() AND x.content = archive_digest(kind, place);
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- archive_failed notes why a record was not handed over: the archive's name and the class of the error.
-- +goose StatementBegin
CREATE FUNCTION archive_failed(kind text, wanted bigint, why text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    UPDATE archive_receipt AS x SET failure = why WHERE x.category = kind AND x.record = wanted::text AND x.versions IS NULL
$$;
-- +goose StatementEnd

-- archive_audit gives, per category that is handed over or ever was, how long the rule has it kept, how many records the
-- archives hold by their receipts, when the last came there and until when the last stays, and what the last failure
-- was; nothing of a person.
-- +goose StatementBegin
CREATE FUNCTION archive_audit() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found jsonb;
BEGIN
    EXECUTE $q$SELECT coalesce(jsonb_agg(a ORDER BY a.category), '[]') FROM (
        SELECT category, coalesce(extract(epoch FROM n.keeps), 0) AS keeps, coalesce(x.records, 0) AS records, x.at, x.until, coalesce(x.failure, '') AS failure
        FROM (SELECT r.category, r.archive_period AS keeps FROM retention_rule AS r WHERE r.until = 'infinity' AND r.action = 'Archive') AS n
        FULL JOIN (SELECT r.category, count(r.versions) AS records, max(r.handed_over_at) AS at, max(r.until) FILTER (WHERE r.versions IS NOT NULL) AS until,
                (array_agg(r.failure ORDER BY r.begun_at DESC) FILTER (WHERE r.failure IS NOT NULL))[1] AS failure
            FROM archive_receipt AS r GROUP BY 1) AS x USING (category)) AS a$q$ INTO found;
    RETURN found;
END
$$;
-- +goose StatementEnd

-- archive_keeps tells that a record of a category still waits for its hand-over, so that its appointment must not go.
-- +goose StatementBegin
CREATE FUNCTION archive_keeps() RETURNS text
    LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(string_agg(format(' AND NOT EXISTS (SELECT FROM %I AS w WHERE w.appointment_id = r.id)', c.relation), '' ORDER BY c.relation), '')
    FROM retention_rule AS n JOIN retention_category() AS c ON c.category = n.category
    WHERE n.until = 'infinity' AND n.action = 'Archive' AND c.relation IN ('message', 'attachment')
$$;
-- +goose StatementEnd

-- purgeable_overdue counts what is overdue and only a purge could have removed: what waits for an archive, and the
-- appointments such records hang on, are not lost by a restore, whose own purge has no archive to hand over to.
-- +goose StatementBegin
CREATE FUNCTION purgeable_overdue() RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    late  bigint;
    waits bigint := 0;
    kept  text := archive_keeps();
    k     record;
BEGIN
    SELECT coalesce(sum(a.overdue), 0) INTO late FROM retention_audit() AS a WHERE a.action IS DISTINCT FROM 'Archive';
    IF kept <> '' THEN
        SELECT * INTO k FROM retention_category() AS c WHERE c.category = 'Appointment';
        EXECUTE format('SELECT count(*) FROM %s WHERE %s AND %s%s AND NOT (true%s)', k.source, k.condition,
            coalesce(retention_due('Appointment', k.start, k.collected, true), 'false'), retention_kept(k.key, k.held_by), kept) INTO waits;
    END IF;
    RETURN late - waits;
END
$$;
-- +goose StatementEnd

-- archive_forget takes from the receipts what names a record that is gone, whoever deleted it: on request, with its
-- appointment, or by another rule. What no archive has shown leaves no receipt; nor does what has outlived its lock.
-- +goose StatementBegin
CREATE FUNCTION archive_forget(kind text, relation text) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_hashjoin = on AS $$
DECLARE
    orphaned text := format('x.category = $1 AND x.record IS NOT NULL AND NOT EXISTS (SELECT FROM %I AS r WHERE r.id::text = x.record)', relation);
BEGIN
    IF pg_relation_size('archive_receipt') = 0 THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM archive_receipt AS x WHERE x.category = kind AND x.record IS NOT NULL) THEN
        EXECUTE 'DELETE FROM archive_receipt AS x WHERE x.versions IS NULL AND ' || orphaned USING kind;
        EXECUTE 'UPDATE archive_receipt AS x SET record = NULL, content = NULL WHERE ' || orphaned USING kind;
    END IF;
    DELETE FROM archive_receipt AS x WHERE x.category = kind AND x.until <= now() AND x.record IS NULL;
END
$$;
-- +goose StatementEnd

-- purge as before; but under a rule of action Archive only what every archive has shown goes, and no appointment goes
-- while something that hangs on it waits for its hand-over. Where the rule is gone, what it kept is deleted in time.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION purge(kind text, batch integer, sweep uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    k      record;
    due    text;
    wanted text;
    paused timestamptz;
    behind timestamptz;
    tids   tid[];
    ids    bigint[];
    low    timestamptz;
    high   timestamptz;
    gone   bigint;
    waits  text := '';
BEGIN
    IF batch IS NULL OR batch NOT BETWEEN 1 AND 100000 OR sweep IS NULL THEN
        RAISE EXCEPTION 'give a batch of 1 to 100000 records and a run' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO k FROM retention_category() AS c WHERE c.category = kind;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no category of this name' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    due := retention_due(kind, k.start, k.collected, false);
    IF due IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT CASE WHEN r.action = 'Archive' AND r.until <> 'infinity' THEN 'Delete' ELSE r.action END, r.suspended_until INTO wanted, paused FROM retention_rule AS r WHERE r.category = kind ORDER BY r.until DESC LIMIT 1;
    IF paused > now() THEN
        -- Not recorded as a run: what was not looked for was not found absent.
        RETURN 0;
    END IF;
    -- A hold that has ended says nothing any more, and would only tell who once asked for it.
    DELETE FROM retention_hold WHERE retention_hold.kind = 'Restriction' AND until <= now();
    SELECT p.reached INTO behind FROM purge_run AS p WHERE p.category = kind AND p.run = sweep;
    IF kind = 'AccessLog' AND wanted = 'Delete' THEN
        k.condition := 'true';
        gone := drop_expired_logs(due);
    END IF;
    IF wanted = 'Archive' THEN
        waits := ' AND ' || archive_held(kind);
    ELSIF kind = 'Appointment' THEN
        waits := archive_keeps();
    END IF;
    IF behind IS NULL THEN
        -- Once a run, since it may have to look at every record.
        PERFORM archive_forget(kind, k.relation);
    END IF;
    -- Locked first and acted upon second, each under its own snapshot: a record that was changed in between is seen as
    -- it is now. Oldest first, so that a purge cut short has done the most urgent.
    EXECUTE format('SELECT array_agg(d.tid), array_agg(d.id), min(d.start), max(d.start) FROM (
            SELECT r.ctid AS tid, %1$s AS id, %2$s AS start FROM %3$s WHERE %4$s AND %5$s%6$s%7$s%9$s
            ORDER BY %2$s LIMIT %8$s FOR UPDATE OF r SKIP LOCKED) AS d',
        CASE kind WHEN 'AccessLog' THEN 'r.id' ELSE 'NULL::bigint' END, k.start, k.source, k.condition, due,
        retention_kept(k.key, k.held_by), CASE WHEN behind IS NULL THEN '' ELSE format(' AND %s >= %L::timestamptz', k.start, behind) END, batch, waits)
        INTO tids, ids, low, high;
    IF waits <> '' AND tids IS NOT NULL THEN
        -- Looked at again now that nobody can change them: what came since was not handed over.
        EXECUTE format('SELECT array_agg(r.ctid) FROM %I AS r WHERE r.ctid = ANY ($1)%s', k.relation, waits) INTO tids USING tids;
    END IF;
    CASE
    WHEN tids IS NULL THEN
    WHEN kind = 'AccessLog' AND wanted = 'Strip' THEN
        UPDATE access_log AS r SET address = NULL, user_agent = NULL WHERE r.created_at BETWEEN low AND high AND r.id = ANY (ids);
    WHEN kind = 'AccessLog' THEN
        DELETE FROM access_log AS r WHERE r.created_at BETWEEN low AND high AND r.id = ANY (ids);
    WHEN kind = 'Appointment' AND wanted = 'Anonymize' THEN
        WITH deleted AS (
            DELETE FROM appointment AS r WHERE r.ctid = ANY (tids) RETURNING r.starts_at, r.office, r.service, r.channel, r.state
        )
        -- Sorted, so that two purges at once cannot lock the same counts in opposite order.
        INSERT INTO appointment_count (day, office, service, channel, outcome, count)
            SELECT (d.starts_at AT TIME ZONE 'UTC')::date, d.office, d.service, d.channel, d.state, count(*)
            FROM deleted AS d GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT (day, office, service, channel, outcome) DO UPDATE SET count = appointment_count.count + excluded.count;
    WHEN kind = 'SessionAddress' AND wanted = 'Anonymize' THEN
        WITH deleted AS (DELETE FROM session_address AS r WHERE r.ctid = ANY (tids) RETURNING r.created_at)
        INSERT INTO appointment_count (day, office, service, channel, outcome, count)
            SELECT (d.created_at AT TIME ZONE 'UTC')::date, '', '', 'Video', 'session', count(*) FROM deleted AS d GROUP BY 1 ORDER BY 1
            ON CONFLICT (day, office, service, channel, outcome) DO UPDATE SET count = appointment_count.count + excluded.count;
    WHEN wanted = 'Archive' THEN
        EXECUTE format('WITH deleted AS (DELETE FROM %I AS r WHERE r.ctid = ANY ($1) RETURNING r.id)
            UPDATE archive_receipt AS x SET record = NULL, content = NULL FROM deleted AS d WHERE x.category = $2 AND x.record = d.id::text',
            k.relation) USING tids, kind;
    ELSE
        EXECUTE format('DELETE FROM %I AS r WHERE r.ctid = ANY ($1)', k.relation) USING tids;
    END CASE;
    gone := coalesce(gone, 0) + coalesce(cardinality(tids), 0);
    INSERT INTO purge_run AS p (category, run, started_at, finished_at, removed, reached)
        VALUES (kind, sweep, now(), CASE WHEN gone < batch THEN clock_timestamp() END, gone, high)
        ON CONFLICT (category, run) DO UPDATE SET removed = p.removed + excluded.removed, finished_at = excluded.finished_at,
            reached = coalesce(excluded.reached, p.reached);
    IF gone < batch THEN
        DELETE FROM purge_run AS p WHERE p.category = kind AND p.run <> ALL (ARRAY(
            SELECT n.run FROM purge_run AS n WHERE n.category = kind ORDER BY n.started_at DESC LIMIT 20));
    END IF;
    RETURN gone;
END
$$;
-- +goose StatementEnd
