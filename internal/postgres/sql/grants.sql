{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* Runs as the owner. What is not granted here is not granted: the app can neither see nor change a period, nor keep
a record past one but by staff_hold and citizen_restrict, which are bounded (invariant 6). */ -}}
GRANT USAGE ON SCHEMA {{.Schema}} TO {{.Apps}}, {{.Retention.Ident}}, {{.Backup.Ident}};
GRANT SELECT, INSERT, UPDATE, DELETE ON {{.Schema}}.appointment, {{.Schema}}.contact, {{.Schema}}.mail_outbox, {{.Schema}}.message,
    {{.Schema}}.attachment, {{.Schema}}.session, {{.Schema}}.signature, {{.Schema}}.consent TO {{.Apps}};
GRANT SELECT, INSERT, UPDATE, DELETE ON {{.Schema}}.staff_session TO {{.Apps}};
GRANT SELECT, INSERT, DELETE ON {{.Schema}}.slot_release, {{.Schema}}.challenge_spent TO {{.Apps}};
GRANT SELECT ON {{.Schema}}.challenge_key TO {{.Apps}};
{{- /* What is hidden is shown to nobody, so that an instance must know what is. */}}
GRANT SELECT (subject) ON {{.Schema}}.erasure_pending TO {{.Apps}};
{{- /* Auditors read at the staff side who did what; it holds identifiers only. */}}
GRANT SELECT ON {{.Schema}}.audit_log TO {{.Apps}};
GRANT INSERT ON {{.Schema}}.access_log, {{.Schema}}.session_address, {{.Schema}}.audit_log, {{.Schema}}.erasure_journal,
    {{.Schema}}.erasure_pending TO {{.Apps}};
GRANT SELECT ON {{.Schema}}.appointment, {{.Schema}}.contact, {{.Schema}}.mail_outbox, {{.Schema}}.message, {{.Schema}}.attachment,
    {{.Schema}}.session, {{.Schema}}.session_address, {{.Schema}}.signature, {{.Schema}}.consent, {{.Schema}}.audit_log, {{.Schema}}.erasure_journal,
    {{.Schema}}.access_log, {{.Schema}}.access_log_rest, {{.Schema}}.appointment_count, {{.Schema}}.purge_run, {{.Schema}}.retention_hold, {{.Schema}}.archive_receipt, {{.Schema}}.staff_session,
    {{.Schema}}.erasure_pending, {{.Schema}}.slot_release, {{.Schema}}.challenge_key, {{.Schema}}.challenge_spent, {{.Schema}}.goose_db_version TO {{.Backup.Ident}};
GRANT SELECT ON ALL SEQUENCES IN SCHEMA {{.Schema}} TO {{.Backup.Ident}};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {{.Schema}} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{.Schema}}.purge(text, integer, uuid), {{.Schema}}.open_hold(text, text, text, text, timestamptz),
    {{.Schema}}.end_hold(text, text), {{.Schema}}.rewrite_storage(interval) TO {{.Retention.Ident}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.confirm_erasures(uuid[], bytea[], text), {{.Schema}}.confirm_journal(bytea[]) TO {{.Backup.Ident}};
{{- /* Since when erasures on request wait, and nothing of what is to be erased: the audit counts what is overdue. */}}
GRANT SELECT (requested_at) ON {{.Schema}}.erasure_pending TO {{.Operator}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.retention_audit(), {{.Schema}}.retention_runs() TO {{.Retention.Ident}}, {{.Operator}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.archive_audit() TO {{.Operator}};
{{- /* The hand-over reads what is due and nothing else, and its receipts let only what they name go. */}}
{{- if .Archive.Ident}}
GRANT USAGE ON SCHEMA {{.Schema}} TO {{.Archive.Ident}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.archive_due(text, integer, timestamptz, bigint), {{.Schema}}.archive_take(text, bigint, tid),
    {{.Schema}}.archive_begin(text, bigint, tid, bytea, bigint, bytea), {{.Schema}}.archive_confirm(text, bigint, tid, bytea, jsonb),
    {{.Schema}}.archive_failed(text, bigint, text), {{.Schema}}.purge(text, integer, uuid), {{.Schema}}.retention_audit() TO {{.Archive.Ident}};
{{- end}}
GRANT EXECUTE ON FUNCTION {{.Schema}}.staff_hold(text, text, text, text, timestamptz), {{.Schema}}.staff_end_hold(text, text, text),
    {{.Schema}}.staff_holds() TO {{.Apps}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.held_until(uuid), {{.Schema}}.restricted_until(uuid), {{.Schema}}.citizen_restrict(bytea),
    {{.Schema}}.citizen_lift(bytea) TO {{.Apps}};
REVOKE CREATE ON SCHEMA {{.Schema}} FROM {{.Operator}};
