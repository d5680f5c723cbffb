#!/bin/sh
# Prints the commands that make a Redis user of each role, for redis-cli; passwords go in as their SHA-256.
#   deploy/redis-acl/users.sh consumer=FILE reader=FILE collector=FILE operator=FILE | redis-cli
#   deploy/redis-acl/users.sh cluster consumer=FILE …     for each node of a Redis Cluster
#   deploy/redis-acl/users.sh sentinel=FILE               for each Sentinel
# FILE has the password on its one line, as RANKER_REDIS_PASSWORD_FILE takes it.
set -eu
rules=$(dirname "$0")
newline='
'
return=$(printf '\r')

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
commands=
for pair; do
    role=${pair%%=*} file=${pair#*=}
    [ "$role" != "$pair" ] && [ "$role" != cluster ] && [ -f "$rules/$role.acl" ] ||
        fail "$role is no role; name one of consumer, reader, collector, operator, sentinel, each with =PASSWORD_FILE"
    [ -f "$file" ] && [ -r "$file" ] || fail "$role: its password file is not there, is no file, or may not be read"
    password=$(cat "$file") # without the ends of its last line
    while [ "$password" != "${password%[$return$newline]}" ]; do password=${password%[$return$newline]}; done
    case $password in
    "" | *"$newline"*) fail "$role: its password file has no line, or several; write the password on one line" ;;
    esac
    hash=$(printf %s "$password" | sha256sum | cut -d' ' -f1)
    # shellcheck disable=SC2086  # $more is a path or nothing
    rights=$(sed 's/#.*//' "$rules/$role.acl" ${more:+"$more"} | tr -s '\n' ' ')
    commands="${commands}ACL SETUSER $role reset on #$hash $rights$newline"
done
# All at the end: redis-cli would run the commands of the first pairs if another fails.
printf %s "$commands"
