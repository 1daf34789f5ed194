# Each target does its own set-up; the second run of any set-up is instant. What each one is for: `make help`.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup npm demo up test test-live check bench conformance fuzz docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1@\2/p' Makefile | column -t -s @

setup: ## make .venv from requirements.lock, hashes checked
	@scripts/setup

npm: ## install the npm servers of the demo into var/npm, where Node is present
	@scripts/npm-servers

demo: setup npm ## run the demo bank behind Tallystick, with people, an agent and a verified record
	@.venv/bin/tally demo

up: setup npm ## start the demo bank behind Tallystick, and leave it running
	@.venv/bin/tally up

test: setup npm ## run the default test suite
	@scripts/siem
	@scripts/skillsaw
	@scripts/oracles
	@scripts/scale
	@scripts/syslog
	@scripts/lane "payload keys in a PKCS#11 token" softhsm2-util=softhsm2 || true
	@PYTHONHASHSEED=$${PYTHONHASHSEED:-$$RANDOM} .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-live: setup npm ## run the live lane: kills, real peers, long runs
	@scripts/conformance-setup
	@scripts/peers
	@scripts/kms
	@scripts/scale
	@scripts/syslog
	@.venv/bin/python -m pytest -m live $(ARGS)

check: setup ## lint, types, import contracts, architecture and docs rules
	@scripts/check

bench: setup ## measure against direct, nginx, FastMCP, ContextForge and LiteLLM, then control state; prints tables
	@scripts/bench-peers
	@.venv/bin/python -m bench $(ARGS)
	@$(if $(ARGS),,for part in control editors console; do .venv/bin/python -m bench.$$part || exit; done)

fuzz: setup ## fuzz the wire room for ten minutes (ARGS=60: a minute)
	@scripts/fuzz $(ARGS)

conformance: setup ## run the official conformance suite directly and through the gateway, and compare
	@scripts/conformance-setup
	@.venv/bin/python -m conformance $(ARGS)

docs: setup ## write docs/reference anew and test the docs
	@.venv/bin/python scripts/reference.py
	@.venv/bin/python -m pytest -q tests/test_docs.py

lock: setup ## write the lock files anew (UPGRADE=1 moves everything forward)
	@scripts/lock

clean: ## remove everything that the targets made
	rm -rf .venv var dist build .pytest_cache .ruff_cache .import_linter_cache
	find src tests scripts examples bench conformance -name __pycache__ -type d -prune -exec rm -rf {} +
