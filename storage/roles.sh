#!/bin/sh
# Creates the owner of the database and the role of each kind of process, with the users and passwords in the URLs of
# $SECRETS/database_url_*. Run again, it updates the passwords. Connects as the superuser by PGHOST, PGUSER, PGDATABASE and
# $SECRETS/postgres_password. Passwords are on no command line.
set -eu
secrets=${SECRETS:-/run/secrets}
if [ -e "$secrets/postgres_password" ]; then
    PGPASSWORD=$(cat "$secrets/postgres_password")
    export PGPASSWORD
fi
statements() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --output /dev/null; }
for file in "$secrets"/database_url_*; do
    url=$(cat "$file") && rest=${url#*://} && ROLE=${rest%%:*} && PASSWORD=${rest#*:} && PASSWORD=${PASSWORD%%@*}
    case $ROLE$PASSWORD in *[!A-Za-z0-9_]*)
        echo "$file: the user and the password in the URL must be letters and digits" >&2
        exit 2
        ;;
    esac
    export ROLE PASSWORD
    statements <<'SQL'
\getenv role ROLE
\getenv password PASSWORD
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
-- storage.database.SESSION_SETTINGS: as the role's own they also hold behind PgBouncer. The owner's migrations take long.
SELECT format('ALTER ROLE %I SET %s = %L', :'role', name, value) FROM (VALUES
    ('lock_timeout', '2s'), ('statement_timeout', '5s'), ('idle_in_transaction_session_timeout', '5s'),
    ('TimeZone', 'UTC')) AS settings (name, value) WHERE :'role' <> 'cj_owner' \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
SQL
done
# Hand over what was migrated as the superuser.
statements <<'SQL'
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('ALTER DATABASE %I OWNER TO cj_owner', current_database()) \gexec
SELECT format('ALTER TABLE %s OWNER TO cj_owner', oid::regclass) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relowner <> 'cj_owner'::regrole \gexec
SELECT format('ALTER ROUTINE %s OWNER TO cj_owner', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'cj_owner'::regrole \gexec
SQL
