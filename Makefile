# The one entry to everything. `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8088
# Further arguments of the command a target runs: make test ARGS='-k lease', make drill ARGS='--help'.
ARGS ?=
# How many processes run the tests; 0 for one that shows everything as it happens.
WORKERS ?= auto
SEEDS ?= 3000
EXAMPLES ?= 10000
MINUTES ?= 10
ROUNDS ?= 50
LOAD ?= chats
# A server that runs, for `make bench-compare`.
BASE ?=
# The resolver, needed by `make lock` alone.
UV := uv==0.13.9

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := src tests scripts $(wildcard benchmarks)
COMPILE := $(BIN)/uv pip compile --no-config --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --quiet $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-dev run test check format lint types layers wheel-test bench bench-compare profile build drill simulate mutants soak fuzz docs lock clean

help: ## This list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv with what the server needs (quick when nothing changed)

install-dev: $(VENV)/.installed-dev

run: install ## Start the server on HOST and PORT (127.0.0.1:8088); the first start makes a home
	@exec $(BIN)/copaw app --host $(HOST) --port $(PORT) $(ARGS)

test: install-dev ## Run the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: format lint types layers test ## Everything that must hold: format, lint, types, layers, tests with the docs

format: install-dev
	$(BIN)/ruff format --check $(SOURCES)

lint: install-dev
	$(BIN)/ruff check $(SOURCES)

types: install-dev
	$(BIN)/mypy

layers: install-dev
	$(BIN)/lint-imports --config .importlinter

wheel-test: install-dev ## Install the built wheel into an empty environment and start it (about a minute)
	$(BIN)/python -m pytest -m wheel tests/repo

bench: install-dev ## Run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

bench-compare: install-dev ## Measure the server at BASE, of whatever make, beside the bare framework
	@test -n "$(BASE)" || { echo "Error: say which server: make bench-compare BASE=http://127.0.0.1:8088" >&2; exit 2; }
	$(BIN)/python -m benchmarks --compare "$(BASE)" $(ARGS)

profile: install-dev ## Where the time of a busy server goes; LOAD=chats, tokens, tasks or reloads
	$(BIN)/python -m benchmarks.profile $(LOAD) --gil $(ARGS)

build: install-dev ## Make the wheel and the source distribution in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

drill: install ## Change settings under running work on a server of its own, and see that nothing is lost
	@exec $(BIN)/copaw drill $(ARGS)

simulate: install-dev ## Many random lives of agents on virtual time; SEEDS=100000 for a night
	@$(BIN)/python scripts/simulate.py --seeds $(SEEDS) $(ARGS)

mutants: install-dev ## See that the tests notice known faults
	@$(BIN)/python -m tests.mutants $(ARGS)

fuzz: install-dev ## Requests made from the interface description, EXAMPLES of them, and damaged files
	@$(BIN)/python -m pytest -s tests/fuzz --fuzz-examples $(EXAMPLES) $(ARGS)

soak: install-dev ## Reloads under load for MINUTES, then ROUNDS of killed servers; ARGS=--quick for the corners
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(ARGS)
	@$(BIN)/python -m benchmarks.crashes --rounds $(ROUNDS)

docs: install-dev ## Write docs/cli.md anew from the commands
	$(BIN)/python scripts/gen_cli_docs.py

lock: install-dev ## Renew both lock files; UPGRADE=1 takes the newest versions allowed
	$(PIP) install --quiet '$(UV)'
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --group dev --output-file requirements-dev.lock pyproject.toml
	@! grep -nE '://|^-|^[^ #]* @ ' requirements.lock requirements-dev.lock \
		|| { echo "Error: the lines above tie a lock file to one machine or index." >&2; exit 1; }

clean: ## Remove .venv and everything built or cached
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
		echo "Error: copaw needs Python 3.11, 3.12 or 3.13; $(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
		echo "       Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Error: no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml $(VENV)/.made
	@echo "Installing into $(VENV); the first time takes a minute or two."
	$(PIP) install -qq --require-hashes -r requirements.lock
	$(PIP) install -qq --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock requirements.lock pyproject.toml $(VENV)/.made
	@echo "Installing into $(VENV); the first time takes a minute or two."
	$(PIP) install -qq --require-hashes -r requirements-dev.lock
	$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.installed $@
