#!/bin/sh
# Brings both schemas of Temporal to the version of its admin tools; safe to repeat.
set -eu

schema() { # database (its user has the same name), password, folder
  tool="temporal-sql-tool --plugin postgres12 --endpoint postgres --port 5432 --user $1 --database $1"
  export SQL_PASSWORD="$2"
  $tool setup-schema --version 0.0
  $tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$3/versioned"
}

schema temporal "$TEMPORAL_DB_PASSWORD" temporal
schema temporal_visibility "$TEMPORAL_VISIBILITY_DB_PASSWORD" visibility
