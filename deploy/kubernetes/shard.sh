#!/bin/sh
# What a pod of the indexed Job does: its part of the list, or, as the last of them, one report of
# all parts.
#
#   JOB_COMPLETION_INDEX   Kubernetes' own: from 0
#   JOB_NAME               the Job's name, under which the reports of this run stand
#   SHARDS                 how many parts there are; the Job has one completion more
#   MERGE_AFTER            seconds after which a part that left no report is lost
set -eu
settings=${SETTINGS:-/etc/syncer}
state=${STATE:-/var/lib/syncer}
reports=$state/reports/$JOB_NAME
number=$((JOB_COMPLETION_INDEX + 1))
mkdir -p "$reports"
set -- "--config=$settings/config.env" "--file=$settings/images.txt"

if [ "$number" -le "$SHARDS" ]; then
    STATE_DIR=$state/shard-$number exec syncer batch "$@" \
        "--shard=$number/$SHARDS" "--report=$reports/$number.json" --no-notify
fi

there() {
    find "$reports" -name '[0-9]*.json' | wc -l
}
waited=0
while [ "$(there)" -lt "$SHARDS" ] && [ "$waited" -lt "$MERGE_AFTER" ]; do
    sleep "${PAUSE:-10}"
    waited=$((waited + ${PAUSE:-10}))
done
set -- "$@" "--shards=$SHARDS" "--report=$reports/merged" --
for report in "$reports"/[0-9]*.json; do
    [ ! -e "$report" ] || set -- "$@" "$report"
done
STATE_DIR=$state/merge exec syncer merge "$@"
