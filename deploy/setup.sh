#!/bin/sh
# Makes .venv with what `make run` (setup.sh run) or the tests (setup.sh dev) need, from the hashed requirement files.
# A second call finds its stamp and does nothing: no network, a tenth of a second.
set -eu
cd "$(dirname "$0")/.."

level=${1:?"usage: deploy/setup.sh run|dev"}
venv=.venv
stamp=$venv/installed

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# What is installed depends on these, and a virtual environment holds the path it was made in.
key="$(cat requirements/run.txt requirements/dev.txt pyproject.toml ranker/service/version.py deploy/setup.sh | cksum) $(pwd)"
if [ -x $venv/bin/python ] && [ -f $stamp ] && $venv/bin/python -c '' 2>/dev/null; then
    # dev.txt holds all of run.txt.
    case "$(cat $stamp)" in
        "$level $key" | "dev $key") exit 0 ;;
    esac
fi

fit() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && fit "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo "no python3")
    fail "Python 3.11 or newer is needed; this machine has $found." \
        "Install it (Debian: apt-get install python3 python3-venv), or name yours: make setup PYTHON=/path/to/python3"
fi

if ! [ -x $venv/bin/python ] || ! fit $venv/bin/python || ! $venv/bin/python -m pip --version >/dev/null 2>&1 ||
    [ "$(cat $venv/place 2>/dev/null)" != "$(pwd)" ]; then
    # Debian takes venv's pip (ensurepip) out of python3 and into a package of its own.
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$python cannot make virtual environments: its module venv or ensurepip is missing." \
            "Install it (Debian: apt-get install python$version-venv) and run this again."
    fi
    echo "Setting up: a virtual environment in $venv, with $("$python" --version)"
    rm -rf $venv
    "$python" -m venv $venv || fail "$python could not make a virtual environment in $(pwd)/$venv; see above."
    pwd >$venv/place
fi

echo "Setting up: installing $(grep -c '==' "requirements/$level.txt") packages from requirements/$level.txt"
rm -f $stamp
pip="$venv/bin/python -m pip --disable-pip-version-check --no-input -q"
$pip install --require-hashes -r "requirements/$level.txt" ||
    fail "The packages could not be installed; see above. The first time needs a network."
# What the build needs is installed by now: nothing more is fetched.
if ! $pip install --no-deps --no-build-isolation -e . >$venv/build.log 2>&1; then
    tail -n 20 $venv/build.log >&2
    fail "The project itself could not be installed; see above."
fi
echo "$level $key" >$stamp
