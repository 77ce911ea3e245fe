# Two commands for newcomers: `make demo` and `make test`. Each makes the environment it needs.
PYTHON ?= python3
PYTEST_WORKERS ?= 2

.PHONY: help demo test test-torch coverage lint types bench docs clean

help:
	@echo "make demo        train on real handwritten digits, check the gradients, draw the graph"
	@echo "make test        lint, types and all tests (no PyTorch needed)"
	@echo "make test-torch  the tests that compare with PyTorch"
	@echo "make coverage    the tests, with the lines that none of them ran"
	@echo "make bench       time minigrad beside PyTorch and print the table"
	@echo "make docs        write the pages of the operations from their declarations"
	@echo "make clean       remove environments and caches"

# An environment is a folder with a stamp; it is made again when pyproject.toml changes.
.venv/demo.stamp: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[draw,examples]"
	@touch $@

.venv-dev/dev.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install --quiet --disable-pip-version-check -e ".[draw,examples,dev]"
	@touch $@

.venv-torch/torch.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check -e ".[draw,examples,dev,torch]"
	@touch $@

demo: .venv/demo.stamp
	.venv/bin/python -m minigrad demo

lint: .venv-dev/dev.stamp
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .

types: .venv-dev/dev.stamp
	.venv-dev/bin/mypy

test: lint types
	.venv-dev/bin/python -m pytest -n $(PYTEST_WORKERS)

coverage: .venv-dev/dev.stamp
	.venv-dev/bin/python -m pytest -n $(PYTEST_WORKERS) --cov --cov-report=term:skip-covered

test-torch: .venv-torch/torch.stamp
	.venv-torch/bin/python -m pytest -n $(PYTEST_WORKERS) tests/torch

bench: .venv-torch/torch.stamp
	.venv-torch/bin/python tools/bench

docs: .venv-dev/dev.stamp
	.venv-dev/bin/python tools/docs.py

clean:
	rm -rf .venv .venv-dev .venv-torch .pytest_cache .mypy_cache .ruff_cache minigrad-demo
