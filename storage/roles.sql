-- Roles, and what may be granted to them. What each gets is listed in roles.py.

-- name: roles
SELECT rolname FROM pg_roles WHERE rolname LIKE 'cj\_%'

-- name: tables
-- Our tables: those owned by the role that migrates.
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v') AND pg_has_role(relowner, 'USAGE')

-- name: schema
SELECT quote_ident(current_schema())

-- name: functions
-- Procedures, too, which somebody else may have put there; not aggregates, whose signatures are written otherwise.
SELECT format('%I(%s)', proname, oidvectortypes(proargtypes)) FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND prokind <> 'a' AND pg_has_role(proowner, 'USAGE')

-- name: standing
-- MEMBER, not USAGE: roles reachable by SET ROLE count too.
WITH reachable AS (
    SELECT oid, rolname, rolsuper, rolcreaterole, rolreplication FROM pg_roles
    WHERE oid = (SELECT oid FROM pg_roles WHERE rolname = current_user) OR pg_has_role(oid, 'MEMBER')
), tables AS (
    SELECT oid, relname, relowner FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relname IN ('merchants', 'merchant_integrations')
)
SELECT current_user AS role,
       ARRAY(SELECT DISTINCT power FROM reachable, unnest(ARRAY[
           CASE WHEN rolsuper THEN 'superuser' END,
           CASE WHEN rolcreaterole THEN 'allowed to create roles' END,
           CASE WHEN rolreplication THEN 'allowed to replicate' END,
           CASE WHEN rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
                THEN 'member of ' || rolname END]) AS powers (power)
           WHERE power IS NOT NULL ORDER BY power) AS powers,
       EXISTS (SELECT FROM tables t JOIN reachable r ON r.oid = t.relowner) AS is_owner,
       EXISTS (SELECT FROM tables t CROSS JOIN reachable r
               WHERE t.relname = 'merchant_integrations' AND has_column_privilege(r.oid, t.oid, 'api_key', 'SELECT'))
           AS reads_tokens,
       current_setting('log_min_error_statement') <> 'panic' AS logs_statements

-- name: lacking
-- Of these rights, those that the session's role lacks. Without a column: on all of the table.
SELECT thing, privilege FROM unnest(
    CAST(:things AS text[]), CAST(:privileges AS text[]), CAST(:columns AS text[])
) WITH ORDINALITY AS needed (thing, privilege, col, place)
WHERE CASE WHEN privilege = 'EXECUTE'
           THEN to_regprocedure(thing) IS NOT NULL AND NOT has_function_privilege(thing, privilege)
           ELSE to_regclass(thing) IS NOT NULL AND NOT CASE WHEN col IS NULL
                THEN has_table_privilege(thing, privilege) ELSE has_column_privilege(thing, col, privilege) END END
GROUP BY thing, privilege ORDER BY min(place)
