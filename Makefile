# Everything a user or a developer does, each by one word; `make` or `make help` lists them.

VENV := .venv
BENCH := .bench
PINS := --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --quiet
FUZZ := .hypothesis/fuzz
CASES := 100000
PORT := 5000
SERVER_STORE ?= sqlite:///server/mlflow.db
STUDY_STORE := sqlite:///.experiments/mlflow.db
STUDIES := $(sort $(basename $(notdir $(wildcard conf/experiment/*.yaml))))
STORE := $(or $(MLFLOW_TRACKING_URI),sqlite:///mlflow.db)
# The first of these that runs and is new enough makes the virtual environment; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14 python,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

.DEFAULT_GOAL := help
.PHONY: help install sweep test lint browser postgres ray chaos bench fuzz experiments ui server lock clean

help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed ## the virtual environment with the pinned dependencies

$(VENV)/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "gdexp needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.12"; exit 2; }
	@echo "Installing the pinned dependencies into $(VENV) with $(PYTHON), once ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian or Ubuntu: apt install python3-venv"; exit 2; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed."

sweep: install ## train with three learning rates and compare them
	$(VENV)/bin/python -m gdexp -m lr=0.001,0.01,0.1
	@echo
	@echo "Next: 'make ui' opens these runs in the browser; '$(VENV)/bin/python -m gdexp --help' says what else can be swept."

test: lint ## format, lint, strict types, all tests
	$(VENV)/bin/python -m pytest -rs --numprocesses auto --dist loadfile --no-loadscope-reorder
	@echo "All checks passed. Next: 'make sweep', or commit."

lint: install ## format, lint and strict types only
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

browser: ## Chromium for the tests of the UI: Debian's packages
	@.ci/chromium

postgres: ## PostgreSQL for the tests of a server: Debian's packages
	@.ci/postgres

chaos: install ## kill, interrupt and starve sweeps for a quarter of an hour, resume them, and count what is lost or wrong
	$(VENV)/bin/python -m tests.chaos

ray: install ## Ray for the tests of a cluster: 240 MB
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-ray.lock

bench: $(BENCH)/installed ## time gdexp, its peers and the limits on the same work, for an hour and a half, and write the report
	$(BENCH)/bin/python -m experiments.performance

# A virtual environment of its own: the peers are large. Where PyTorch has no such build, the report says so.
$(BENCH)/installed: requirements.lock pyproject.toml $(wildcard experiments/performance/requirements*.txt)
	@echo "Installing gdexp and its peers into $(BENCH) with $(PYTHON), once ..."
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r experiments/performance/requirements.txt
	-@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r experiments/performance/requirements-torch.txt
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

fuzz: $(FUZZ)/installed ## put 100,000 hostile inputs to the program, guided by coverage, for about half an hour (CASES=...)
	PYTHONPATH=$(FUZZ)/packages $(VENV)/bin/python -m tests.fuzz --cases $(CASES)

# Where atheris has no build, the cases are random instead, which the first line says.
$(FUZZ)/installed: $(VENV)/installed tests/fuzz/requirements.txt
	@mkdir -p $(FUZZ)
	-@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(FUZZ)/packages \
		-r tests/fuzz/requirements.txt
	@touch $@

experiments: install ## run every study in a fresh store and write its report
	@rm -rf .experiments && mkdir .experiments
	@printf '%s\n' $(STUDIES) | MLFLOW_TRACKING_URI=$(STUDY_STORE) PYTHON=$(VENV)/bin/python xargs -P 2 -n 1 sh experiments/run
	@echo
	@echo "Next: open experiments/*/report.html, or 'make ui MLFLOW_TRACKING_URI=$(STUDY_STORE)'."

ui: install ## the MLflow UI on the same store, on this machine only
	@echo "Open http://127.0.0.1:$(PORT) (Ctrl-C ends it; another port: make ui PORT=5001)"
	@MLFLOW_DISABLE_TELEMETRY=true $(VENV)/bin/mlflow ui --backend-store-uri "$(STORE)" --host 127.0.0.1 --port $(PORT)

# The store is named in the environment: everybody on a machine sees command lines, and it may hold a password.
server: export MLFLOW_BACKEND_STORE_URI = $(SERVER_STORE)
server: export MLFLOW_DISABLE_TELEMETRY = true
server: export MLFLOW_SERVER_ENABLE_JOB_EXECUTION = false
server: PORT := 5001
server: install ## an MLflow server on this machine that keeps runs and artifacts in server/
	@mkdir -p server
	@echo "MLFLOW_TRACKING_URI=http://127.0.0.1:$(PORT) $(VENV)/bin/python -m gdexp -m lr=0.001,0.01,0.1 records there"
	@echo "(Ctrl-C ends it; another port: make server PORT=5002; runs in PostgreSQL: SERVER_STORE=postgresql://USER@HOST/NAME)"
	@$(VENV)/bin/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
		--serve-artifacts --artifacts-destination server/artifacts

lock: install ## pin the newest versions that pyproject.toml allows, and MLflow's schema at its version
	$(VENV)/bin/uv pip compile pyproject.toml --group dev --extra server --extra joblib --extra slurm $(PINS) --upgrade \
		--output-file requirements.lock
	$(VENV)/bin/uv pip compile pyproject.toml --extra ray --constraint requirements.lock $(PINS) --upgrade \
		--output-file requirements-ray.lock
	@$(MAKE) --no-print-directory install
	$(VENV)/bin/python -m gdexp.tracking.schema > .schema.sql && mv .schema.sql gdexp/tracking/schema.sql
	@echo "requirements.lock is new. Next: make test"

clean: ## remove the virtual environment and caches; recorded runs stay
	rm -rf $(VENV) $(BENCH) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .screenshots .experiments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
