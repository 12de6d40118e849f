{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* First transaction of Ensure. Of its own, since granting a group holds a lock on it until the end (PostgreSQL 16). */ -}}
BEGIN;
INSERT INTO termintreu.tenant AS t (data_id, namespace, name, uid)
    VALUES ({{.ID}}, {{.Namespace}}, {{.Name}}, {{.UID}})
    ON CONFLICT (data_id) DO UPDATE SET namespace = excluded.namespace, name = excluded.name, uid = excluded.uid
    WHERE (t.namespace, t.name, t.uid) IS DISTINCT FROM (excluded.namespace, excluded.name, excluded.uid);
{{if not .Owner.Exists}}CREATE ROLE {{.Owner.Ident}} NOLOGIN;
{{end -}}
{{range $r := .Logins}}
{{- if .Exists}}ALTER{{else}}CREATE{{end}} ROLE {{.Ident}} {{if and .Verifier (not .Locked)}}LOGIN{{else}}NOLOGIN{{end}} CONNECTION LIMIT {{.Limit}} PASSWORD {{if .Verifier}}{{.Verifier}}{{else}}NULL{{end}};
ALTER ROLE {{.Ident}} SET search_path = {{$.Schema}}, pg_temp;
{{range .Settings -}}
ALTER ROLE {{$r.Ident}} SET {{.Name}} = '{{.Value}}';
{{end}}{{end -}}
GRANT {{.Group}} TO {{range $n, $r := .Logins}}{{if $n}}, {{end}}{{$r.Ident}}{{end}};
COMMIT;
