.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
NAME ?= main
SIZE ?= small
WORKERS ?= 2

.PHONY: help setup run test test-long check fix lint types bench openapi docs audit lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# The stamp lets every target say `setup` at no cost once it is done.
setup: $(VENV)/.ready  ## install everything into .venv, from the lock

$(VENV)/.ready: requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	-@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib # once here, not in each of many processes
	@touch $@

.uv/bin/uv:
	@echo "uv is missing: installing it into .uv"
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv

run: setup  ## start everything with demo data; Ctrl-C stops it
	@exec $(BIN)/outlay up --demo

test: setup  ## the whole suite, in parallel
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-long: setup  ## the suite with the fuzz and fault runs at full size
	OUTLAY_TEST_PROFILE=long $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --timeout 3600

check: lint types docs-check  ## everything that must be green; changes no file

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint dbt/models dbt/tests

types: setup  ## mypy, strict
	$(BIN)/mypy

fix: setup  ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --quiet dbt/models dbt/tests

bench: setup  ## make bench NAME=main|… SIZE=small|full
	$(BIN)/python -m bench.$(NAME) --size $(SIZE)

openapi: setup  ## write docs/openapi.json
	$(BIN)/python -m api.openapi > docs/openapi.json

docs: openapi  ## write the generated pages and the answers in the README
	$(BIN)/python -m orchestration.dataset_page
	$(BIN)/python -m tests.readme

docs-check: setup
	@$(BIN)/python -m orchestration.dataset_page --check
	@$(BIN)/python -m api.openapi | diff -u docs/openapi.json - \
		|| { echo "docs/openapi.json is stale: run 'make openapi'"; exit 1; }

audit: setup  ## known vulnerabilities of the locked packages; needs an index
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

lock: | $(UV)  ## resolve the dependencies anew
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--group dev pyproject.toml -o requirements.lock

clean:  ## remove what can be made again; keeps var/
	rm -rf $(VENV) .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
