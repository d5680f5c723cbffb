#!/bin/sh
# Gives a principal the rights of one role on Kafka, and none besides. Readers (`ranker serve`) need none.
#
#   deploy/kafka-acls.sh ROLE PRINCIPAL [options of kafka-acls.sh]
#
#   deploy/kafka-acls.sh consumer User:ranker-consume --bootstrap-server kafka:9093 --command-config admin.properties
#   deploy/kafka-acls.sh collector 'User:CN=collector,O=Example' --bootstrap-server kafka:9093
#   KAFKA_ACLS=echo deploy/kafka-acls.sh freezer User:ranker-freeze          shows what it would run
#
# ROLE: producer (producers replay, simulate, the Python client), collector (producers collect), importer (producers
# articles …; simulate --demo needs it beside producer), consumer (ranker consume), freezer (ranker freeze), operator
# (every other command of ranker). KAFKA_ACLS names kafka-acls.sh if it is not on PATH, RANKER_TOPIC the topic of page
# views if it is not page-views; ACTION=--remove takes the rights back. To Kafka, Read, Write and Alter include
# Describe, and AlterConfigs includes DescribeConfigs.
set -eu

[ $# -ge 2 ] || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
role=$1 principal=$2
shift 2
views=${RANKER_TOPIC:-page-views}

allow() { # "OPERATION …" "RESOURCE …" [options]
    operations= resources=$2
    for operation in $1; do operations="$operations --operation $operation"; done
    shift 2
    # shellcheck disable=SC2086  # operations and resources are several words each
    "${KAFKA_ACLS:-kafka-acls.sh}" "$@" "${ACTION:---add}" --force --allow-principal "$principal" $operations $resources
}

case $role in
producer)
    allow "Write" "--topic $views" "$@"
    ;;
collector)
    allow "Write" "--topic $views" "$@"
    allow "Read" "--topic articles" "$@"
    ;;
importer)
    allow "Read Write" "--topic articles" "$@"
    ;;
consumer)
    allow "Read" "--topic $views --topic articles --topic best-of" "$@"
    allow "Write" "--topic $views.dead" "$@"
    allow "Read" "--group ranker- --resource-pattern-type prefixed" "$@"
    ;;
freezer)
    allow "Read" "--topic $views --topic articles --topic best-of" "$@"
    allow "Write" "--topic best-of" "$@"
    allow "Write" "--transactional-id ranker-best-of" "$@"
    ;;
operator)
    allow "Read Write Create AlterConfigs" "--topic $views --topic $views.dead" "$@"
    allow "Alter" "--topic $views" "$@"
    allow "Describe Create AlterConfigs" "--topic articles --topic best-of" "$@"
    allow "Read" "--group ranker- --resource-pattern-type prefixed" "$@"
    allow "Write" "--transactional-id ranker-resend-$views" "$@"
    ;;
*)
    echo "$role is no role; it is producer, collector, importer, consumer, freezer or operator" >&2
    exit 2
    ;;
esac
