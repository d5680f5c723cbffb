#!/bin/sh
# Gives each unit a user of its own at Redis or Kafka, and its password as a credential: from a file in
# /etc/ranker/credentials that only root may read, to a place in memory that only the unit sees.
#   deploy/systemd/credentials.sh redis|kafka [FOLDER]
# FOLDER is that of the units (/etc/systemd/system). Redis has the users of redis-acl/users.sh, with passwords in
# redis-consumer, redis-reader …; Kafka has ranker-consume, ranker-collect …, in kafka-ranker-consume … Then
# systemctl daemon-reload. Units take a new password when they are restarted.
set -eu
case ${1:-} in
redis)
    variable=RANKER_REDIS
    units="ranker-consume@=consumer ranker-serve=reader ranker-collect=collector ranker-verify=operator ranker-freeze=operator"
    ;;
kafka)
    variable=RANKER_KAFKA
    units="ranker-consume@=ranker-consume ranker-collect=ranker-collect ranker-replay@=ranker-collect
        ranker-verify=ranker-operate ranker-freeze=ranker-freeze"
    ;;
*)
    echo "usage: deploy/systemd/credentials.sh redis|kafka [FOLDER]" >&2
    exit 2
    ;;
esac
for pair in $units; do
    place=${2:-/etc/systemd/system}/${pair%=*}.service.d
    mkdir -p "$place"
    cat >"$place/$1.conf" <<END
[Service]
Environment=${variable}_USERNAME=${pair#*=} ${variable}_PASSWORD_FILE=%d/$1-password
LoadCredential=$1-password:/etc/ranker/credentials/$1-${pair#*=}
END
done
