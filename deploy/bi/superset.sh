#!/usr/bin/env bash
# Apache Superset over the published marts, in an environment of its own. One command, again and again the same result:
#
#   deploy/bi/superset.sh [install|load|serve|all]     (default: all)
#
# VIMOTION_HOME    the state folder whose published/vim.duckdb is shown   (default: .vimotion)
# SUPERSET_HOME    environment and state of Superset                      (default: .superset)
# SUPERSET_PYTHON  Python 3.10 or 3.11, which Superset 6.1 asks for       (default: python3.11)
# SUPERSET_PORT    port on 127.0.0.1                                      (default: 8088)
# SUPERSET_ADMIN_PASSWORD  of the user `admin`; without it one is drawn and written to $SUPERSET_HOME/admin_password (mode 600)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="$(realpath -m "${SUPERSET_HOME:-.superset}")"
published="$(realpath -m "${VIMOTION_HOME:-.vimotion}")/published/vim.duckdb"
python="${SUPERSET_PYTHON:-python3.11}"
port="${SUPERSET_PORT:-8088}"
superset="$home/venv/bin/superset"

export SUPERSET_HOME="$home" SUPERSET_CONFIG_PATH="$here/superset_config.py" FLASK_APP=superset SCARF_ANALYTICS=false DO_NOT_TRACK=1

secret() { # file: made once, readable by its owner only
    test -s "$1" || (umask 077 && "$home/venv/bin/python" -c 'import secrets; print(secrets.token_urlsafe(32))' > "$1")
}

install() {
    mkdir -p "$home"
    test -x "$home/venv/bin/python" || "$python" -m venv "$home/venv"
    "$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    secret "$home/secret_key"
}

load() {
    test -f "$published" || { echo "There is no $published. Fix: run vimotion audit first, or set VIMOTION_HOME"; exit 2; }
    if [ -n "${SUPERSET_ADMIN_PASSWORD:-}" ]; then (umask 077 && printf '%s\n' "$SUPERSET_ADMIN_PASSWORD" > "$home/admin_password"); fi
    secret "$home/admin_password"
    "$superset" db upgrade
    # A user who exists keeps his password: the command fails for him, and the login below would tell.
    "$superset" fab create-admin --username admin --firstname Admin --lastname Admin --email admin@localhost --password "$(cat "$home/admin_password")" || true
    "$superset" init
    # The shipped files name no machine: the place of the published file is put in while they are loaded.
    "$home/venv/bin/python" "$here/load.py" "$published"
}

serve() {
    echo "http://127.0.0.1:$port/superset/dashboard/value-in-motion/   user admin, password in $home/admin_password"
    exec "$superset" run --host 127.0.0.1 --port "$port" --with-threads
}

case "${1:-all}" in
    install) install ;;
    load) load ;;
    serve) serve ;;
    all) install && load && serve ;;
    *) echo "usage: superset.sh [install|load|serve|all]"; exit 2 ;;
esac
