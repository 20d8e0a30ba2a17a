# Every target prepares what it needs: `make run` and `make test` work on a bare checkout with Python 3.11-3.13.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
MINUTES ?= 10
DEMO ?= runs/demo
SIDE_BY_SIDE := tests/model tests/training tests/streaming
INSTALLED := $(VENV)/.installed

.PHONY: run test check format bench train-demo docker-test clean help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Spikesight needs Python 3.11, 3.12 or 3.13; found $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,cameras]'
	@touch $@

run: $(INSTALLED)  ## install, then serve the live demo on http://127.0.0.1:8000 (PORT=N for another)
	$(BIN)/spikesight serve --port $(PORT)

# Several at a time where nothing is timed against a clock; servers, browsers and cameras have the machine to themselves.
test: $(INSTALLED)  ## install, then every test
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal $(SIDE_BY_SIDE); first=$$?; \
	  $(BIN)/python -m pytest $(addprefix --ignore=,$(SIDE_BY_SIDE)) && exit $$first

check: $(INSTALLED)  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_import_rules.py

format: $(INSTALLED)  ## apply formatting and safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## speed and memory against peers, ratios in one run
	$(BIN)/python -m benchmarks

train-demo: $(INSTALLED)  ## train ems-nano ten minutes on two cores and watch mAP rise (MINUTES=N for longer)
	$(BIN)/spikesight train --minutes $(MINUTES) --out $(DEMO) --no-resume --save-minutes 1.5 --held-out 200 \
	  --set validation=64 --set pool=4000 --set ema=0.99 --generators 1 --threads 1

docker-test: $(INSTALLED)  ## build the image, start it, post a recording, watch a stream, tear down
	$(BIN)/python -m pytest -m docker tests/e2e/test_docker.py

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
