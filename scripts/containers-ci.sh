#!/usr/bin/env bash
# I-14: the Dockerfile and docker-compose.yml are well-formed, and agree with what the repository has and says. Needs no engine: Compose and
# hadolint come ready-made from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh
folder=$(mktemp -d /tmp/oms-containers.XXXXXX)
trap 'rm -rf "$folder"' EXIT

# As on a fresh clone: no `.env`, no variables.
compose() { env -i PATH="$PATH" HOME="$folder" "$venv/bin/docker-compose" --project-directory . --env-file /dev/null "$@"; }

compose config --quiet
for profile in $(compose config --profiles) '*'; do
    compose --profile "$profile" config --quiet
done
WEB_PORT=8000-8002 "$venv/bin/docker-compose" --env-file /dev/null config --quiet
# What docs/containers.md says about the change from Promtail to Alloy.
PROMTAIL_SCALE=0 COMPOSE_PROFILES=alloy "$venv/bin/docker-compose" --env-file /dev/null config --format json >"$folder/alloy.json"
"$venv/bin/python" - "$folder/alloy.json" <<'PYTHON'
import json
import sys

services = json.load(open(sys.argv[1], encoding="utf-8"))["services"]
assert "alloy" in services and services["promtail"]["scale"] == 0, "COMPOSE_PROFILES=alloy and PROMTAIL_SCALE=0 do not replace Promtail by Alloy"
PYTHON
compose --profile '*' config --format json >"$folder/model.json"

"$venv/bin/hadolint" --failure-threshold style Dockerfile
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/lib/containers.py "$PWD" "$folder/model.json"
