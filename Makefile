# What a newcomer runs. Each target sets up what it needs in .venv; nothing is installed outside it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint types wheel-check vectors bench clean

demo: $(VENV)/.stamp
	$(BIN)/fieldcrypt demo $(ARGS)

test: $(VENV)/.stamp
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.stamp
	$(BIN)/mypy

bench: $(VENV)/.stamp
	$(BIN)/python -m benchmarks.field $(ARGS)

# Builds the wheel and imports every package from it, in a venv that has never seen this checkout.
wheel-check: $(VENV)/.stamp
	$(BIN)/python tests/check_wheel.py

# Rewrites tests/vectors from the code; the independent check then has to agree.
vectors: $(VENV)/.stamp
	$(BIN)/python tests/vectors/generate.py
	$(BIN)/python tests/vectors/check.py

$(VENV)/.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"fieldcrypt needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all,demo]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
