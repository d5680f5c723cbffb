#!/bin/sh
# Installs what the tests run against and pip cannot bring: as root on Debian. Elsewhere it prints what to install, and the
# tests that need it are skipped with the reason (with CI=true they fail).
set -eu

missing=
need() { # command, package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need git git
need redis-server redis-server
need chromium chromium
need java default-jre-headless
need mvn maven
need promtool prometheus
need nginx nginx-light
need caddy caddy
need wrk wrk
need php php-cli
need npm npm

# Debian has no package of kustomize; kubectl has it built in.
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.5.0
if ! command -v kubectl >/dev/null 2>&1 && ! command -v kustomize >/dev/null 2>&1; then
    if ! [ "$(id -u)" = 0 ] || ! command -v go >/dev/null 2>&1; then
        echo "Neither kubectl nor kustomize is on this machine. The tests that need one are skipped. With Go: go install $kustomize"
    else
        echo "The tests need kustomize. Running: go install $kustomize"
        GOBIN=/usr/local/bin go install $kustomize || echo "go install failed; the tests that need kustomize are skipped."
    fi
fi

[ -n "$missing" ] || exit 0

command="apt-get install -y --no-install-recommends$missing"
if ! [ "$(id -u)" = 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not on this machine:$missing. The tests that need it are skipped. To have them run, as root: $command"
    exit 0
fi

echo "The tests need what is not on this machine. As root, running: $command"
# Debian starts the servers that it installs. Ours are started by the tests, on free ports; these are to stay down.
policy=/usr/sbin/policy-rc.d
if ! [ -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/tmp/ranker-apt.$$ 2>&1; then
    tail -n 20 /tmp/ranker-apt.$$
    echo "apt-get failed; the tests that need$missing are skipped. (With CI=true they fail.)"
fi
rm -f /tmp/ranker-apt.$$
