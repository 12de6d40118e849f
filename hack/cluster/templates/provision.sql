\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SELECT 'CREATE ROLE {{.Operator}}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{.Operator}}') \gexec
ALTER ROLE {{.Operator}} LOGIN NOSUPERUSER CREATEROLE CREATEDB NOBYPASSRLS NOREPLICATION PASSWORD '{{.Password}}';
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO {{.Operator}};
{{range .Databases}}
SELECT 'CREATE DATABASE {{.}} OWNER {{$.Operator}}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{{.}}') \gexec
REVOKE ALL ON DATABASE {{.}} FROM PUBLIC;
\connect {{.}}
SET client_min_messages = warning;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS extensions;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA extensions;
{{end}}
