# Tuneyard's commands. `make help` lists them.
# Everything is installed into .venv, in the exact versions of requirements.lock; nothing outside this folder changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV_PIN = $(shell sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock)
# One more than two cores: tests wait for real processes now and then.
PYTEST_WORKERS ?= 3

export UV_NO_PROGRESS := 1
# Empty: Python keeps the bytecode of what it imports, whatever the environment says; processes start in half the time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo up down status test lint format types imports docs check-docs browser tests chaos bench lock clean

help:  ## List the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## Install into .venv what requirements.lock names.

# The stamp is written last: an interrupted install is done again.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV_PIN)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: install  ## Walk the whole loop on the embedded stack, print one table, stop everything.
	@$(BIN)/python -m api.demo

up: install  ## Start the stack and keep it in the foreground (Ctrl-C stops it).
	@$(BIN)/tuneyard up

down: install  ## Stop a stack that runs in the background or in another terminal.
	@$(BIN)/tuneyard down

status: install  ## Show every part of the stack, its pid and its health.
	@$(BIN)/tuneyard status

test: lint types imports check-docs tests  ## Check everything: style, types, import rules, generated documents, tests.

lint: install  ## Check style and formatting.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: install  ## Format the code and fix what can be fixed.
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: install  ## Check types.
	@$(BIN)/mypy

imports: install  ## Check who may import whom.
	@$(BIN)/lint-imports --no-cache

docs: install  ## Generate the references in docs/ from the code.
	@$(BIN)/python -m api.reference

check-docs: install  ## Check that the generated references are up to date.
	@$(BIN)/python -m api.reference --check

browser: install  ## Install the browser of the tests (Debian's chromium), where root and apt-get are there.
	@$(BIN)/python -m tests.support.chromium

tests: install browser  ## Run the test suite on real embedded servers.
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

chaos: install  ## Let 10,000 fine-tunes meet crashes and faults (the suite has 2,000): none is paid for twice.
	@CHAOS_SEEDS=10000 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --timeout 3600 tests/shared/llm/test_lifecycle_chaos.py

bench: install  ## Measure speed as ratios to the bare paths (minutes; not a test).
	@$(BIN)/python -m tests.bench

lock: install  ## Resolve the newest allowed versions into requirements.lock (it names no package host).
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
		--quiet --output-file requirements.lock

clean:  ## Remove the environment and the caches; the data in .tuneyard stays.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
