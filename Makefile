# One word a task, the same for people and for CI. Needs Python 3.10 to 3.13 with pip; nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# On a machine with an NVIDIA GPU:  make CONSTRAINTS= demo
CONSTRAINTS ?= -c constraints.txt

.PHONY: demo test lint format conform bench docs clean help

help:            ## this list
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' Makefile | sed -E 's/:.*##/\t/'

$(BIN)/qc-installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS) -e '.[dev]'
	@touch $@

demo: $(BIN)/qc-installed   ## recordings in audio_samples/ to pages in reports/demo/
	$(BIN)/qc demo

test: $(BIN)/qc-installed   ## the tests
	$(BIN)/python -m pytest

lint: $(BIN)/qc-installed   ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(BIN)/qc-installed   ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conform: $(BIN)/qc-installed   ## the conformance suite, and thousands of random packs against the reference evaluator
	$(BIN)/qc rules conform
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest tests/conformance

bench: $(BIN)/qc-installed   ## the measurements of docs/benchmarks.md
	$(BIN)/python bench/samples.py
	$(BIN)/python bench/transcribe.py --quick
	$(BIN)/python bench/scan.py --quick
	$(BIN)/python bench/packs.py --rules 1000
	$(BIN)/python bench/report.py --quick
	$(BIN)/python bench/intervals.py --quick

docs: $(BIN)/qc-installed   ## write the pages that are made from the code
	$(BIN)/python docs/make.py

clean:   ## remove what make made
	rm -rf $(VENV) reports/demo .pytest_cache .mypy_cache .ruff_cache
