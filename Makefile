# Everything that a fresh Debian machine needs comes with the targets themselves; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The tests of a file share servers, so a file stays in one process. Those that take longest begin first.
PARALLEL := --dist loadfile --no-loadscope-reorder

# Tests start hundreds of processes, and each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage test-faults soak lint map format types unit contract integration acceptance bench setup \
	system clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: setup ## the main job on this machine: primaries, a fleet, two cycles, every shard restored and compared
	@exec $(BIN)/python -m sandbox.demo

test: setup ## everything that runs without a cloud account: lint, types, all tests
	$(MAKE) --no-print-directory lint types
	$(if $(COUNTED),$(BIN)/coverage run,$(BIN)/python) -m pytest --numprocesses auto $(PARALLEL) --durations 25

check: setup ## what takes under two minutes: lint, types, unit tests
	$(MAKE) --no-print-directory lint types
	$(BIN)/python -m pytest --numprocesses logical $(PARALLEL) tests/unit

coverage: setup ## make test with all lines and branches counted; CHECK=1 compares with docs/reliability.md only
	rm -rf .coverage-data
	$(MAKE) --no-print-directory test COUNTED=1
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o .coverage-data/report.json
	$(BIN)/python scripts/coverage-table $(if $(CHECK),--check) .coverage-data/report.json

lint: setup ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

map: setup ## draw the rooms in docs/architecture.md anew, from the code
	$(BIN)/python scripts/architecture-map docs/architecture.md

format: setup ## let ruff mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## strict types
	$(BIN)/mypy

unit contract integration acceptance: setup ## one kind of tests: unit, contract, integration or acceptance
	$(BIN)/python -m pytest tests/$@

test-faults: setup ## strike a real fleet at every point of a run; FULL=1 tries all of it and writes docs/reliability.md
	FULL=$(FULL) $(BIN)/python -m pytest tests/faults -s

soak: setup ## half an hour of cycles in which something is killed every 20 seconds; MINUTES=2 is what CI does
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),30)

bench: setup ## measure the figures that the documentation gives
	$(BIN)/python -m benchmarks $(BENCH)

setup: $(VENV)/.ready ## install what is missing: system packages (apt, as root) and a virtual environment

system:
	@scripts/install-system

$(VENV)/.ready: pyproject.toml constraints.txt scripts/install-system
	@scripts/install-system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean: ## remove the virtual environment and what tools have left
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
