#!/bin/sh
# The role of postgres-exporter: reads statistics, no data. The postgres image runs this when it makes the database.
psql --set ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$(cat /run/oms/exporter-password)" <<'SQL'
CREATE ROLE exporter LOGIN CONNECTION LIMIT 5 PASSWORD :'password';
GRANT pg_monitor TO exporter;
SQL
