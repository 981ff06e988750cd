# ArtStore: everything a developer types. `make` alone lists the targets.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(wildcard libs/*/) gateway/ $(wildcard *-service/) storage-element/

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.ready ## Make the virtual environment (done by the others when needed)

$(VENV)/.ready: requirements/dev.txt $(wildcard */pyproject.toml libs/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ArtStore needs Python 3.11 or later, and $(PYTHON) is " \
		+ sys.version.split()[0] + "; make PYTHON=python3.12 takes another one")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(foreach package,$(PACKAGES),-e ./$(package))
	@touch $@

.PHONY: assets
assets: $(VENV)/.assets ## Fetch the console's scripts from npm (done by the others when needed)

$(VENV)/.assets: $(VENV)/.ready admin-service/assets/package-lock.json requirements/install-assets
	@if requirements/install-assets; then touch $@; fi

.PHONY: system
system: ## Install what only the system's packages have: LibreOffice, Chromium, … (done by up and test where they may)
	@requirements/install-system test
	@requirements/install-promtool

.PHONY: system-up
system-up:
	@requirements/install-system up

.PHONY: lock
lock: ## Pin the dependencies of requirements/*.in, with hashes
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	for set in build services dev docs node policy; do $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements/$$set.txt requirements/$$set.in; done

##@ Running

.PHONY: up
up: venv assets system-up ## Start everything here (DETACH=1: return when ready; ARTSTORE_PORT_BASE=9000: other ports)
	@$(BIN)/python -m artstore_stack up $(if $(filter-out 0,$(DETACH)),--detach)

.PHONY: down
down: venv ## Stop everything, keep the data
	@$(BIN)/python -m artstore_stack down

.PHONY: reset
reset: venv ## Stop everything and throw the data away
	@$(BIN)/python -m artstore_stack reset

.PHONY: status
status: venv ## Show each part: state, pid, since, health, reason
	@$(BIN)/python -m artstore_stack status

.PHONY: stop
stop: venv ## Take one part away: PART=postgres
	@$(BIN)/python -m artstore_stack stop $(PART)

.PHONY: start
start: venv ## Bring one part back: PART=postgres
	@$(BIN)/python -m artstore_stack start $(PART)

##@ Images

IMAGES ?= artstore
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' admin-service/pyproject.toml)
IMAGE_TARGETS := init admin-service storage-element ingester-service query-service render-service
IMAGE_SOURCES := $(foreach name,PYTHON_IMAGE NODE_IMAGE PIP_INDEX_URL NPM_CONFIG_REGISTRY,$(if $($(name)),--build-arg $(name)))

.PHONY: images
images: ## Build every image as artstore/<service>:<version> (IMAGES=registry/prefix VERSION=… BUILD_ARGS=…)
	@set -e; for target in $(IMAGE_TARGETS); do docker build $(BUILD_ARGS) $(IMAGE_SOURCES) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		--target $$target --tag $(IMAGES)/$$target:$(VERSION) .; done

.PHONY: sbom
sbom: ## What is in each image (CycloneDX), into dist/sbom
	@mkdir -p dist/sbom
	@set -e; for target in $(IMAGE_TARGETS); do docker run --rm -i --network none --read-only --entrypoint python \
		$(IMAGES)/$$target:$(VERSION) - $(IMAGES)/$$target $(VERSION) < tests/images/sbom.py > dist/sbom/$$target.cdx.json; \
		echo dist/sbom/$$target.cdx.json; done

.PHONY: base-images
base-images: ## Where no registry can be reached: what ours are built from and run beside, from Debian's and PyPI's packages
	@tests/images/base_images

##@ Checks

.PHONY: test
test: venv assets system lint types unit e2e ## Everything that must hold: lint, types, unit, integration, contract, end to end

.PHONY: lint
lint: venv ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: venv ## mypy, strict, a package at a time
	@set -e; for package in $(PACKAGES) openapi observability docs bench tests; do echo "mypy $$package"; \
		$(BIN)/mypy --no-error-summary $$package; done

.PHONY: unit
unit: venv ## Unit, contract and integration tests, on a real PostgreSQL and a real Envoy
	$(BIN)/pytest -q -n 3 --dist worksteal --durations 40 --durations-min 4 $(PACKAGES) tests/charts tests/contract tests/docs tests/images tests/power_cut tests/rules

.PHONY: e2e
e2e: venv ## End to end: the whole stack, through Envoy, with real clients
	$(BIN)/pytest -q -n 2 --dist loadfile --durations 15 --durations-min 4 tests/e2e tests/browser tests/range tests/faults tests/observability

.PHONY: rules
rules: venv ## Alerts, recording rules, dashboards: promtool's checks, and a test for every alert
	@requirements/install-promtool
	$(BIN)/pytest -q tests/rules

.PHONY: traces
traces: venv ## Write the traces of an upload, a search, a download and a preview into docs/observability*.md, from a running stack
	PYTHONPATH=tests/support:openapi $(BIN)/python tests/observability/trace_trees.py

.PHONY: dashboards
dashboards: venv ## Write charts/artstore/dashboards/*.json anew from the code
	PYTHONPATH=observability $(BIN)/python -m artstore_dashboards charts/artstore/dashboards

.PHONY: chart-pods
chart-pods: venv ## The storage element's pods as containers of the real image (after `make images`; needs Docker and root)
	ARTSTORE_CHART_IMAGES=1 $(BIN)/pytest -q tests/charts/test_chart_element_runs.py

.PHONY: chart-policy
chart-policy: venv $(VENV)/policy/.ready ## checkov on everything that the charts render
	PYTHONPATH=tests/support $(BIN)/python -m chart_write $(VENV)/policy/renders
	$(VENV)/policy/bin/checkov --config-file tests/charts/checkov.yaml --directory $(VENV)/policy/renders

$(VENV)/policy/.ready: requirements/policy.txt
	$(PYTHON) -m venv $(VENV)/policy
	$(VENV)/policy/bin/python -m pip install --quiet --require-hashes -r requirements/policy.txt
	@touch $@

.PHONY: openapi
openapi: venv ## Write openapi/*.yaml anew from the code
	$(BIN)/python openapi/generate.py

.PHONY: charts
charts: venv ## Write what the charts have from the code: routes, Envoy's answers, the READMEs' tables of values
	$(BIN)/python -m charts.generate

.PHONY: format
format: venv ## Let ruff put the code in order
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

##@ Documents

.PHONY: docs
docs: venv $(VENV)/docs/.ready ## The site of docs/ in both languages, strictly: into build/docs (docs-serve shows it)
	@rm -rf build/docs
	$(BIN)/python -m docs.tools.assemble build/docs-source
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs --quiet build --strict
	$(BIN)/python -m docs.tools.check_site build/docs

.PHONY: docs-serve
docs-serve: docs ## The built site on http://127.0.0.1:8008
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/docs 8008

.PHONY: docs-reference
docs-reference: venv ## Write docs/reference/configuration anew from the settings classes
	$(BIN)/python -m docs.tools.configuration

.PHONY: drills
drills: venv assets system-up ## Every command of docs/drills.md, backup.md and hardening.md, on a stack of its own; 5 to 10 minutes
	$(BIN)/python -m docs.tools.drills

$(VENV)/docs/.ready: requirements/docs.txt
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install --quiet --require-hashes -r requirements/docs.txt
	@touch $@

##@ Slow proof

.PHONY: test-compose
test-compose: venv images ## tests/e2e against the containers of compose.yaml: a Docker engine here, root (TESTS=tests/range: others)
	E2E_TARGET=compose ARTSTORE_IMAGES=$(IMAGES) ARTSTORE_VERSION=$(VERSION) \
		$(BIN)/pytest -q --durations 15 --durations-min 4 $(or $(TESTS),tests/e2e)

.PHONY: rules-live
rules-live: venv ## A real Prometheus with our rules and dashboards beside a whole stack; an element is taken away; 5 min
	PYTHONPATH=tests/support:tests/rules $(BIN)/python tests/soak/live_rules.py

.PHONY: power-cut
power-cut: venv ## 240 power cuts of a real ext4 under a busy element, then with a flush left out: root, /dev/fuse, loop devices
	PYTHONPATH=tests/power_cut $(BIN)/python -m power_cut --cuts 240
	PYTHONPATH=tests/power_cut $(BIN)/python -m power_cut --cuts 60 --weaken fsync
	PYTHONPATH=tests/power_cut $(BIN)/python -m power_cut --cuts 120 --weaken directory-fsync

.PHONY: kill-at-every-call
kill-at-every-call: venv ## SIGKILL at every single call to the filesystem, of every kind of change
	ARTSTORE_KILL_STRIDE=1 $(BIN)/pytest -q -s -n 2 storage-element/tests/crash/test_kill_at_every_call.py

.PHONY: two-replicas
two-replicas: venv ## Two replicas of admin behind Envoy, one killed every few seconds, two minutes of mixed load
	ARTSTORE_REPLICAS_SECONDS=120 $(BIN)/pytest -q -s admin-service/tests/test_two_replicas.py

.PHONY: fuzz-render
fuzz-render: venv ## 1,200 files of the corpus, each harmed at random, through the decoders
	ARTSTORE_FUZZ_COUNT=1200 $(BIN)/pytest -q -n 2 render-service/tests/test_decoders_fuzz.py

.PHONY: soak-download
soak-download: venv ## 64 slow readers of 1 GiB and the memory they cost; elements killed under 200 downloads; both on both ways
	$(BIN)/python tests/range/soak_download

.PHONY: soak-render
soak-render: venv ## 500 previews while render's workers are killed at random and the database is restarted
	ARTSTORE_SOAK_JOBS=500 ARTSTORE_SOAK_KILLS=20 ARTSTORE_SOAK_DECODE_SECONDS=0.2 $(BIN)/pytest -q -s \
		render-service/tests/test_deaths.py

.PHONY: soak-viewer
soak-viewer: venv ## A picture of 20,000 x 20,000 in OpenSeadragon, zoomed into a corner (SCREENSHOTS=docs/images: keeps some)
	ARTSTORE_VIEWER_SIDE=20000 $(if $(SCREENSHOTS),ARTSTORE_SCREENSHOTS=$(SCREENSHOTS)) $(BIN)/pytest -q -s \
		--durations 5 tests/browser/test_viewer.py

.PHONY: console-pages
console-pages: venv assets ## Every page of the console in a browser: both roles in both languages, at a desk, on a phone, by day and by night
	ARTSTORE_CONSOLE_WHOLE=1 $(BIN)/pytest -q -s tests/browser/test_console_pages.py

.PHONY: screenshots
screenshots: venv assets ## Every page of the console as a picture, in both languages, into docs/images/console
	PYTHONPATH=tests/support:tests/corpus:. $(BIN)/python -m console_screens docs/images/console

.PHONY: soak-upload
soak-upload: venv ## 10 GiB in rough weather: client, ingester, gateway, element killed, 30 s offline (MIB=256: a small one)
	PYTHONPATH=tests/support $(BIN)/python tests/soak/soak_upload.py $(if $(MIB),--mib $(MIB))

.PHONY: soak-replicas
soak-replicas: venv ## 50 uploads of 200 MiB at once while ingester replicas are killed at random (MIB=20: small ones)
	PYTHONPATH=tests/support $(BIN)/python tests/soak/soak_replicas.py $(if $(MIB),--mib $(MIB))

.PHONY: rolling-restart
rolling-restart: venv ## Every service restarted, one process after another, under mixed load through Envoy (ROUNDS=2: twice)
	PYTHONPATH=tests/support $(BIN)/python tests/upgrade/rolling_restart.py $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: chart-install
chart-install: venv ## charts/artstore's Jobs and waiting pods, all started at once, as processes on a real PostgreSQL
	$(BIN)/pytest -q --durations 3 tests/charts/chart_artstore_installs.py

.PHONY: upgrade-test
upgrade-test: venv ## From the version before under load, old and new processes side by side (FROM=v1.2.3: from that one)
	PYTHONPATH=tests/support $(BIN)/python tests/upgrade/rolling_upgrade.py $(if $(FROM),--from $(FROM))

##@ Figures

.PHONY: bench-big-file
bench-big-file: venv ## 3 GiB through the gateway and back: speed beside the disk, memory of every process
	$(BIN)/python bench/big_file.py

.PHONY: bench-storage
bench-storage: venv ## The element beside nginx and copyparty: 1 GiB and 10 KiB, up and down, 1 to 64 clients
	$(BIN)/python -m bench.storage

.PHONY: bench-upload
bench-upload: venv ## Uploads through the gateway beside nginx, bare forwarding, copyparty, Swift: 1 GiB and 10 KiB; about 20 min
	$(BIN)/python -m bench.transfers upload

.PHONY: bench-download
bench-download: venv ## Downloads through the gateway beside nginx, rclone, copyparty, Swift: 1 GiB and 10 KiB; about 15 min
	$(BIN)/python -m bench.transfers download

.PHONY: bench-million
bench-million: venv ## An element with 1,000,000 files: start, rebuild of the index, pages, memory
	$(BIN)/python -m bench.million_files

.PHONY: bench-search
bench-search: venv ## Search on 1,000,000 rows, every mode and 20 filters, through the gateway and beside the bare SQL (SEARCH_ARGS)
	$(BIN)/python -m bench.search $(SEARCH_ARGS)

.PHONY: bench-console
bench-console: venv assets ## Every page of the console with 1,000,000 files in the registry and as many audit entries (SEARCH_ARGS)
	$(BIN)/python -m bench.console $(SEARCH_ARGS)

.PHONY: bench-relevance
bench-relevance: venv ## How good search's order is: NDCG@10 of the judged queries
	$(BIN)/python -m bench.relevance

.PHONY: bench-burn
bench-burn: venv ## Burn the database: 100,000 files of two elements come back and are compared row by row; time and rate
	$(BIN)/python -m bench.burn

.PHONY: bench-rebuild
bench-rebuild: venv ## The registry from 1,000,000 files of an element: rate, memory, and what 100 changes cost then
	$(BIN)/python -m bench.rebuild

.PHONY: bench-render
bench-render: venv ## Previews beside pdftoppm, mutool, vips and ImageMagick: 100 pages, a photograph, a deep zoom; office documents
	PYTHONPATH=tests/corpus $(BIN)/python -m bench.render
