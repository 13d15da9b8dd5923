# Every target sets this machine up for itself first: see scripts/setup.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test sweep lint bench image agents setup setup-build setup-run setup-test setup-lint

# More for the program or the runner: make demo ARGS=--once, make test ARGS='-E "test(/markdown/)"'.
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup-run ## Watch an issue become a pull request, with no account and no key
	cargo run --locked -- demo $(ARGS)

# Real agents are driven where they are installed as the list says; what to run is otherwise the same.
AGENTS_DIR := $(or $(PROVA_AGENTS_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/prova/agents)
PROFILE = $(shell cmp -s scripts/agents/package-lock.json $(AGENTS_DIR)/package-lock.json \
	&& echo default || echo without-agents)

test: setup-test ## Run all tests
	@[ $(PROFILE) = default ] || \
	  echo 'make: real agents are not installed, and their tests left out: make agents fetches them' >&2
	cargo nextest run --locked --profile $(PROFILE) $(ARGS)

SWEEP_SEED ?= $(shell date +%s)
SWEEP_KILLS ?= 300
sweep: setup-test ## Cut every call and kill many servers; SWEEP_SEED and SWEEP_KILLS choose the kills
	PROVA_SWEEP=all PROVA_SWEEP_SEED=$(SWEEP_SEED) PROVA_SWEEP_KILLS=$(SWEEP_KILLS) \
	  cargo nextest run --locked --profile sweep -E 'test(/sweep/)' $(ARGS)

# The cheap first: what fails in a second should not wait for the compiler.
lint: setup-lint ## Check format, lints, architecture, docs and dependencies
	cargo fmt --check
	scripts/lint-tree
	@# At this level duplicate versions are silent and what breaks a rule is shown with its path.
	cargo deny --locked --log-level error check bans licenses sources
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --quiet --test architecture
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

bench: setup-run ## Run the benchmarks
	cargo bench --locked $(ARGS)

image: ## Build the container image
	docker build --tag prova .

agents: ## Fetch the real agents that tests drive (1.6 GB)
	scripts/setup agents

setup: ## Install what all of these need
	scripts/setup build run test lint

setup-build setup-run setup-test setup-lint: setup-%:
	@scripts/setup $*
