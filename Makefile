# Each target makes its own .venv from the lock file. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes
# What .env sets is seen by every target, as if it had been set in the shell.
WITH_ENV := if [ -f .env ]; then set -a; . ./.env; set +a; fi;

.DEFAULT_GOAL := help
.PHONY: help run test bench lint screenshots clean venv browser pgbouncer tesseract

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: $(VENV)/.installed ## start everything; Ctrl-C stops it (PORT=9000 make run: another port)
	@$(WITH_ENV) exec $(BIN)/python manage.py up

# Tests that kill and race real processes may lose a race on a busy machine: once more, and it is reported.
# Each worker has servers of its own, and waits for them: three keep two cores busy. A worker that has
# done its share takes half of what is left of another's.
test: $(VENV)/.installed-dev browser pgbouncer tesseract ## run every test (ARGS="tests/tenants -k keys": some of them)
	@$(BIN)/python -m pytest -n 3 --dist worksteal --reruns 1 $(ARGS)

lint: $(VENV)/.installed-dev ## check style, imports, types and migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/basedpyright
	@$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.installed-dev ## measure speed on this machine and print the table
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(VENV)/.installed-dev browser ## make the pictures in docs/images anew
	@$(BIN)/python -m benchmarks.screenshots

clean: ## remove .venv and caches; the data in .data stays
	@rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(BIN)/python

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "ragadmin needs Python 3.11 or newer; $(PYTHON) is not: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing python3-venv…"; \
			apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv >/dev/null; \
		else \
			echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)." >&2; exit 1; \
		fi; \
	fi
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(BIN)/python
	@echo "Installing what ragadmin needs (about a minute the first time)…"
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing what ragadmin and its tests need (about a minute the first time)…"
	@$(PIP) -r requirements-dev.lock
	@touch $@ $(VENV)/.installed

# A headless Chromium: the system's, or Debian's package, or Playwright's own download. The headless
# shell has no windows to draw, so it takes a third of the CPU.
browser: $(VENV)/.installed-dev
	@has() { for name in "$$@"; do command -v $$name >/dev/null && return 0; done; return 1; }; \
	get() { apt-get -qq install -y --no-remove --no-install-recommends $$1 >/dev/null 2>&1; }; \
	has chromium-headless-shell && exit 0; \
	if [ "$$(id -u)" = 0 ] && has apt-get; then \
		echo "Installing Chromium…"; \
		has chromium chromium-browser google-chrome || apt-get -qq update; \
		get chromium-headless-shell && exit 0; \
		has chromium chromium-browser google-chrome || get chromium && exit 0; \
	fi; \
	has chromium chromium-browser google-chrome || $(BIN)/python -m playwright install chromium

# The system's, or Debian's package. Without, the tests that need it fail and say so.
pgbouncer:
	@if ! PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v pgbouncer >/dev/null \
			&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing PgBouncer…"; \
		apt-get -qq update && apt-get -qq install -y --no-install-recommends pgbouncer >/dev/null || true; \
	fi

# Reads scanned documents. Without, the tests that need it fail and say so.
tesseract:
	@if ! command -v tesseract >/dev/null \
			&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Tesseract…"; \
		apt-get -qq update && apt-get -qq install -y --no-install-recommends tesseract-ocr >/dev/null || true; \
	fi
