# Every target does its own set-up: all that is needed beforehand is make and Python 3.11, 3.12 or 3.13.
SHELL := /bin/sh
# IB_CLIENT=ib_async puts the maintained successor in the place of ib_insync, in an environment of its own: the two can't share one.
IB_CLIENT := ib_insync
VENV := $(if $(filter ib_async,$(IB_CLIENT)),.venv-ib_async,.venv)
BIN := $(VENV)/bin

BROKER_TESTS := tests/integration/test_broker.py tests/integration/test_link_faults.py tests/integration/test_lines_live.py \
	tests/integration/test_accounts.py tests/integration/test_history.py

FIND_PYTHON = for p in $(PYTHON) python3.12 python3.13 python3.11 python3 python; do \
	if "$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; \
	then echo "$$p"; exit 0; fi; done

# Both libraries bring a folder `eventkit`: the one goes, then the other comes whole.
USE_CLIENT = if [ "$(IB_CLIENT)" = ib_async ]; then \
	$(BIN)/python -m pip uninstall --quiet --yes ib_insync eventkit && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --require-hashes -r requirements-ib_async.lock; fi

.PHONY: help setup dev demo run test test-broker test-paper soak quick check format bench lock clean

help:
	@echo "make demo    the whole program on an embedded market and chat: no account, no token"
	@echo "make run     riskbot on your account (config.yaml and RISKBOT_TELEGRAM_TOKEN)"
	@echo "make test    the whole test suite;  make quick: without the slow half"
	@echo "make test-paper HOST=... PORT=...  the read-only broker tests on a real paper login"
	@echo "make soak    a thousand faults against a live link"
	@echo "make check   format, lint, types, layers"
	@echo "make bench   speed, as medians"
	@echo "make lock    write the lock files anew from pyproject.toml"

setup: $(VENV)/.ready
dev: $(VENV)/.ready-dev

$(VENV)/bin/python:
	@py=`$(FIND_PYTHON)`; if [ -z "$$py" ]; then \
		echo "riskbot needs Python 3.11, 3.12 or 3.13 with venv; found none. Install one, or name it: make PYTHON=/path/to/python3.12 setup" >&2; \
		exit 2; fi; \
	"$$py" -m venv $(VENV)

$(VENV)/.ready: requirements.lock requirements-ib_async.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(USE_CLIENT)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo "installing the test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(USE_CLIENT)
	@touch $@

.PHONY: kernels
kernels: dev
	@$(BIN)/python -m engine.pricing.kernels

demo: setup
	@$(BIN)/riskbot demo

run: setup
	@$(BIN)/riskbot run

test: kernels
	@$(BIN)/python -m pytest -n auto --dist worksteal

# The broker link with the other client library.
test-broker: kernels
	@$(BIN)/python -m pytest -n auto --dist worksteal $(BROKER_TESTS)

# The read-only tests against a real TWS or Gateway login: make test-paper HOST=127.0.0.1 PORT=4002
test-paper: dev
	@RISKBOT_PAPER_HOST=$(HOST) RISKBOT_PAPER_PORT=$(PORT) $(BIN)/python -m pytest -n0 -rs tests/paper

# A thousand faults against a live link, with its real patience: hours.
soak: kernels
	@RISKBOT_SOAK_FAULTS=$(or $(FAULTS),1000) $(BIN)/python -m pytest -n0 -s -p no:logging --timeout=0 tests/soak

quick: kernels
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

check: dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: kernels
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m pytest benchmarks -q -n0 -p no:cacheprovider -o python_files="bench_*.py" -o python_functions="bench_*" \
		--benchmark-columns=min,median,iqr,outliers,rounds --benchmark-sort=name --benchmark-autosave

lock: $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml build-requirements.in -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" ib_async-requirements.in -o requirements-ib_async.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --group dev pyproject.toml build-requirements.in -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .venv-ib_async .mypy_cache .ruff_cache .pytest_cache .hypothesis
