# Sourced once, by the image, when the data directory is empty: one user and one database for each of the three.
own_database() { # name, password
  psql --username "$POSTGRES_USER" --dbname postgres --quiet -v ON_ERROR_STOP=1 -v name="$1" -v password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
own_database temporal "$TEMPORAL_DB_PASSWORD"
own_database temporal_visibility "$TEMPORAL_VISIBILITY_DB_PASSWORD"
own_database onboarding "$ONBOARDING_DB_PASSWORD"
