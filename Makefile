PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PIP := python -m pip install --quiet --disable-pip-version-check
UV := uv pip compile --universal --generate-hashes --python-version 3.11 --no-header
# With CPU=1 these are left out, and torch's builds for the CPU (version+cpu) come from an index that
# pip knows, by PIP_EXTRA_INDEX_URL or its configuration; their checksums are not in the lock.
GPU := torch|torchvision|triton|cuda-.*|nvidia-(cu.*|nc.*|nv.*)

.PHONY: help repro test test-all lint docs lock viewer-assets clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | \
		while IFS="	" read -r target what; do printf '  make %-13s %s\n' "$$target" "$$what"; done

repro: .venv/installed  ## set up, run the pipeline, print the metrics
	@thorax doctor
	@THORAX_SUMMARY_FOLLOWS=1 dvc repro
	@thorax summary

test: .venv/tools  ## set up, pass the tests (minutes)
	python -m pytest -m "not slow" -n 2

test-all: .venv/tools  ## the slow tests as well
	python -m pytest -n 2

lint: .venv/tools  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

docs: .venv/tools reports/report.html  ## the documentation site, into site/; a broken link fails
	python -m sphinx --nitpicky --fail-on-warning --keep-going --quiet -c docs -d site/.doctrees . site/html

reports/report.html:
	@$(MAKE) --no-print-directory repro

lock:  ## resolve both lock files anew from pyproject.toml (needs uv)
	$(UV) --extra train --group install -o requirements.lock pyproject.toml
	$(UV) --group dev -c requirements.lock -o requirements-dev.lock

viewer-assets:  ## fetch the libraries of viewer.html anew, in the versions of assets.json (needs npm)
	$(PYTHON) .ci/viewer_assets.py

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thorax needs Python 3.11 or newer, this is " + sys.version)'
	@echo "Installing into .venv (a few minutes, once)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
ifdef CPU
	@awk -F == '/^[^ #]/ { keep = $$1 !~ /^($(GPU))$$/ } keep' requirements.lock > .venv/cpu.lock
	@$(PIP) --no-deps --require-hashes -r .venv/cpu.lock
	@$(PIP) --no-deps $$(sed -nE 's/^(torch|torchvision)==([^ ]+).*/\1==\2+cpu/p' requirements.lock)
else
	@$(PIP) --require-hashes -r requirements.lock
endif
	@$(PIP) --no-deps --no-build-isolation --editable .
	@test -e .git || dvc config --local core.no_scm true
	@touch .venv/installed

.venv/tools: .venv/installed requirements-dev.lock
	@$(PIP) --no-deps --require-hashes -r requirements-dev.lock
	@touch .venv/tools

clean:  ## remove .venv and the tools' caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
