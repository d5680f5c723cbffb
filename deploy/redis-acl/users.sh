#!/bin/sh
# Prints the commands that make a Redis user of each role, for redis-cli; passwords go in as their SHA-256.
#   deploy/redis-acl/users.sh consumer=FILE reader=FILE collector=FILE operator=FILE | redis-cli
#   deploy/redis-acl/users.sh cluster consumer=FILE …     for each node of a Redis Cluster
#   deploy/redis-acl/users.sh sentinel=FILE               for each Sentinel
# FILE has the password on its one line, as RANKER_REDIS_PASSWORD_FILE takes it.
set -eu
rules=$(dirname "$0")

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

[ $# -gt 0 ] || fail "usage: deploy/redis-acl/users.sh [cluster] ROLE=PASSWORD_FILE …"
more=
if [ "$1" = cluster ]; then
    more=$rules/cluster.acl
    shift
fi
for pair; do
    role=${pair%%=*} file=${pair#*=}
    [ "$role" != "$pair" ] && [ "$role" != cluster ] && [ -f "$rules/$role.acl" ] ||
        fail "$role is no role; name one of consumer, reader, collector, operator, sentinel, each with =PASSWORD_FILE"
    [ -s "$file" ] || fail "$role: its password file is not there, or empty"
    # shellcheck disable=SC2086  # $more is a path or nothing
    printf 'ACL SETUSER %s reset on #%s %s\n' "$role" "$(tr -d '\r\n' <"$file" | sha256sum | cut -d' ' -f1)" \
        "$(sed 's/#.*//' "$rules/$role.acl" ${more:+"$more"} | tr -s '\n' ' ')"
done
