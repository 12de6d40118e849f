{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* Runs as the owner. What is not granted here is not granted: the app can neither see nor change a period (invariant 6). */ -}}
GRANT USAGE ON SCHEMA {{.Schema}} TO {{.Apps}}, {{.Retention.Ident}}, {{.Backup.Ident}};
GRANT SELECT, INSERT, UPDATE, DELETE ON {{.Schema}}.appointment, {{.Schema}}.contact, {{.Schema}}.mail_outbox TO {{.Apps}};
GRANT INSERT ON {{.Schema}}.access_log TO {{.Apps}};
GRANT SELECT ON {{.Schema}}.appointment, {{.Schema}}.contact, {{.Schema}}.mail_outbox, {{.Schema}}.access_log, {{.Schema}}.appointment_count,
    {{.Schema}}.purge_run, {{.Schema}}.goose_db_version TO {{.Backup.Ident}};
GRANT SELECT ON SEQUENCE {{.Schema}}.mail_outbox_id_seq, {{.Schema}}.access_log_id_seq, {{.Schema}}.goose_db_version_id_seq TO {{.Backup.Ident}};
REVOKE ALL ON FUNCTION {{.Schema}}.purge(text, integer, uuid), {{.Schema}}.retention_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{.Schema}}.purge(text, integer, uuid) TO {{.Retention.Ident}};
GRANT EXECUTE ON FUNCTION {{.Schema}}.retention_audit() TO {{.Retention.Ident}}, {{.Operator}};
REVOKE CREATE ON SCHEMA {{.Schema}} FROM {{.Operator}};
