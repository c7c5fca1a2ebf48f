# Two commands do everything on a machine with Python 3.11, Rust, make and gcc: make demo, make test.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help build demo test torture mutants lint fix bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.build: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pyqueue needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q -r requirements/build.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.build
	@$(BIN)/pip install -q -r requirements/dev.txt
	@touch $@

build: $(VENV)/.build ## Build the extension and install the package into .venv
	@echo "building (the first time takes a minute or two) ..."
	@$(BIN)/maturin develop --release > $(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }

demo: build ## Run the main job: catalogue a tree, with a child and a worker killed on the way
	@mkdir -p target/demo
	@cd target/demo && $(CURDIR)/$(BIN)/pyqueue demo catalog --db catalog.db --force
	@cd "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
	  && sha256sum --quiet -c $(CURDIR)/target/demo/SHA256SUMS \
	  && echo "sha256sum confirms every line"

test: build $(VENV)/.dev ## Run every test, within 15 minutes on two cores
	@$(BIN)/python tests/run.py

torture: build $(VENV)/.dev ## Run the tests that take longer
	@$(BIN)/python tests/run.py --torture

mutants: build $(VENV)/.dev ## See that each promise's test notices when its guard is off
	@$(BIN)/python -m tests.mutants

lint: build $(VENV)/.dev ## Check style and types; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m mypy.stubtest pyqueue._core --ignore-disjoint-bases
	@cargo fmt --check
	@cargo clippy --release --all-targets -- -D warnings
	@cargo clippy --release --features python -- -D warnings

fix: $(VENV)/.dev ## Format, and repair what lint can repair
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .
	@cargo fmt

$(VENV)/.bench: requirements/bench.txt $(VENV)/.build
	@$(BIN)/pip install -q -r requirements/bench.txt
	@touch $@

bench: build $(VENV)/.dev $(VENV)/.bench ## Measure beside Celery and others, in 10 minutes; python -m bench --help says more
	@$(BIN)/python -m bench --quick
	@$(BIN)/python -m pytest -q bench/micro.py

clean: ## Remove what was built
	@rm -rf target $(VENV) pyqueue/_core*.so
