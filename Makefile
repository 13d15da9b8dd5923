# Every target sets this machine up for itself first: see scripts/setup.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test sweep fuzz lint bench image agents conformance setup setup-build setup-run setup-test setup-fuzz setup-lint

# More for the program or the runner: make demo ARGS=--once, make test ARGS='-E "test(/markdown/)"'.
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup-run ## Watch an issue become a pull request, with no account and no key
	cargo run --locked -- demo $(ARGS)

# Real agents are driven where they are installed as the list says; what to run is otherwise the same.
AGENTS_DIR := $(or $(PROVA_AGENTS_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/prova/agents)
same = cmp -s scripts/agents/$(1) $(AGENTS_DIR)/$(1)
PROFILE = $(shell $(call same,package-lock.json) && $(call same,requirements.txt) || { echo without-agents; exit; }; \
	[ -x $(AGENTS_DIR)/bin/aider ] && echo default || echo without-python-agents)

# Tests wait for disks and for processes as long as they compute.
TEST_THREADS = $(shell expr 2 '*' $$(nproc))

test: setup-test ## Run all tests
	@case $(PROFILE) in \
	  without-agents) echo 'make: real agents are not installed, and their tests left out: make agents fetches them' ;; \
	  without-python-agents) echo 'make: no Aider and no mini-swe-agent for the Python here: their tests are left out' ;; \
	esac >&2
	cargo nextest run --locked --profile $(PROFILE) --test-threads $(TEST_THREADS) $(ARGS)

SWEEP_SEED ?= $(shell date +%s)
SWEEP_KILLS ?= 300
sweep: setup-test ## Cut every call and kill many servers; SWEEP_SEED and SWEEP_KILLS choose the kills
	PROVA_SWEEP=all PROVA_SWEEP_SEED=$(SWEEP_SEED) PROVA_SWEEP_KILLS=$(SWEEP_KILLS) \
	  cargo nextest run --locked --profile sweep -E 'test(/sweep/)' $(ARGS)

FUZZ_SECONDS ?= 20
fuzz: setup-fuzz ## Fuzz what reads hostile bytes, each for FUZZ_SECONDS; ARGS names targets
	scripts/fuzz $(FUZZ_SECONDS) $(ARGS)

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

agents: ## Fetch the real agents that tests drive (2.6 GB)
	scripts/setup agents

# A run that fails is told by the table, too.
conformance: setup-test agents ## Try every case with every real agent, and write the table of docs/agents.md
	@kept=$$(mktemp -d) && trap 'rm -rf "$$kept"' EXIT && status=0 && \
	{ PROVA_CONFORMANCE=$$kept cargo nextest run --locked --profile conformance || status=$$?; } && \
	scripts/conformance "$$kept" $(AGENTS_DIR) && exit $$status

setup: ## Install what all of these need
	scripts/setup build run test lint

setup-build setup-run setup-test setup-fuzz setup-lint: setup-%:
	@scripts/setup $*
