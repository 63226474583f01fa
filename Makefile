# What one types while working on the lab. Without make: the commands are these.
PYTHON ?= python3
T ?=
VENV := build/venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: setup check test slow keras bench docs lock audit ci

setup: ## a virtual environment with the versions that CI has, and the hooks of git
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip install -q pre-commit
	$(BIN)/pre-commit install

check: ## what needs no test: style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: ## the quick tests, or those in T=tests/...
	$(BIN)/pytest $(T)

slow: ## what is exhaustive
	$(BIN)/pytest -m slow $(T)

keras: ## the Keras lines of the cards, against what the lab does; installs Keras, which nothing else asks for
	$(BIN)/python -m pip install -q -e ".[keras]"
	$(BIN)/pytest -n 0 tests/regularizers/test_card_lines_keras.py

bench: ## the quick looks at speed; the others say in benchmarks/README.md how long they take
	$(BIN)/python benchmarks/throughput.py --quick
	$(BIN)/python benchmarks/roofline.py --quick
	$(BIN)/python benchmarks/curves.py --quick
	$(BIN)/python benchmarks/startup.py --quick --no-browser

docs: ## generated parts of the documents, and the map
	$(BIN)/python docs/make.py

lock: ## the newest versions that are allowed into requirements.lock; needs uv
	.ci/lock --upgrade

audit: ## known vulnerabilities of the versions in the lock: 0 none that is not answered, 1 some, 75 nobody could be asked
	$(BIN)/python .ci/audit

ci: ## everything, from a clean clone to the last test
	.ci/run
