# make repro  sets everything up and runs the pipeline on embedded data
# make test   sets everything up and passes the tests
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test test-all lint lock clean
.DEFAULT_GOAL := repro

repro: .venv/installed
	@thorax doctor
	@dvc repro
	@thorax summary

test: .venv/installed
	python -m pytest -m "not slow" -n 2

test-all: .venv/installed
	python -m pytest -n 2

lint: .venv/installed
	ruff check .
	ruff format --check .
	mypy

lock:
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

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
