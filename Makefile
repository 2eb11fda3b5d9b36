# A newcomer's two commands: `make run` (set up, then the main job on the sample) and `make test` (set up, then all
# checks and tests). They need Python 3.11-3.14 and a package index; what is set up once is not set up again.

PYTHON ?= python3
VENV   ?= .venv
BI     ?= .venv-bi
ARGS   ?=
BIN    := $(VENV)/bin
# Three processes share the test files, in their order: the browser's, which take longest, come first. On two processors
# the third works while others wait for a server, a deadline or a process that they killed.
SHARE  := -n 3 --dist loadfile --no-loadscope-reorder
# Every package is pinned by hash and comes as a wheel: no compiler is needed and nothing runs at install time.
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINNED := install --require-hashes --no-deps --only-binary :all: -r
# The project's own build needs setuptools, which is pinned in the locks like everything else.
SELF   := install --no-deps --no-build-isolation --no-index --editable .
PINS   := --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet
LOCK   := $(BIN)/uv pip compile pyproject.toml - $(PINS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run ui test chaos test-bi lint bench release lock clean chromium postgresql faketime

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  make %-7s %s\n' "$$name" "$$what"; done

run: $(VENV)/.runtime ## the main job on the sample; ARGS="--source live" for real data
	@$(BIN)/r2k run $(ARGS)

ui: $(VENV)/.runtime ## the Dagster UI on 127.0.0.1
	@$(BIN)/r2k ui $(ARGS)

# One thread of Polars in each, as the program has it. Byte code is kept, whatever the shell says: the tests start some
# hundred processes, and each would compile the program and the tests anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.dev chromium postgresql faketime ## lint, types and all tests; ARGS="-k name" for some
	@$(MAKE) --no-print-directory --jobs=2 lint $(VENV)/.kernels
	@POLARS_MAX_THREADS=1 $(BIN)/python -m pytest $(SHARE) $(ARGS)

# A run on the sample compiles the kernels beside lint; otherwise several processes of the tests would compile each.
$(VENV)/.kernels: $(VENV)/.runtime $(wildcard r2k_pipeline/transforms/*.py)
	@env -i HOME="$$HOME" PATH="$$PATH" $(BIN)/r2k run --source sample --lake $(VENV)/lake >$(VENV)/lake.log 2>&1 || { \
	cat $(VENV)/lake.log >&2; exit 1; }
	@rm -rf $(VENV)/lake $(VENV)/lake.log
	@touch $@

chaos: $(VENV)/.dev ## runs that are killed or whose disk fails, for ten minutes; SECONDS=60 SEED=1
	@SECONDS=$(SECONDS) SEED=$(SEED) $(BIN)/python -m tests.chaos

test-bi: $(VENV)/.dev $(BI)/.superset chromium postgresql ## the dashboard in Apache Superset, which it sets up in .venv-bi
	@SUPERSET_BIN=$(BI)/bin $(BIN)/python -m pytest tests/bi $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## ours against peers, side by side
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

# The wheel is built from the sdist, apart from the checkout: no leftover of an earlier build gets into it.
release: $(VENV)/.runtime ## sdist and wheel, in dist/
	@rm -rf dist *.egg-info
	@$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' >/dev/null
	@$(PIP) wheel --no-deps --no-build-isolation --no-index --wheel-dir dist dist/*.tar.gz
	@ls dist/*

lock: | $(BIN)/pip ## pin pyproject.toml's dependencies anew; ARGS=--upgrade for the newest ones
	@$(PIP) install 'uv>=0.13'
	@echo 'setuptools>=77' | $(LOCK) --extra dev --output-file requirements-dev.lock $(ARGS)
	@echo 'setuptools>=77' | $(LOCK) --constraints requirements-dev.lock --output-file requirements.lock $(ARGS)
	@$(BIN)/uv pip compile bi/superset/requirements.in $(PINS) --output-file bi/superset/requirements.lock $(ARGS)

clean: ## remove the environment and caches; the lake stays
	rm -rf $(VENV) $(BI) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info tests/artifacts
	find r2k_pipeline tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Where the packages of the system are missing, root on Debian gets them; anybody else is told their names.
define system_package
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing the system package $(1)" && \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; } \
	|| { echo "$(2): install the system package $(1)" >&2; $(3); }
endef

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	echo "r2k needs Python 3.11 to 3.14, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1);" \
	"say which one to use: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call system_package,python3-venv,no virtual environments in $(PYTHON),exit 1); }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "setting up $(VENV): $$(grep -c == requirements.lock) pinned packages, about a minute"
	@$(PIP) $(PINNED) requirements.lock
	@$(PIP) $(SELF)
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "adding what the tests need"
	@$(PIP) $(PINNED) requirements-dev.lock
	@touch $@

# Superset's pandas has no wheels for Python 3.13. Two of its packages come as source; their build is pinned too.
$(BI)/.superset: bi/superset/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' || { \
	echo "Superset needs Python 3.11 or 3.12: make test-bi PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up $(BI): $$(grep -c == $<) pinned packages, about two minutes"
	@$(PYTHON) -m venv --clear $(BI) && echo '*' > $(BI)/.gitignore
	@sed -n '/^setuptools==/,/[^\]$$/p' $< > $(BI)/build.lock
	@$(BI)/bin/python -m pip --disable-pip-version-check --quiet $(PINNED) $(BI)/build.lock
	@$(BI)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps --no-build-isolation \
	--only-binary :all: --no-binary odfpy,wtforms-json -r $<
	@touch $@

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	{ $(call system_package,chromium,the browser test will be skipped,true); }

faketime:
	@command -v faketime >/dev/null || { $(call system_package,faketime,the test with a moved clock will be skipped,true); }

# Debian would start a server of its own with it: the tests need the programs only, and start theirs themselves.
CLUSTERS := /etc/postgresql-common/createcluster.conf
postgresql:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	{ $(call system_package,postgresql-common,the tests of r2k publish will be skipped,true); \
	if [ -w $(CLUSTERS) ]; then sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' $(CLUSTERS); fi; \
	$(call system_package,postgresql,the tests of r2k publish will be skipped,true); }
