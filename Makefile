# Every target builds what it needs; make and any CPython 3.11 to 3.14 are enough.
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help .venv demo up test check bench chaos evaluate

help:
	@echo "make demo [STORE=new|tiny|medium|large|huge] [FAULT=NAME]   watch the whole flow"
	@echo "make up                    run every process, with embedded servers where no URL is set"
	@echo "make test [ARGS=…]         all tests; ARGS are passed to pytest"
	@echo "make check                 lint, types, import direction, migrations"
	@echo "make chaos [SECONDS=60] [SEED=…]  kill workers and servers at random; was anything lost?"
	@echo "make bench                 measure how fast the flow is here"
	@echo "make evaluate [ARGS=…]     honest and lying models, some minutes: does anything untrue reach a merchant?"

# Runs once, and again when one of the files that .venv was made from changes.
.venv: .venv/.made
.venv/.made: pyproject.toml requirements-dev.lock requirements-build.lock
	@sh .ci/environment .venv "$(PYTHON)"
	@touch $@

demo: .venv/.made
	@$(BIN)/cj demo $(if $(STORE),--store $(STORE)) $(if $(FAULT),--fault $(FAULT))

up: .venv/.made
	@$(BIN)/cj up $(ARGS)

test: .venv/.made
	@$(BIN)/python -m pytest -q -n 2 --no-loadscope-reorder $(ARGS)

check: .venv/.made
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layout.py tests/integration/test_migrations.py

bench: .venv/.made
	@$(BIN)/python -m bench.flow $(ARGS)

chaos: .venv/.made
	@$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(ARGS)

evaluate: .venv/.made
	@mkdir -p .cj
	@$(BIN)/cj evaluate --scripted --page .cj/evaluation.html $(ARGS)
	@$(BIN)/python -m tests.truth
