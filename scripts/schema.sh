#!/usr/bin/env bash
# Writes every module's schema.rs from the database in DATABASE_URL, which it migrates first.
set -euo pipefail
cd "$(dirname "$0")/.."

target/debug/oms migrate >/dev/null
sed -n 's/^\[print_schema\.\([a-z_]*\)\]$/\1/p' diesel.toml | while read -r module; do
    diesel print-schema --config-file diesel.toml --schema-key "$module" > "modules/$module/src/schema.rs.new"
    mv "modules/$module/src/schema.rs.new" "modules/$module/src/schema.rs"
    echo "modules/$module/src/schema.rs"
done
