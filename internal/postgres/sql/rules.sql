{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* The periods, in the tenant's schema but owned by the operator: not even the schema's owner can change one. */ -}}
GRANT {{.Owner.Ident}} TO {{.Operator}}{{.Membership}};
CREATE SCHEMA IF NOT EXISTS {{.Schema}} AUTHORIZATION {{.Owner.Ident}};
SET LOCAL ROLE {{.Owner.Ident}};
GRANT USAGE, CREATE ON SCHEMA {{.Schema}} TO {{.Operator}};
RESET ROLE;
CREATE TABLE IF NOT EXISTS {{.Schema}}.retention_rule (
    category    text     NOT NULL PRIMARY KEY,
    start_event text     NOT NULL,
    period      interval NOT NULL CHECK (period > interval '0'),
    action      text     NOT NULL,
    tolerance   interval NOT NULL CHECK (tolerance >= interval '0')
);
GRANT SELECT ON {{.Schema}}.retention_rule TO {{.Owner.Ident}}, {{.Backup.Ident}};
DELETE FROM {{.Schema}}.retention_rule WHERE category <> ALL (ARRAY[{{range $n, $r := .Rules}}{{if $n}}, {{end}}{{$r.Category}}{{end}}]::text[]);
{{if .Rules -}}
INSERT INTO {{.Schema}}.retention_rule AS r (category, start_event, period, action, tolerance) VALUES
{{range $n, $r := .Rules}}{{if $n}},
{{end}}    ({{$r.Category}}, {{$r.StartEvent}}, make_interval(secs => {{$r.Seconds}}), {{$r.Action}}, make_interval(secs => {{$.ToleranceSeconds}})){{end}}
    ON CONFLICT (category) DO UPDATE SET start_event = excluded.start_event, period = excluded.period,
        action = excluded.action, tolerance = excluded.tolerance
    WHERE (r.start_event, r.period, r.action, r.tolerance)
        IS DISTINCT FROM (excluded.start_event, excluded.period, excluded.action, excluded.tolerance);
{{end -}}
