#!/bin/sh
# Prints the rules of deploy/prometheus for the Prometheus Operator, so that there is no second copy of them:
#   deploy/kubernetes/rules.sh | kubectl apply -f -
set -eu
cd "$(dirname "$0")/../prometheus"
for file in *.rules.yml; do
    cat <<END
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ranker-${file%.rules.yml}
  namespace: popularity-ranker
spec:
END
    sed 's/^/  /' "$file"
done
