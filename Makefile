# The environment is .venv in this folder; everything below uses it and nothing else.
PYTHON ?= python3
# More than there are cores: many tests wait for a server, a retry or a process.
PYTEST_WORKERS ?= 4
# Packages, lines, branches, in percent: of `make test`, and of all tests.
FLOOR ?= domain,workflows:100:98
FLOORS ?= $(FLOOR) activities,runtime,starter,settings.py,worker.py:85:75
COMPOSE ?= docker compose

BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist load --maxschedchunk 1
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

# The sandbox imports our workflow modules anew for each run: without bytecode files it compiles them each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test measured test-long coverage lint format generate docs lock replay histories chaos bench bench-open api-test stack-test ui-test issuer-test clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv from the lock, if the lock or pyproject.toml changed

# The stamp comes last: an interrupted set-up is taken up by the next one. --no-deps: the lock is whole, and where a
# package asks for another's extras, pip's resolver would try that one's newest release, which has no hash here.
# --no-compile: most of what is installed is never imported, and Python compiles the rest when it is.
$(STAMP): requirements-dev.lock pyproject.toml client/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no '$(PYTHON)' here; name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv (a minute the first time)"
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@$(PIP) install --no-compile --require-hashes --no-deps -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e . -e client
	@touch $@

demo: setup ## Play the reference story on a real Temporal server, weeks in seconds
	@$(BIN)/onboarding demo

# Coverage makes Python take half as long again, so it is measured only where both are reached: by the pure tests but
# those of very many cases, by every recorded history, and by those tests of the service that reach what no history does.
MANY_CASES := tests/domain/test_all_orders.py tests/domain/test_lifecycle_properties.py tests/workflows/test_memory_examples.py
MEASURED := $(filter-out $(MANY_CASES),$(wildcard tests/domain/test_*.py tests/workflows/test_*.py)) tests/replay/test_replay.py \
	$(addprefix tests/service/test_,$(addsuffix .py,bad_input continue_as_new coverage coverage_resets database_knows_otherwise \
	failed_emails one_application outages refused_recipients reset_outages reset_reapplied))

test: setup ## Lint and the tests, with the coverage of domain/ and workflows/
	@$(MAKE) --no-print-directory --jobs 2 lint measured
	@$(PYTEST) $(MEASURED:%=--ignore=%)

measured: setup ## Of `make test`, the tests by which the coverage is measured
	@$(PYTEST) --cov --cov-report=term-missing:skip-covered --cov-report=json $(MEASURED)
	@$(BIN)/python -m tools.coverage_floor coverage.json $(FLOOR)

test-long: setup ## The tests that take long, of which `make test` runs some of each kind
	@MODEL_CHECK_RUNS=$${MODEL_CHECK_RUNS:-200} $(PYTEST) -m long --timeout 7200 $(ARGS)

coverage: setup ## Every test but the long model check, with the coverage of everything that ships
	@$(PYTEST) -m '' --cov=domain --cov=workflows --cov=activities --cov=runtime --cov=starter --cov=settings --cov=worker \
		--cov-report=term-missing:skip-covered --cov-report=json $(ARGS)
	@$(BIN)/python -m tools.coverage_floor coverage.json $(FLOORS)

lint: setup ## Formatting, rules, types, import directions
	@$(BIN)/ruff format --check --quiet . || { echo "make: 'make format' formats these files" >&2; $(BIN)/ruff format --check . ; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## Format, and fix what ruff can fix
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

generate: setup ## Write anew what comes from the code: client methods, docs/reference, the picture in README.md
	@$(BIN)/python -m tools.generate

docs: setup ## Build the pages of docs/ into build/site; a broken link is an error
	@$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --nitpicky --builder html docs build/site
	@echo "build/site/index.html"

lock: ## Pin the newest versions pyproject.toml allows, with hashes, for every platform
	@test -x $(BIN)/uv || $(MAKE) --no-print-directory setup
	@$(COMPILE) --upgrade pyproject.toml --group build --output-file requirements.lock
	@$(COMPILE) --upgrade pyproject.toml --extra embedded --group build --group dev --output-file requirements-dev.lock
	@$(COMPILE) --upgrade --group ui --constraint requirements-dev.lock --output-file requirements-ui.lock
	@$(COMPILE) --upgrade --group bench --constraint requirements-dev.lock --output-file requirements-bench.lock

replay: setup ## Replay the recorded histories against this code
	@failed=0; $(BIN)/python -m tests.replay $(ARGS) || failed=1; \
		$(PYTEST) -q tests/replay/test_corpus.py tests/replay/test_messages_evolve.py \
			tests/replay/test_editions.py || failed=1; \
		exit $$failed

histories: setup ## Record the histories of this release; older releases are never touched
	@$(BIN)/python -m tests.replay.record $(ARGS)

chaos: setup ## Break every part while applicants go through: ARGS='--applicants N --seed S ...'
	@$(BIN)/python -m bench.chaos $(ARGS)

# DBOS has an environment of its own: nothing of it is needed, or may be in the way, anywhere else.
DBOS := .venv/dbos
$(DBOS)/.installed: requirements-bench.lock | $(STAMP)
	@echo "Setting up $(DBOS), the environment of DBOS"
	@$(PYTHON) -m venv --clear $(DBOS)
	@$(DBOS)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes --no-deps -r requirements-bench.lock
	@touch $@

bench: setup $(DBOS)/.installed ## The reference onboarding beside the limit and DBOS: ARGS='--at-once 8,40 -n N --rounds R ...'
	@$(BIN)/python -m bench.ratio $(ARGS)

bench-open: setup ## Open many applications and measure what they cost: ARGS='-n N --minutes M ...'
	@$(BIN)/python -m bench.open_applications $(ARGS)

api-test: setup ## What the front door promises, in long runs on the real parts: ARGS='--short --parts schema,reads --json FILE ...'
	@$(BIN)/python -m bench.front_door $(ARGS)

stack-test: setup ## Start docker-compose.yml, break it, check what is left: COMPOSE='docker compose'
	@$(BIN)/python -m bench.stack --compose '$(COMPOSE)' $(ARGS)

# The browser's driver stays beside the environment, so that the other tests never meet it.
ui-test: setup ## Read an encrypted application, and the list, in Temporal's Web UI, in a real Chromium
	@command -v chromium >/dev/null || { echo "make: no 'chromium' here; installing it: apt-get install chromium"; apt-get install --yes --no-install-recommends chromium; } \
		|| { echo "make: Chromium is needed: install it as 'chromium'" >&2; exit 1; }
	@$(PIP) install --require-hashes --no-deps --target .venv/ui --upgrade -r requirements-ui.lock
	@PYTHONPATH=.venv/ui $(BIN)/python -m pytest -q tests/ui

# An identity provider that is not ours; where it is installed `make test` runs its tests, too.
ISSUER := .venv/issuer
$(ISSUER)/.installed: $(wildcard tests/web/oidc_provider/*) | $(STAMP)
	@command -v npm >/dev/null || { echo "make: Node.js 20 and npm are needed" >&2; exit 1; }
	@mkdir -p $(ISSUER) && cp tests/web/oidc_provider/* $(ISSUER)
	@npm ci --prefix $(ISSUER) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

issuer-test: setup $(ISSUER)/.installed ## Sign in, and call the API, with an identity provider that is not ours (needs npm)
	@$(BIN)/python -m pytest -q tests/web/test_another_issuer.py

clean: ## Remove .venv, caches and reports (not the data of `onboarding up`)
	@rm -rf .venv build dist *.egg-info .coverage .coverage.* coverage.json htmlcov \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
