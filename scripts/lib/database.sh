# What backup.sh and restore.sh share: where PostgreSQL's programs, the database and the pictures are. To be sourced.
# shellcheck shell=bash disable=SC2034

say() { printf '%s\n' "$*"; }
refuse() { printf '%s\n' "$*" >&2; exit 1; }

# The newest client programs that there are: pg_dump has to be as new as the server.
find_postgres() {
    local bin=${OMS_PG_BIN:-}
    [[ -n "$bin" ]] || bin=$(compgen -G '/usr/lib/postgresql/*/bin/pg_dump' | sort -V | tail -n 1 | xargs -r dirname)
    [[ -z "$bin" ]] || PATH=$bin:$PATH
    local program
    for program in pg_dump pg_restore psql sha256sum; do
        command -v "$program" >/dev/null || refuse "$program is needed and not found (Debian: postgresql-client and coreutils; OMS_PG_BIN says where PostgreSQL's are)"
    done
}

decoded() {
    local text=${1//\\/\\\\}
    printf '%b' "${text//%/\\x}"
}

told() { # NAME TEXT: a variable for PostgreSQL's programs, when there is something to say
    [[ -z "$2" ]] || { printf -v "$1" '%s' "$(decoded "$2")"; export "${1?}"; }
}

# DATABASE_URL as the variables that PostgreSQL's programs read: an address in a command line is for everybody to see, and it
# would show the password. Of what stands behind the `?` only what they understand as well is taken along.
find_database() { # WHO: how we are called in pg_stat_activity
    local url=${DATABASE_URL:-}
    [[ -n "$url" ]] || refuse "DATABASE_URL is not set: which database?"
    local shape='^postgres(ql)?://(([^:@/]*)(:([^@/]*))?@)?(\[[^]]*\]|[^:/?]*)(:([0-9]+))?(/([^?]*))?(\?(.*))?$'
    [[ "$url" =~ $shape ]] || refuse "DATABASE_URL has to look like postgres://user:password@host:5432/name"
    local user=${BASH_REMATCH[3]} password=${BASH_REMATCH[5]} host=${BASH_REMATCH[6]} port=${BASH_REMATCH[8]} name=${BASH_REMATCH[10]}
    local options=${BASH_REMATCH[12]} option
    unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGSERVICE PGOPTIONS
    host=${host#[}
    told PGHOST "${host%]}"
    told PGPORT "$port"
    told PGUSER "$user"
    told PGPASSWORD "$password"
    told PGDATABASE "$name"
    for option in ${options//&/ }; do
        case "$option" in
            host=*) told PGHOST "${option#*=}" ;;
            sslmode=*) told PGSSLMODE "${option#*=}" ;;
        esac
    done
    # Whoever does not answer is not waited for.
    export PGAPPNAME=$1 PGCONNECT_TIMEOUT=10
    where="${PGDATABASE:-${PGUSER:-postgres}} at ${PGHOST:-the local socket}${PGPORT:+:$PGPORT}"
}

# One statement, its answer without decoration.
ask() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }

# OMS_MEDIA_URL as a directory; nothing for an object store.
find_media() {
    local url=${OMS_MEDIA_URL:-./media}
    case "$url" in
        s3://*) media="" ;;
        file://*) media=$(decoded "${url#file://}") ;;
        *://*) refuse "OMS_MEDIA_URL is neither a directory nor an object store: $url" ;;
        *) media=$url ;;
    esac
}

# The program itself: OMS, the one in the PATH, or the one that was built here. Run from a directory without `.env`, as
# the environment says which database is meant.
find_oms() {
    OMS=${OMS:-$(command -v oms || true)}
    [[ -n "$OMS" ]] || OMS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/debug/oms
    [[ -x "$OMS" ]] || OMS=""
}

files() { (cd "$1" && find . -type f ! -name '*#*' -printf '%P\n' | LC_ALL=C sort); }

# copy_missing FROM TO: what TO does not have yet. Pictures never change (their name is the hash of their bytes), so what is
# there is right. `*#*` is a file that somebody is still writing. What is removed while we copy is none of our business.
copy_missing() {
    local from=$1 to list name
    to=$(cd "$2" && pwd)
    list=$(LC_ALL=C comm -23 <(files "$from") <(files "$to"))
    [[ -n "$list" ]] || return 0
    (cd "$from" && xargs -d '\n' cp -p --parents -t "$to" <<<"$list" 2>/dev/null) || true
    while IFS= read -r name; do
        [[ ! -e "$from/$name" || -e "$to/$name" ]] || refuse "$from/$name cannot be copied to $to: is the disk full, may we read it?"
    done <<<"$list"
}
