#!/bin/sh
# Prints the rules of deploy/prometheus as a PrometheusRule, so that there is no second copy of them:
#   deploy/kubernetes/rules.sh | kubectl apply -f -
set -eu
cd "$(dirname "$0")/../prometheus"
cat <<END
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ranker
  namespace: popularity-ranker
spec:
  groups:
END
# Of each file what is below its only key, "groups:", deeper by two.
for file in *.rules.yml; do
    sed '1,/^groups:/d; s/^/  /' "$file"
done
