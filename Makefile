# Everything a person or CI runs. On a bare Debian with git, make and python3 each target first installs what it lacks.
PYTHON ?= python3
ARGS ?=
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

BIN := .venv/bin
OBJECTS := $(addprefix tcpwatch/kernel/objects/tcpwatch.bpf,el.o eb.o)
# What is in .venv: LIVE what tcpwatch runs with, DEV also what checks it
LIVE := .venv/.ready-live
DEV := .venv/.ready-dev
comma := ,
# Root's byte code must not end up in a tree that belongs to somebody else
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env=CI$(comma)NO_COLOR$(comma)COLORTERM env PYTHONDONTWRITEBYTECODE=1)

.PHONY: help live demo setup test test-kernels check bench dashboards clean packages venv-packages test-packages bench-packages kernel-packages

help: ## list these targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

live: setup ## watch this machine: installs what is missing, then opens the terminal UI (ARGS="state established")
	@$(AS_ROOT) $(BIN)/tcpwatch live $(ARGS)

demo: $(LIVE) ## replay a recording of real trouble: no root, no kernel of its own needed
	@$(BIN)/tcpwatch replay docs/demo/demo.tcpw $(ARGS)

setup: packages $(OBJECTS) $(LIVE) ## system packages, BPF objects and .venv, without running anything

test: test-packages $(OBJECTS) $(DEV) ## run every test, as root for the kernel's (ARGS="tests/tracker -k reset")
	@$(AS_ROOT) $(BIN)/python -m pytest -p no:cacheprovider $(ARGS)

test-kernels: kernel-packages $(OBJECTS) $(DEV) ## boot other kernels and test there (ARGS="--kernels 5.10 newest")
	@$(BIN)/python -m tests.kernels $(ARGS)

check: packages $(OBJECTS) $(DEV) ## format, lint, types, import layers
	@echo "check: format"; $(BIN)/ruff format --check .
	@echo "check: lint"; $(BIN)/ruff check .
	@echo "check: types"; $(BIN)/mypy
	@echo "check: import layers"; $(BIN)/lint-imports

bench: bench-packages $(OBJECTS) $(DEV) ## measure what watching costs (docs/bench.md)
	@$(AS_ROOT) $(BIN)/python -m bench $(ARGS)

dashboards: $(LIVE) ## write dashboards/grafana/ anew from its source (docs/dashboards.md)
	@$(BIN)/python -m dashboards.source

clean: ## remove what was built here: .venv, objects, caches; system packages stay
	rm -rf .venv dist $(firstword $(dir $(OBJECTS))) .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@setup/packages $(PYTHON) live

venv-packages:
	@setup/packages $(PYTHON)

test-packages:
	@setup/packages $(PYTHON) tests

bench-packages:
	@setup/packages $(PYTHON) bench

kernel-packages:
	@setup/packages $(PYTHON) kernels

$(OBJECTS) &: $(wildcard bpf/*.[ch]) bpf/build.py | packages
	@echo "setup: compiling the BPF programs"
	@$(PYTHON) bpf/build.py

# pip comes last into a new .venv, so its presence means that the rest is there
$(BIN)/pip: | venv-packages
	@echo "setup: creating .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear .venv

$(LIVE): EXTRA :=
$(DEV): EXTRA := [dev]
$(LIVE) $(DEV): pyproject.toml hatch_build.py | $(BIN)/pip
	@echo "setup: installing tcpwatch$(EXTRA) into .venv (pip, needs the network)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.$(EXTRA)' || { \
		echo "setup: pip could not install the packages of pyproject.toml; its reason is above." >&2; \
		echo "setup: without a network, or with an index that does not answer, it cannot work." >&2; exit 1; }
	@$(BIN)/python -m compileall -q tcpwatch # root, who runs it, writes no byte code into the tree
	@touch $(LIVE) $@
