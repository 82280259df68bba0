PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help repro test test-all lint lock clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | \
		while IFS="	" read -r target what; do printf '  make %-9s %s\n' "$$target" "$$what"; done

repro: .venv/installed  ## set up, run the pipeline, print the metrics
	@thorax doctor
	@dvc repro
	@thorax summary

test: .venv/installed  ## set up, pass the tests (minutes)
	python -m pytest -m "not slow" -n 2

test-all: .venv/installed  ## the slow tests as well
	python -m pytest -n 2

lint: .venv/installed  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

lock:  ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --extra dev --no-header \
		-o requirements.lock pyproject.toml

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thorax needs Python 3.11 or newer, this is " + sys.version)'
	@echo "Installing into .venv (a few minutes, once)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@test -e .git || dvc config --local core.no_scm true
	@touch .venv/installed

clean:  ## remove .venv and the tools' caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
