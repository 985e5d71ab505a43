# What there is to do with this repository. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev test fire chaos lint deny schemathesis bench bench-publish bench-intake bench-overhead flame openapi generate schema coverage

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

dev: ## Run everything on this machine: database, API, workers, gateway, mail catcher
	@scripts/need.sh postgres
	@cargo build --locked --quiet --bin oms
	@exec target/debug/oms dev

test: ## Install what the tests need, then run the quick ones (`make fire` runs the rest)
	@scripts/test.sh

fire: ## The slow tests: processes killed, frozen, flooded and lied to (minutes, and the whole machine)
	@FIRE=only scripts/test.sh

chaos: ## Everything at once and everything going wrong: make chaos SEED=… SECONDS=… (docs/chaos.md)
	@scripts/need.sh postgres redis
	@CHAOS_SEED="$(SEED)" CHAOS_SECONDS="$(SECONDS)" CHAOS_FAULTS="$(FAULTS)" cargo test --locked --test it -- --ignored --nocapture --exact \
		fire::chaos::the_chaos_run_loses_nothing_and_doubles_nothing

lint: ## Formatting, clippy and documentation, as the CI does it
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

deny: ## Bans, licences and sources of all dependencies, as deny.toml says
	@scripts/deny.sh

schemathesis: ## Ask the API for everything that its document promises; MINUTES=20 goes on with random seeds
	@scripts/need.sh postgres jq curl venv
	@cargo build --locked --bin oms
	@scripts/schemathesis.sh

bench: ## How fast it is: orders against pgbench with our statements, reads, growth, overload; SUBJECTS="reads growth" for some only
	@scripts/need.sh postgres redis
	@cargo bench --locked --quiet --bench orders -- $(SUBJECTS)

RUN ?= target/bench.json
bench-publish: ## Keep what `make bench` has measured last (RUN=target/bench-part.json: some subjects), and write docs/performance.md from it
	@scripts/performance-doc.py benches/results.json docs/performance.md $(RUN)

flame: ## Where the server's processor time goes under orders: target/flame.svg (needs perf)
	@scripts/flame.sh

bench-intake: ## Orders per second through the intake alone, in one process
	@scripts/need.sh postgres
	@cargo bench --locked --quiet --bench placing

bench-overhead: ## What metrics and JSON logs cost a saturated server: orders per second with and without, in turn
	@scripts/need.sh postgres
	@cargo bench --locked --quiet --bench overhead

openapi: ## Write openapi.json and docs/problems.md from the code
	@cargo build --locked --quiet --bin oms
	@target/debug/oms openapi > openapi.json
	@target/debug/oms openapi --problems > docs/problems.md

generate: openapi ## Write everything that is printed by the code
	@python3 grafana/dashboards.py
	@target/debug/oms config --env > .env.example
	@target/debug/oms config --markdown > docs/configuration.md
	@target/debug/oms openapi --order-life > docs/order-life.md

schema: ## Write every module's schema.rs from the migrations (needs the diesel CLI)
	@scripts/need.sh postgres
	@cargo build --locked --quiet --bin oms
	@scripts/with-postgres.sh scripts/schema.sh

coverage: ## Line coverage of src and modules by all tests but those under load; installs cargo-tarpaulin when it is missing
	@scripts/need.sh postgres redis jq
	@cargo tarpaulin --version >/dev/null 2>&1 || cargo install --locked cargo-tarpaulin --version '^0.37'
	cargo tarpaulin --locked --workspace --engine llvm --skip-clean --target-dir target/coverage --timeout 1800 \
		--include-files 'src/*' 'modules/*/src/*' --exclude-files '*/tests/*' '*/tests.rs' -- --skip journeys:: --skip a_hundred_thousand
