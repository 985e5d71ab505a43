#!/usr/bin/env bash
# Writes every module's schema.rs from the database in DATABASE_URL, which it migrates first.
set -euo pipefail
cd "$(dirname "$0")/.."

target/debug/oms migrate >/dev/null
sed -n 's/^\[print_schema\.\([a-z_]*\)\]$/\1/p' diesel.toml | while read -r module; do
    # Given the whole file, the CLI prints every section, whichever key is asked for.
    section=$(mktemp)
    awk -v wanted="[print_schema.$module]" '/^\[/ { on = ($0 == wanted) } on' diesel.toml > "$section"
    { echo '// @generated automatically by Diesel CLI.'; echo
      diesel print-schema --config-file "$section" --schema-key "$module" | sed '/@generated/d' | sed '/./,$!d'
    } > "modules/$module/src/schema.rs.new"
    rm "$section"
    mv "modules/$module/src/schema.rs.new" "modules/$module/src/schema.rs"
    echo "modules/$module/src/schema.rs"
done
