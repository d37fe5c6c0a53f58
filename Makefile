# Every command a user, a contributor or CI needs. `make` alone lists them.

PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOWEST := .venv-lowest
LOWEST_INSTALLED := $(LOWEST)/.installed
# A file that begins with an underscore is shared by benchmarks, and is none itself.
BENCHMARKS := $(filter-out benchmarks/_%,$(sort $(wildcard benchmarks/*.py)))

# One thread per process: the tests already use every core, and the same sums come out everywhere.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules are kept: tests start many processes, and each would compile plait anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install format check test demo bench evidence grid docs lowest clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Make .venv with plait, its extras and the tools (a second call does nothing)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,fast,retrieve]'
	@$(BIN)/python -c "import plait.training.compiled_rows" # compiled once, so that no run waits for it
	@touch $@

format: install ## Rewrite the files as the formatter and the safe fixes of the linter want them
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

check: install ## Format, lint, types and import contract: the fast part of `make test`
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

test: check ## Everything that must pass: `make check`, then unit, system and docs tests (CI runs this)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests
	@$(BIN)/python benchmarks/step.py # for whoever reads the log; nothing is asserted

demo: install ## Make a log, draft, train and compare on it, and write a report: about a minute
	OMP_NUM_THREADS=2 $(BIN)/plait demo --out plait-demo --force

bench: install ## Run every benchmark in its short form, to see that it works
	@test -n "$(BENCHMARKS)" || { echo "There is no benchmark in benchmarks/."; exit 1; }
	@set -e; for script in $(BENCHMARKS); do echo "== $$script --smoke"; $(BIN)/python $$script --smoke; done

evidence: install ## Run every benchmark in full; the figures go to .bench/
	@test -n "$(BENCHMARKS)" || { echo "There is no benchmark in benchmarks/."; exit 1; }
	@mkdir -p .bench
	@set -e; for script in $(BENCHMARKS); do \
		echo "== $$script"; \
		figures=.bench/$$(basename $$script .py); \
		$(BIN)/python $$script --json $$figures.json > $$figures.txt; \
		cat $$figures.txt; \
	done

grid: install ## Try every combination of parts and write docs/grid.md: hours; a next call goes on
	PLAIT_GRID_STEPS=50 $(BIN)/python -m pytest -q tests/unit/training/test_balancing_grid.py
	$(BIN)/python -m tests.grid --out docs/grid.md --keep .bench/grid.json

docs: install ## Build the API pages from the docstrings into site/
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m pdoc --docformat google --output-directory site plait

$(LOWEST_INSTALLED): pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt -e '.[test,fast,retrieve]'
	@touch $@

# Old packages warn about one another, so a warning is no error here. The docs show what the tested
# versions print, so their tests are left out.
lowest: $(LOWEST_INSTALLED) ## Run the tests with the oldest dependencies that plait supports
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal -W default tests/unit tests/system

clean: ## Remove everything that these commands made, .venv included
	rm -rf $(VENV) $(LOWEST) .bench .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist site
	find benchmarks docs examples src tests -name __pycache__ -type d -prune -exec rm -rf {} +
