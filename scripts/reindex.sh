#!/usr/bin/env bash
# Bring an index up to date with folders of reports, for cron: one look by kb watch, its line kept in a log.
#
#   scripts/reindex.sh ~/reports --gate gold.jsonl --digest md -o digest.md
#   0 3 * * *  /srv/kb/scripts/reindex.sh /srv/reports     # at three each night
#
# Takes what kb watch takes. KB_INDEX names the index, else index/ beside scripts/; KB_LOG the log, else reindex.log in
# the index. The line of the run goes to the log and to standard output, messages to standard error. Exit status: 0
# done, 1 a file could not be read, a figure fell or another run is under way, 2 wrong usage.
set -euo pipefail

home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export KB_INDEX="${KB_INDEX:-$home/index}"
log="${KB_LOG:-$KB_INDEX/reindex.log}"
kb="$home/.venv/bin/kb"
[ -x "$kb" ] || kb=$(command -v kb) || { echo "reindex.sh: no kb in $home/.venv; run make setup there" >&2; exit 1; }

status=0
line=$("$kb" watch --once "$@") || status=$?
if [ -n "$line" ]; then
    printf '%s\n' "$line"
    if [ -d "$(dirname -- "$log")" ]; then printf '%s\n' "$line" | tail -n 1 >> "$log"; fi
fi
exit "$status"
