# Everything works in .venv, made here from a Python 3.11 or newer; nothing outside this directory is changed, except that
# `make test` as root installs the Debian packages its tests need. What is downloaded comes from PyPI (and Debian) alone.

API_CASES ?= 20000
STATE ?= $(or $(DLMS_BRIDGE_STATE),state)
PYTHON ?=
FUZZ_INPUTS ?= 200000
FUZZ_SECONDS ?= 120
FUZZ_RESULT ?=
CHAOS_MINUTES ?=
LOAD_MINUTES ?= 10
CHAOS_ROWS ?=
CHAOS_RESULT ?=
SOAK_METERS ?= 200
SOAK_MINUTES ?= 30
SOAK_INTERVAL ?= 10
SOAK_RESULT ?=
VENV := .venv
BIN := $(VENV)/bin
CODE := common poller publisher supervisor_qos admin_api
PYTEST := $(BIN)/python -m pytest
CANDIDATES := $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3

# A program that tests need, and the Debian package that has it.
DEBIAN := mosquitto=mosquitto fiu-ctrl=fiu-utils nft=nftables mkfs.ext4=e2fsprogs mount=mount ip=iproute2 \
	prometheus=prometheus promtool=prometheus pg_ctlcluster=postgresql-15

# What has nothing but itself keeps two processors busy, in any order. What starts processes of its own mostly waits: three at a
# time, file by file. The matrix measures how long things take: alone.
ALONE := tests/unit tests/properties tests/vectors tests/fuzz tests/house
TOGETHER := tests/integration tests/faults tests/system

.PHONY: prometheus run test check lint packages system bench bench-dlms load fuzz api-cases chaos soak meters clean help
.DEFAULT_GOAL := help

help:
	@echo "make run      live readings of three simulated meters at a broker of its own; Ctrl-C stops all of it (STATE)"
	@echo "make test     the gate and every test; as root it installs the Debian packages that the tests need"
	@echo "make check    the fast gate: ruff, mypy, import contracts, unit, property and house tests"
	@echo "make system   the tests of the whole product under supervisord, with kills"
	@echo "make bench    the numbers: latency, CPU and memory of this machine, and how fast a backlog drains, what the history costs"
	@echo "make meters   docs/METERS.md, from the catalogue of meter models"
	@echo "make prometheus  the dashboards and the tests of the alert rules, from their tables"
	@echo "make bench-dlms  what reading ten registers costs: our protocol core, other DLMS clients, a plain socket"
	@echo "make load     fifty requests a second and twenty streams at the API for ten minutes, beside a hundred meters (LOAD_MINUTES)"
	@echo "make fuzz     hostile octets into everything that takes octets from a meter (FUZZ_INPUTS, FUZZ_SECONDS)"
	@echo "make api-cases  twenty thousand requests made from the OpenAPI document, at the API of a live product (API_CASES)"
	@echo "make chaos    faults against the real product, one table; CHAOS_MINUTES=60 is the long form (CHAOS_ROWS, CHAOS_RESULT)"
	@echo "make soak     200 meters for half an hour and no faults: what grows, what restarts (SOAK_METERS, SOAK_MINUTES)"
	@echo "make clean    removes .venv and caches; the state directory stays"

run: $(VENV)/.run
	@exec $(BIN)/meterctl run --embedded --state $(STATE)

# All parts are run, so that one look shows everything.
test: $(VENV)/.test packages lint
	@failed=0; \
	$(PYTEST) --hypothesis-profile=long -n 2 --dist loadscope $(ALONE) || failed=1; \
	$(PYTEST) --hypothesis-profile=long -n 3 --dist loadfile $(TOGETHER) || failed=1; \
	$(PYTEST) --hypothesis-profile=long $(addprefix --ignore=,$(ALONE) $(TOGETHER)) || failed=1; \
	exit $$failed

check: $(VENV)/.test lint
	$(PYTEST) tests/unit tests/properties tests/house -m "not slow"

system: $(VENV)/.test
	$(PYTEST) tests/faults tests/system

meters: $(VENV)/.test
	$(BIN)/python -m tests.house.meters > docs/METERS.md.new && mv docs/METERS.md.new docs/METERS.md

# Dashboards and the tests of the alert rules, from their tables.
prometheus: $(VENV)/.test
	$(BIN)/python -m tests.house.dashboards
	$(BIN)/python -m tests.house.rule_cases > deploy/prometheus/rules.test.yml.new && \
		mv deploy/prometheus/rules.test.yml.new deploy/prometheus/rules.test.yml

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.drain
	$(BIN)/python -m tests.bench.away
	$(BIN)/python -m tests.bench.metrics_page
	$(BIN)/python -m tests.bench.history

bench-dlms: $(VENV)/.test
	$(BIN)/python -m tests.bench.dlms

load: $(VENV)/.test packages
	$(BIN)/python -m tests.bench.api_load --minutes $(LOAD_MINUTES)

# Octets that hypothesis makes, mutants of ours, and those of a fuzzer that follows the branches it reaches.
fuzz: $(VENV)/.test
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[fuzz]' || \
		echo "atheris cannot be installed here: no coverage-guided fuzzing" >&2
	$(PYTEST) tests/properties/test_dlms_hostile.py --hypothesis-profile=fuzz
	$(PYTEST) tests/fuzz -m long
	$(BIN)/python -m tests.fuzz --inputs $(FUZZ_INPUTS) $(if $(FUZZ_RESULT),--result $(FUZZ_RESULT))
	$(BIN)/python -m tests.fuzz.guided --seconds $(FUZZ_SECONDS)

api-cases: $(VENV)/.test packages
	$(BIN)/python -m tests.api_cases --cases $(API_CASES)

# The short form, under eight minutes; with CHAOS_MINUTES the long one, which CHAOS_RESULT lets go on where it ended.
chaos: $(VENV)/.test packages
	$(BIN)/python -m tests.chaos $(if $(CHAOS_MINUTES),--minutes $(CHAOS_MINUTES),--short) \
		$(if $(CHAOS_ROWS),--rows $(CHAOS_ROWS)) $(if $(CHAOS_RESULT),--result $(CHAOS_RESULT) --resume)

soak: $(VENV)/.test packages
	$(BIN)/python -m tests.soak --meters $(SOAK_METERS) --minutes $(SOAK_MINUTES) --interval $(SOAK_INTERVAL) \
		$(if $(SOAK_RESULT),--result $(SOAK_RESULT))

# All four are run, so that one look shows everything.
lint: $(VENV)/.test
	@failed=0; for tool in "ruff check ." "ruff format --check ." "mypy $(CODE) tests" lint-imports; do \
		echo "$$tool"; $(BIN)/$$tool || failed=1; \
	done; exit $$failed

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) tests -name __pycache__ -prune -exec rm -rf {} +

# What the tests need from Debian. Without root it says what will be skipped; with CI set a skipped test is a failed one.
packages:
	@missing=""; for pair in $(DEBIAN); do \
		PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%=*}" >/dev/null || missing="$$missing $${pair#*=}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	else \
		echo "not installed, tests that need it are skipped:$$missing (apt-get install$$missing)" >&2; \
	fi

$(VENV)/bin/python:
	@for candidate in $(CANDIDATES); do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		found="$$candidate"; \
		"$$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "making $(VENV) with $$("$$candidate" --version)"; \
		"$$candidate" -m venv $(VENV) && exit 0; \
		rm -rf $(VENV); exit 1; \
	done; \
	if [ -n "$$found" ]; then \
		echo "$$found has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	else \
		echo "no Python 3.11 or newer was found; name one: make PYTHON=/path/to/python3" >&2; \
	fi; \
	exit 1

# The stamps are older than setup.cfg when what is to be installed has changed. The broker from PyPI is for machines
# without Mosquitto; where it cannot be installed and Mosquitto is there, nothing is missing.
$(VENV)/.run: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[broker]' || { \
		PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null && \
		$(BIN)/python -m pip install -q --disable-pip-version-check -e . ; }
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), with what the tests need"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[broker,test]'
	@touch $@ $(VENV)/.run
