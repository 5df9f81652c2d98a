# Two commands do all set-up: `make up` starts a cluster, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help up test lint bench crash clean

help:  ## show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "kube-lite needs Python 3.11 or newer; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q kube_lite runtime/kube_lite_runtime storage/kube_lite_storage
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@

up: $(VENV)/.installed  ## start a cluster in the foreground; ARGS='--data-dir DIR' and the like are passed on
	@exec $(BIN)/kube-lite up $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev  ## formatting, lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev  ## print the benchmark tables
	$(BIN)/python -m tests.bench $(ARGS)

crash: $(VENV)/.installed-dev  ## kill a writing store N times (10000) and look at what is left
	@directory=$$(mktemp -d) && $(BIN)/python -m tests.storage.crashing $$directory $(or $(N),10000) && rm -rf $$directory

clean:  ## remove what the targets above made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
