# A newcomer's two commands: `make run` (set up, then the main job on the sample) and `make test` (set up, then all
# checks and tests). They need Python 3.11-3.13 and a package index; what is set up once is not set up again.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
BIN    := $(VENV)/bin
# Every package is pinned by hash and comes as a wheel: no compiler is needed and nothing runs at install time.
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINNED := install --require-hashes --no-deps --only-binary :all: -r
# The project's own build needs setuptools, which is pinned in the locks like everything else.
SELF   := install --no-deps --no-build-isolation --no-index --editable .
LOCK   := $(BIN)/uv pip compile pyproject.toml - --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run ui test lint bench lock clean chromium

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  make %-6s %s\n' "$$name" "$$what"; done

run: $(VENV)/.runtime ## the main job on the sample; ARGS="--source live" for real data
	@$(BIN)/r2k run $(ARGS)

ui: $(VENV)/.runtime ## the Dagster UI on 127.0.0.1
	@$(BIN)/r2k ui $(ARGS)

test: lint chromium ## lint, types and all tests; ARGS="-k name" for some
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## ours against peers, side by side
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

lock: | $(BIN)/pip ## pin pyproject.toml's dependencies anew; ARGS=--upgrade for the newest ones
	@$(PIP) install 'uv>=0.13'
	@echo 'setuptools>=77' | $(LOCK) --extra dev --output-file requirements-dev.lock $(ARGS)
	@echo 'setuptools>=77' | $(LOCK) --constraints requirements-dev.lock --output-file requirements.lock $(ARGS)

clean: ## remove the environment and caches; the lake stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info tests/artifacts
	find r2k_pipeline tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Where the packages of the system are missing, root on Debian gets them; anybody else is told their names.
define system_package
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing the system package $(1)"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; \
	else echo "$(2): install the system package $(1)" >&2; $(3); fi
endef

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	echo "r2k needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1);" \
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

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	{ $(call system_package,chromium,the browser test will be skipped,true); }
