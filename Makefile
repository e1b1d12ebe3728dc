# Every target works alone on a fresh clone: it installs what it needs into .venv and node_modules.
# A machine needs Python 3.11 or newer with venv, git and make. Another Python: make PYTHON=…

SHELL := /bin/bash
PYTHON ?=
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

PYPROJECTS := models/pyproject.toml backend/pyproject.toml claude-agent/pyproject.toml
PAGE := frontend/build/_app/version.json
PAGE_SOURCES := $(shell find frontend packages package-lock.json -type f \
	-not -path '*/node_modules/*' -not -path '*/build/*' -not -path '*/.svelte-kit/*' 2>/dev/null)

.PHONY: install dev demo build dist test test-long check e2e pictures bench storm api setup-claude-creds clean
.DEFAULT_GOAL := install

install: .venv/.installed node_modules/.installed  ## everything this checkout needs
	@:

.venv/.installed: requirements/dev.txt $(PYPROJECTS) scripts/install-python
	@scripts/install-python "$(PYTHON)"

node_modules/.installed: .venv/.installed package-lock.json .npmrc
	@scripts/install-node

dev: install  ## server and page with reload, on http://localhost:3000
	@.venv/bin/python scripts/dev.py

demo: build  ## the whole product with a scripted agent, no account needed
	@.venv/bin/mainloop up --demo

build: install $(PAGE)  ## the page, as the server serves it

$(PAGE): $(PAGE_SOURCES) | install
	npm run build -w frontend

dist: build  ## the three Python packages, the page inside
	@rm -rf dist
	@for package in models claude-agent backend; do \
		.venv/bin/python -m build --no-isolation --wheel --outdir dist $$package || exit 1; done

test: build  ## the fast tests: Python, page, whole product
	@scripts/test

test-long: build  ## the slow ones: kills, restarts, load
	@scripts/test long

e2e: build  ## the whole product in a browser
	@scripts/test e2e

pictures: build  ## those of the guides, of the page as it is now
	@E2E_PICTURES=1 scripts/test e2e tests/pictures.spec.ts

check: install  ## style, types, import contracts, generated client
	@.venv/bin/python scripts/check.py

bench: build  ## one table of ratios
	@.venv/bin/python bench/run.py

storm: build  ## a thousand kills, and what became of it
	@.venv/bin/python bench/storm.py

api: install  ## regenerates packages/api-client from the server
	@scripts/api

setup-claude-creds: install  ## signs in with your own plan, for your own .env
	@scripts/setup-claude-creds

clean:  ## removes what is built and installed, never what is yours
	rm -rf .venv node_modules */node_modules packages/*/node_modules dist frontend/build \
		frontend/.svelte-kit .test-logs .ruff_cache .pytest_cache .import_linter_cache
