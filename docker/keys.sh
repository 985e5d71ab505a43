#!/bin/sh
# Makes the secrets of the Compose stack once, at its first start: nobody else's are the same, and none is in the repository.
# oms reads `.env` in its working directory, which is where this volume is mounted. What is set in the `.env` beside
# docker-compose.yml goes first. A new volume means new secrets: everybody is logged out.
set -eu
umask 027
cd "${1:-/run/oms}"
if [ -e .env ]; then
    echo "the secrets are there already"
    exit 0
fi

random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }
word() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }

password=$(word 24)
# The database's server reads this one, as root; nobody else.
(umask 077 && printf '%s' "$password" >database-password)
# For postgres-exporter and for the script that makes its role: it may look at statistics, that is all.
word 24 >exporter-password
chmod 644 exporter-password
cat >.env.new <<END
DATABASE_URL=postgres://oms:$password@db:5432/oms
SECRET_KEY=$(random 48)
OMS_GATEWAY_API_KEY=$(random 24)
OMS_WEBHOOK_SECRETS=whsec_$(random 32)
END
# Last, and at once: whoever finds .env finds all of it.
mv .env.new .env
echo "new secrets are made"
