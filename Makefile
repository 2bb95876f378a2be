# From a fresh clone, Python 3.11 or newer, make and the package registries: `make serve` and `make test` do everything.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3#   any Python >= 3.11: make setup PYTHON=python3.12
ARGS ?=#           passed on: make serve ARGS="--port 9000", make test ARGS="tests/jose -k es256"
WORKERS ?= 2#      test processes
SECONDS ?= 60#     fuzzing, per target
TARGETS ?= jws jwt jwe keys

# uv does not read pip's settings, so a mirror that pip is told of is passed on.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

# Like pip, trust what the system trusts; uv's own list is for systems that have none.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= 1
endif

BIN := .venv/bin
UV := $(BIN)/uv
STAMPS := .venv/stamps
INSTALL = $(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode
# PYTHONDONTWRITEBYTECODE would cost every start of the server 0.8 s.
COMPILE = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q src

.PHONY: help setup serve demo test check soak fuzz bench docs reference lock upgrade clean
.PHONY: lint types contracts site chromium pgbouncer relying-parties proxies

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ── what people type ────────────────────────────────────────────────────────────────────────────────────────────────

setup: $(STAMPS)/dev ## make .venv: the locked dependencies and the package (editable)

serve: $(STAMPS)/server ## serve on http://localhost:8000 with SQLite
	@$(COMPILE)
	@$(BIN)/gatepass serve $(ARGS)

demo: $(STAMPS)/dev ## walk the whole road against a server and a sample API
	@$(COMPILE)
	@$(BIN)/python examples/demo.py $(ARGS)

test: $(STAMPS)/dev $(STAMPS)/docs chromium pgbouncer relying-parties proxies ## run every test
	@$(COMPILE)
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: lint types contracts site ## linters, types, contracts, documentation

soak: $(STAMPS)/dev ## run the long proofs at full size, and fuzz for 20 minutes a target
	SOAK=1 $(BIN)/pytest -n $(WORKERS) -m soak -o faulthandler_timeout=3600 $(ARGS)
	@$(MAKE) fuzz SECONDS=1200

fuzz: $(STAMPS)/dev $(STAMPS)/fuzz ## fuzz gatepass.jose: make fuzz SECONDS=1200 TARGETS="jws jwe"
	@mkdir -p .cache/fuzz
	@for target in $(TARGETS); do \
		$(BIN)/python tests/fuzz/run.py $$target -max_total_time=$(SECONDS) -artifact_prefix=.cache/fuzz/ || exit 1; \
	done

bench: $(STAMPS)/dev ## measure against peers
	@$(COMPILE)
	@command -v wrk > /dev/null || scripts/apt-install wrk || true
	@$(BIN)/python bench $(ARGS)

docs: site ## build the documentation into site/

reference: $(STAMPS)/dev ## write docs/reference/*.md from the code
	$(BIN)/python scripts/reference.py

lock: $(UV) ## write requirements/*.txt, keeping the versions that still fit
	@scripts/lock

upgrade: $(UV) ## write requirements/*.txt with the newest versions
	@scripts/lock --upgrade

clean: ## remove everything that make made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site build dist test-artefacts
	find src tests examples bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ── the parts of `make check` ───────────────────────────────────────────────────────────────────────────────────────

lint: $(STAMPS)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMPS)/dev
	$(BIN)/mypy
	$(BIN)/pyright

contracts: $(STAMPS)/dev
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture tests/docs

site: $(STAMPS)/docs $(STAMPS)/dev
	$(BIN)/zensical build --clean --strict
	$(BIN)/pytest -q tests/docs/test_site.py -k search

# ── the environment: a stamp file is newer than everything that it was made from ────────────────────────────────────

$(BIN)/python:
	@scripts/check-python $(PYTHON)
	$(PYTHON) -m venv .venv

$(UV): requirements/uv.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(STAMPS)/server: requirements/server.txt pyproject.toml $(UV)
	$(INSTALL) -r requirements/server.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev $(STAMPS)/docs $(STAMPS)/fuzz: $(STAMPS)/%: requirements/%.txt $(STAMPS)/server
	$(INSTALL) -r $<
	@touch $@

pgbouncer:
	@command -v pgbouncer > /dev/null || test -x /usr/sbin/pgbouncer || scripts/apt-install pgbouncer || echo "no pgbouncer: its tests are skipped" >&2

relying-parties:
	@test -e /usr/lib/apache2/modules/mod_auth_openidc.so || scripts/apt-install libapache2-mod-auth-openidc || echo "no mod_auth_openidc: its tests are skipped" >&2
	@command -v oidc-agent > /dev/null || scripts/apt-install oidc-agent-cli || echo "no oidc-agent: its tests are skipped" >&2

proxies:
	@command -v nginx > /dev/null || test -x /usr/sbin/nginx || scripts/apt-install nginx-light || echo "no nginx: its tests are skipped" >&2
	@command -v haproxy > /dev/null || test -x /usr/sbin/haproxy || scripts/apt-install haproxy || echo "no HAProxy: its tests are skipped" >&2
	@command -v caddy > /dev/null || scripts/apt-install caddy || echo "no Caddy: its tests are skipped" >&2

chromium:
	@scripts/ensure-chromium
