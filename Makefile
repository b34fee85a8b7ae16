# What there is to do here: `make help`.

PYTHON ?= python3
STACK ?= homelab
ARGS ?=
WORKERS ?= 2

MAKEFLAGS += --no-print-directory
bin := .venv/bin
locked := uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.txt

.PHONY: help setup rehearse test unit drills bench check lock clean

help: ## say what there is to do
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: .venv/locked ## make .venv with what requirements.txt locks; needs Python 3.11 or newer
	@:

.venv/locked: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "homelab needs Python 3.11 or newer, and $(PYTHON) is not: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv: install it (Debian, Ubuntu: sudo apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing what requirements.txt locks into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(bin)/pip --disable-pip-version-check install --quiet --require-hashes --requirement requirements.txt
	@touch $@

rehearse: setup ## run STACK (homelab) on machines simulated here; needs Linux and root
	@./homelab rehearse up --stack $(STACK) $(ARGS)

test: unit ## run every check there is; what cannot run here is said at the end
	@$(bin)/python -m pytest tests/rehearsal $(ARGS)

unit: setup ## run those that simulate no machine, WORKERS (2) at once
	@$(bin)/python -m pytest --ignore=tests/rehearsal --numprocesses $(WORKERS) $(ARGS)

drills: setup ## run the drills: machines lost, cut off, restored; a table with a figure of each
	@$(bin)/python -m pytest -m drill tests/drills $(ARGS)

bench: setup ## measure, beside a script by hand and an empty Pulumi program; needs Linux and root
	@$(bin)/python -m bench $(ARGS)

check: setup ## run the static checks only: ruff, mypy, shellcheck
	@$(bin)/python -m pytest tests/test_static.py $(ARGS)

lock: ## lock what pyproject.toml asks for in requirements.txt; ARGS=--upgrade takes what is newer
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
		"$$tools/bin/pip" --disable-pip-version-check install --quiet uv && "$$tools/bin/"$(locked) $(ARGS)

clean: ## remove what was made here; what rehearsals keep is in ~/.cache/homelab
	@rm -rf .venv .charts .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
