# Leeway. `make up` starts everything on this machine; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
ROUNDS ?= 1
# Tests that run at once: most of them wait more than they work.
JOBS ?= 3

# Bytecode is kept whatever the environment says: a start takes half the time with it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up demo install dev test chaos check format bench protos protos-check protos-into prices lock clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

up: install ## start Leeway and print how to call it (ARGS="--ready-file PATH" for scripts)
	@exec $(BIN)/leeway up --recipe $(ARGS)

demo: install ## play on a throwaway installation (ARGS=--here: on yours): what is recorded, noticed, told
	@exec $(BIN)/leeway demo $(ARGS)

install: .venv/installed ## the virtual environment, from the lock, hashes checked

dev: .venv/installed-dev ## the same, with what tests and checks need

.venv/bin/uv: requirements-bootstrap.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Leeway needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/installed: .venv/bin/uv requirements.lock pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

test: dev ## every test but the long trials of chaos: unit, contract, integration, e2e, chaos, and the SDK's
	$(BIN)/python -m pytest tests sdk/python/tests -n $(JOBS) --dist loadfile

chaos: dev ## every fault of docs/reliability.md, injected for real (ROUNDS=N: N times, with other seeds)
	$(BIN)/python -m pytest tests/chaos -m "" --rounds $(ROUNDS) --recovery-goal 10

check: dev protos-check ## format, lint, types, import contracts, generated code, unit and contract tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy shared services tests benchmarks examples
	cd sdk/python && ../../$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit tests/contract -n $(JOBS) --dist loadfile

format: dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev ## the benchmarks that need no data set; each prints last one JSON line
	@code=0; for run in "outbox --seconds 2" "ingest --facts 50000" "serving --repeats 1" drift_first; do \
	  echo "== $$run"; $(BIN)/python -m benchmarks.$$run || code=1; done; exit $$code

protos: dev ## generate the wire's code
	@$(MAKE) --no-print-directory protos-into OUT=protos/gen

protos-check: dev
	@fresh=$$(mktemp -d) && $(MAKE) --no-print-directory protos-into OUT=$$fresh \
	  && diff -r --exclude=__init__.py --exclude=__pycache__ $$fresh protos/gen && rm -r $$fresh

protos-into: # messages of every file; stubs of those that hold services
	@$(BIN)/python -m grpc_tools.protoc -Iprotos protos/leeway_pb/v1/*.proto --python_out=$(OUT) --pyi_out=$(OUT)
	@$(BIN)/python -m grpc_tools.protoc -Iprotos protos/leeway_pb/v1/*_rpc.proto --grpc_python_out=$(OUT)

prices: dev ## build the price book's seed from the pinned source
	$(BIN)/python -m infra.prices.build_seed

lock: ## resolve requirements*.in into the locks, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements-bootstrap.in -o requirements-bootstrap.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements-dev.in -o requirements-dev.lock

clean: ## remove what was built (not your data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
