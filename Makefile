# The commands of README. Each sets up what it needs; `make help` lists them.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
INDEX  ?= index
PORT   ?= 8000
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev

.PHONY: help setup up test check corpus clean

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/'

setup: $(STAMP)  ## the virtual environment alone

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(STAMP)

up: $(STAMP)     ## index corpus/ and serve page and API
	$(BIN)/kb ingest corpus --index $(INDEX)
	$(BIN)/kb serve --index $(INDEX) --port $(PORT)

test: $(DEV)     ## all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(DEV)    ## ruff, mypy strict, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

corpus: $(DEV)   ## make the sample reports again from scripts/corpus
	$(BIN)/python scripts/make_corpus.py
	$(BIN)/python scripts/check_corpus.py

clean:           ## the virtual environment and caches; the index stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
