.DEFAULT_GOAL := help
.PHONY: help setup run kernel test test-long test-secured check fuzz bench requirements wheel sbom licences audit clean

# What the tests look at; make test TESTS=tests/unit runs less. A module's tests stay together; most of them wait more
# than they compute, so three processes share two cores well.
TESTS ?= tests
WORKERS ?= 3
python := .venv/bin/python

help:
	@echo "make run      the whole engine on this machine, with demonstration traffic; Ctrl-C ends it"
	@echo "                KAFKA=embedded|apache   which broker (default: embedded)"
	@echo "                PORT=8080               where the page is"
	@echo "                TRAFFIC=0               no demonstration traffic"
	@echo "                LOG=file PATTERN=regex  your own access log instead, or PATTERN=query:NAME (SITE=name: default demo)"
	@echo "                RANKER_KAFKA_BOOTSTRAP, RANKER_REDIS_URL: servers of yours instead of our own"
	@echo "make kernel   the compiled fold, several times as fast; needs cargo. Without it everything works, slower"
	@echo "make test     sets up what the tests need, checks, runs the tests of every change (TESTS=tests/unit: these alone)"
	@echo "make test-long what need not run for every change: Valkey, Redis Cluster and the other broker for suites that"
	@echo "                one covers, all mutants, long waits, 1,000 random histories, the lowest versions allowed"
	@echo "make test-secured  the suites of consumer, collector and dead letters on Apache Kafka with TLS, logins and rights:"
	@echo "                SASL_SSL with SCRAM, then mTLS"
	@echo "make check    format, lint, types, import rules; with cargo, licences of the kernel's crates"
	@echo "make fuzz     any bytes into the kernel; needs cargo and a C++ compiler"
	@echo "                MINUTES=5               for how long (default: 5)"
	@echo "make bench    measures speed, on Apache Kafka"
	@echo "                PEERS=1                 instead: Flink, Kafka Streams, one native thread and ours, on one topic"
	@echo "make wheel    wheels and source archive of the last commit into build/dist, the same bytes on every machine;"
	@echo "                the wheel that holds the kernel needs cargo"
	@echo "make sbom     what the container image installs, as a CycloneDX bill of materials, into build/dist"
	@echo "make licences writes docs/licences.md; fails if what ships has a licence that is not allowed"
	@echo "make audit    known vulnerabilities of all pinned packages; fails too if they could not be looked up"
	@echo "                DATABASE=osv|pypi       which database (default: osv)"
	@echo "make setup    .venv with what make run needs"
	@echo "make clean    removes .venv, caches and what tests and benches wrote"

setup:
	@deploy/setup.sh run

run: setup
	@$(python) -m deploy.local

kernel:
	@deploy/kernel.sh

test:
	@deploy/setup.sh dev
	@deploy/services.sh
	@deploy/kernel.sh test
	@$(MAKE) --no-print-directory check
	@$(python) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-long:
	@deploy/setup.sh dev
	@deploy/services.sh
	@deploy/lowest.sh tests/unit tests/integration/serve tests/integration/collector/test_http*.py \
		tests/integration/collector/test_connections.py
	@deploy/kernel.sh test
	@$(python) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m long tests
	@$(python) -m tests.property --seeds 1000

# The programs under test are a user with the rights of deploy/kafka-acls.sh; what tests arrange goes by an open listener.
SECURED := tests/integration/consume tests/integration/collector $(wildcard tests/integration/operate/test_dead_letters*.py)
test-secured:
	@deploy/setup.sh dev
	@deploy/services.sh
	@for kind in sasl_ssl mtls; do \
		RANKER_TEST_KAFKA=$$kind $(python) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(SECURED) || exit 1; \
	done

check:
	@deploy/setup.sh dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(python) -m deploy.release.licences crates

MINUTES ?= 5
fuzz:
	@MINUTES=$(MINUTES) deploy/fuzz.sh

bench:
	@deploy/setup.sh dev
	@deploy/services.sh
	@$(python) -m tests.bench $(if $(PEERS),peers)

# Writes the hashed requirement files anew, with the newest versions that pyproject.toml and requirements/*.in allow.
compile := CUSTOM_COMPILE_COMMAND="make requirements" .venv/bin/pip-compile -q --upgrade --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options
requirements:
	@deploy/setup.sh dev
	$(compile) -o requirements/run.txt pyproject.toml requirements/run.in
	$(compile) -c requirements/run.txt -o requirements/dev.txt pyproject.toml requirements/run.in requirements/dev.in
	$(compile) -c requirements/run.txt -o requirements/image.txt pyproject.toml requirements/image.in

# What a release is made with, in the order of docs/releasing.md.
wheel sbom licences:
	@deploy/setup.sh dev
	@$(python) -m deploy.release.$@

DATABASE ?= osv
audit:
	@deploy/setup.sh dev
	@$(python) -m deploy.release.audit --database $(DATABASE)

clean:
	rm -rf .venv .cache build ranker/kernel/*.so ranker/kernel/Cargo.lock ranker/kernel/fuzz/Cargo.lock tests/bench/peers/native/Cargo.lock *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
