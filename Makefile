# Everything a newcomer needs; each target does its own set-up. `make help` lists them.

VENV    := .venv
PYTHON  := $(VENV)/bin/python
READY   := $(VENV)/.installed
PROMPT  ?= a red sun over purple mountains by the sea at dusk, a sailing boat on the left
# Processes that run tests; most tests wait for something most of the time.
TESTERS ?= 3
BENCH   ?= --save
SHELL   := /bin/bash
export PROMPT
export PYTHONPATH :=

.PHONY: help dev demo up test check bench chaos train judge lock clean
.DEFAULT_GOAL := help

help:  ## List every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml client/pyproject.toml
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./client
	@touch $@

dev: $(READY)  ## Make .venv and install the locked dependencies

demo: $(READY)  ## Start the stack, draw PROMPT="...", write demo.png, stop
	@$(PYTHON) -m cli.demo

up: $(READY)  ## Run the stack in the foreground: API, worker, broker, reaper, courier, Flower
	@$(VENV)/bin/safelight up

check: $(READY)  ## Lint, types, import rules, style
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(PYTHON) -m pytest -q tests/test_style.py

test: check  ## The checks, then the whole test suite with real services
	$(PYTHON) -m pytest -n $(TESTERS) --dist loadfile

bench: $(READY)  ## Figures of speed, side by side, into docs/performance.md; or BENCH="submits --rounds 2"
	$(PYTHON) -m bench $(BENCH)

chaos: $(READY)  ## Storms of kills, freezes and restarts: three seeds on both databases, ten minutes
	$(PYTHON) -m tests.faults.chaos

train: $(READY)  ## Train the model that ships, again (resumable)
	$(PYTHON) -m models.training

judge: $(READY)  ## Judge the model that ships
	$(PYTHON) -m models.training.judge

lock:  ## Resolve the dependencies anew into requirements.lock
	deploy/lock

clean:  ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis demo.png
