#!/bin/sh
# Makes the passwords that compose.yaml wants as files, in deploy/secrets or the folder that is named; what is there stays.
#   deploy/secrets.sh [FOLDER]
# Only you may enter the folder. In it files are readable, because containers see them under another user.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
password() {
    [ -s "$folder/$1" ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/$1"
    chmod 444 "$folder/$1"
}
for role in admin consumer reader collector operator; do password "redis-$role"; done
password grafana-admin
# Lines such as demo=SECRET, for servers that send events and for readers of counts that are hidden; without any there are none.
for sites in write-keys read-tokens; do
    [ -e "$folder/$sites" ] || : >"$folder/$sites"
    chmod 444 "$folder/$sites"
done
