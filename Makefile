# Run `make help` for the list of targets.

PYTHON ?= python3
STACK ?= homelab
ARGS ?=
WORKERS ?= 2
DRILLS ?= tests/drills

MAKEFLAGS += --no-print-directory
bin := .venv/bin
locked := uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.txt

.PHONY: help setup rehearse test unit drills bench check lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: .venv/locked ## install the locked Python packages of requirements.txt into .venv; needs Python 3.11 or newer
	@:

.venv/locked: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "homelab needs Python 3.11 or newer, but $(PYTHON) is older: run make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: sudo apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing the packages of requirements.txt into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(bin)/pip --disable-pip-version-check install --quiet --require-hashes --requirement requirements.txt
	@touch $@

rehearse: setup ## rehearse the lab of STACK (default: homelab) on simulated machines; needs Linux and root
	@./homelab rehearse up --stack $(STACK) $(ARGS)

test: unit ## run all tests; lists the skipped tests at the end
	@$(bin)/python -m pytest tests/rehearsal $(ARGS)

unit: setup ## run the tests without simulated machines, in WORKERS (default: 2) processes
	@$(bin)/python -m pytest --ignore=tests/rehearsal --numprocesses $(WORKERS) $(ARGS)

drills: setup ## run the drills: failures and restores of machines; prints a table of the results
	@$(bin)/python -m pytest -m drill $(DRILLS) $(ARGS)

bench: setup ## run the benchmarks; needs Linux and root
	@$(bin)/python -m bench $(ARGS)

check: setup ## run only the static checks: ruff, mypy, shellcheck
	@$(bin)/python -m pytest tests/unit/project/test_static.py $(ARGS)

lock: ## lock the dependencies of pyproject.toml in requirements.txt; ARGS=--upgrade updates them
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
		"$$tools/bin/pip" --disable-pip-version-check install --quiet uv && "$$tools/bin/"$(locked) $(ARGS)

clean: ## delete the generated files of this folder; files of rehearsals stay in ~/.cache/homelab
	@rm -rf .venv .charts .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
