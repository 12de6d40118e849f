{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* The periods, in the tenant's schema but owned by the operator: not even the schema's owner can change one. */ -}}
{{- define "wanted" -}}
WITH wanted (category, start_event, period, action, archive_period) AS (VALUES
{{range $n, $r := .Rules}}{{if $n}},
{{end}}    ({{$r.Category}}, {{$r.StartEvent}}, make_interval(secs => {{$r.Seconds}}), {{$r.Action}}, {{if $r.ArchiveSeconds}}make_interval(secs => {{$r.ArchiveSeconds}}){{else}}NULL::interval{{end}}){{end}})
{{end -}}
GRANT {{.Owner.Ident}} TO {{.Operator}}{{.Membership}};
CREATE SCHEMA IF NOT EXISTS {{.Schema}} AUTHORIZATION {{.Owner.Ident}};
SET LOCAL ROLE {{.Owner.Ident}};
GRANT USAGE, CREATE ON SCHEMA {{.Schema}} TO {{.Operator}};
RESET ROLE;
{{- /* One row a category is in force, until infinity. The others are shorter promises that still bind what was
collected before until: a longer period never applies to them. */}}
CREATE TABLE IF NOT EXISTS {{.Schema}}.retention_rule (
    category        text        NOT NULL,
    start_event     text        NOT NULL,
    period          interval    NOT NULL CHECK (period > interval '0'),
    action          text        NOT NULL,
    tolerance       interval    NOT NULL CHECK (tolerance >= interval '0'),
    effective_from  timestamptz NOT NULL DEFAULT now(),
    until           timestamptz NOT NULL DEFAULT 'infinity',
    suspended_until timestamptz,
    archive_period  interval    CHECK (archive_period > interval '0'),
    PRIMARY KEY (category, until)
);
{{- /* Of a tenant an earlier release made; a second look changes nothing. */}}
{{if not .Fresh}}ALTER TABLE {{.Schema}}.retention_rule ADD COLUMN IF NOT EXISTS archive_period interval CHECK (archive_period > interval '0');
{{end -}}
COMMENT ON TABLE {{.Schema}}.retention_rule IS '{"None": ["category", "start_event", "period", "action", "tolerance", "effective_from", "until", "suspended_until", "archive_period"]}';
GRANT SELECT ON {{.Schema}}.retention_rule TO {{.Owner.Ident}}, {{.Backup.Ident}};
{{if not .Fresh -}}
{{- /* A rule that is gone goes on binding what was collected under it. */}}
UPDATE {{.Schema}}.retention_rule SET until = now() WHERE until = 'infinity'
    AND category <> ALL (ARRAY[{{range $n, $r := .Rules}}{{if $n}}, {{end}}{{$r.Category}}{{end}}]::text[]);
{{end -}}
{{if .Rules -}}
{{if not .Fresh -}}
{{- /* A longer period begins to bind an hour late: until then an instance may still show the shorter one. */}}
{{template "wanted" .}}UPDATE {{.Schema}}.retention_rule AS r SET until = now() + interval '1 hour' FROM wanted AS w
    WHERE r.category = w.category AND r.until = 'infinity' AND r.period < w.period;
{{- /* A shorter one binds everything, so that the longer promises before it are nobody's any more. */}}
{{template "wanted" .}}DELETE FROM {{.Schema}}.retention_rule AS r USING wanted AS w
    WHERE r.category = w.category AND (r.period > w.period OR r.period = w.period AND r.until <> 'infinity');
{{end -}}
{{template "wanted" .}}INSERT INTO {{.Schema}}.retention_rule AS r (category, start_event, period, action, tolerance, suspended_until, archive_period)
    SELECT w.category, w.start_event, w.period, w.action, make_interval(secs => {{.ToleranceSeconds}}), {{.SuspendedUntil}}::timestamptz, w.archive_period FROM wanted AS w
    ON CONFLICT (category, until) DO UPDATE SET start_event = excluded.start_event,
        action = excluded.action, tolerance = excluded.tolerance, suspended_until = excluded.suspended_until,
        archive_period = excluded.archive_period
    WHERE (r.start_event, r.action, r.tolerance, r.suspended_until, r.archive_period)
        IS DISTINCT FROM (excluded.start_event, excluded.action, excluded.tolerance, excluded.suspended_until, excluded.archive_period);
{{end -}}
{{if not .Fresh -}}
{{- /* Whatever has ended keeps to today's tolerance and pause. */ -}}
UPDATE {{.Schema}}.retention_rule AS r SET tolerance = make_interval(secs => {{.ToleranceSeconds}}), suspended_until = {{.SuspendedUntil}}::timestamptz
    WHERE (r.tolerance, r.suspended_until) IS DISTINCT FROM (make_interval(secs => {{.ToleranceSeconds}}), {{.SuspendedUntil}}::timestamptz);
{{end -}}
