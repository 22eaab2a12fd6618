# Needs Python 3.11 or newer, make and pip; no database server, no message broker.
PYTHON ?= python3
UV ?= uv
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
WITH_DATABASE := $(BIN)/python -m sensenova_billing.dev_server.postgres with-throwaway
COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
# Where bytecode is not to be written, every process that a test starts compiles the whole product again.
export PYTHONDONTWRITEBYTECODE :=
# What needs more than the default environment has targets of its own.
ELSEWHERE := --ignore tests/browser --ignore tests/clients
# As in production; the key only has to look like one.
PRODUCTION := DEBUG=0 HTTPS=1 ALLOWED_HOSTS=billing.example.com \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ

.DEFAULT_GOAL := help
.PHONY: help run gateway test test-clients test-browser screenshots fault hammer fuzz mutants drill-restore drill-upgrade \
	check format lock openapi translations bench-ingest bench-close bench-effect bench-admission bench-budgets bench-edges \
	bench-pages bench-hosts bench-citus bench-compare bench-peers

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

run: .venv/requirements ## run everything, at http://127.0.0.1:8000 (PORT and ADDRESS choose another place)
	@$(MANAGE) run $(ARGS)

gateway: .venv/requirements-gateway ## run LiteLLM's proxy before a running server, at http://127.0.0.1:4000 (docs/gateway.md)
	.venv/gateway/bin/litellm --config examples/litellm/config.yaml --host 127.0.0.1 $(ARGS)

test: .venv/requirements-dev ## run the tests, on a PostgreSQL of their own
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ELSEWHERE) $(ARGS)

test-clients: .venv/requirements-clients .venv/requirements-gateway ## run the tests with the real clients of other billing systems
	$(BIN)/python -m pytest tests/clients $(ARGS)

test-browser: .venv/requirements-dev ## run the tests in Chromium, which Debian's package brings (as root, it is installed)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
	$(BIN)/python -m pytest tests/browser $(ARGS)

screenshots: .venv/requirements-dev ## take pictures of every page in both languages and colours, in var/screenshots
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
	@fc-list :lang=zh | grep -q . || { apt-get update -qq && apt-get install -y -qq --no-install-recommends fonts-wqy-microhei >/dev/null; }
	$(BIN)/python -m pytest tests/browser/screenshots.py $(ARGS)

fault: .venv/requirements-dev ## break everything while usage is posted, and check the books (SECONDS, SEED)
	$(BIN)/python -m tests.faults $(ARGS)

hammer: .venv/requirements-dev ## press on call limits with many processes, and check every 60 seconds (SECONDS)
	$(BIN)/python -m tests.limits $(ARGS)

fuzz: .venv/requirements-dev ## send damaged bodies to every endpoint and form of a server of its own (--count, --seed, --seconds)
	$(BIN)/python -m tests.fuzz $(ARGS)

drill-restore: .venv/requirements-dev ## lose a database, and restore it to a point in time (POSTGRES_BIN chooses a PostgreSQL)
	$(BIN)/python -m drills.restore $(ARGS)

drill-upgrade: .venv/requirements-dev ## go from an older commit (BASE=..., the last tag) to this build under load
	$(BIN)/python -m drills.upgrade $(BASE) $(ARGS)

mutants: .venv/requirements-dev ## put single small faults into the money paths, and see whether a test fails
	$(BIN)/python -m tests.mutants $(ARGS)

check: .venv/requirements-dev ## format, lint, types, layers, migrations, deployment settings, OpenAPI document
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(WITH_DATABASE) $(MANAGE) makemigrations --check --dry-run
	$(PRODUCTION) $(MANAGE) check --deploy --fail-level WARNING
	$(MANAGE) spectacular --fail-on-warn --validate --file .venv/openapi.yaml
	diff docs/openapi.yaml .venv/openapi.yaml || { echo "docs/openapi.yaml is behind the code: make openapi"; exit 1; }

format: .venv/requirements-dev ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-ingest: .venv/requirements-dev ## measure how fast usage enters, beside a bare COPY
	$(BIN)/python -m benchmarks.ingest $(ARGS)

bench-close: .venv/requirements-dev ## measure how long an hour takes to close, beside a bare GROUP BY
	$(BIN)/python -m benchmarks.closing $(ARGS)

bench-effect: .venv/requirements-dev ## measure how long the effect of planned prices takes, beside a bare GROUP BY
	$(BIN)/python -m benchmarks.effect $(ARGS)

bench-admission: .venv/requirements-dev ## measure how fast calls are admitted, beside an empty view
	$(BIN)/python -m benchmarks.admission $(ARGS)

bench-budgets: .venv/requirements-dev ## measure how long 10,000 budgets take to be refreshed
	$(BIN)/python -m benchmarks.budgets $(ARGS)

bench-edges: .venv/requirements-dev ## measure what slow and large requests do to others, with the proxy and without
	$(BIN)/python -m benchmarks.edges $(ARGS)

bench-pages: .venv/requirements-dev ## measure how long pages take over a year of closed hours
	$(BIN)/python -m benchmarks.pages $(ARGS)

bench-hosts: .venv/requirements-dev ## measure how long three web hosts go on by what was changed
	$(BIN)/python -m benchmarks.hosts $(ARGS)

bench-citus: .venv/requirements-dev ## measure usage on Citus beside one PostgreSQL (CITUS_DATABASE_URL)
	$(BIN)/python -m benchmarks.citus $(ARGS)

bench-peers: .venv/requirements-dev .venv/requirements-peers ## run a trace (TRACE=...) through CloudKitty and through this build in turn
	@test -n "$(TRACE)" || { echo "Which trace? make bench-peers TRACE=..."; exit 1; }
	$(BIN)/python -m benchmarks.peers $(TRACE) $(ARGS)

bench-compare: .venv/requirements-dev ## run the benchmarks of a commit (BASE=...) and of this build in turn
	@test -n "$(BASE)" || { echo "Which commit? make bench-compare BASE=..."; exit 1; }
	$(BIN)/python -m benchmarks.compare $(BASE) $(ARGS)

openapi: .venv/requirements-dev ## write the OpenAPI document anew
	$(MANAGE) spectacular --fail-on-warn --validate --file docs/openapi.yaml

translations: .venv/requirements-dev ## collect the texts of pages, and compile the Chinese ones (needs gettext)
	$(MANAGE) makemessages --locale zh_Hans --no-location --no-wrap --no-obsolete $(addprefix --ignore ,.venv var tests benchmarks drills examples findings)
	$(MANAGE) compilemessages --locale zh_Hans --ignore .venv

lock: ## choose the newest allowed version of every dependency (needs uv)
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --upgrade --extra archive --constraint requirements.lock --output-file requirements-archive.lock
	$(COMPILE) --upgrade --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --upgrade --group dev --group clients --constraint requirements-dev.lock --output-file requirements-clients.lock
	$(subst pyproject.toml,,$(COMPILE)) --upgrade --group gateway --output-file requirements-gateway.lock
	$(subst pyproject.toml,,$(COMPILE)) --upgrade --group peers --output-file requirements-peers.lock

# Each file stands for one lock that has been installed; it is older than the lock once that has changed.
.venv/requirements: requirements.lock | .venv/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/requirements-dev: requirements-dev.lock | .venv/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/requirements-clients: requirements-clients.lock | .venv/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# Environments of their own: what the proxy and CloudKitty need is not what we need.
.venv/requirements-gateway: requirements-gateway.lock | .venv/bin/python
	@$(PYTHON) -m venv .venv/gateway
	@.venv/gateway/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/requirements-peers: requirements-peers.lock | .venv/bin/python
	@$(PYTHON) -m venv .venv/peers
	@.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "Making .venv and installing the requirements; this happens once."
	@$(PYTHON) -m venv .venv
