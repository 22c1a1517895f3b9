# The verbs of the project; `make` alone lists them.
#
# Values given to make (IMAGE=..., NAME=...) reach the program as they are: they are exported,
# and the shell reads them as quoted variables, never as its own text.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What a user may set. `override`, since make would expand a value from its command line
# before it exports it, and run what stands in $(shell ...).
override IMAGE := $(value IMAGE)
override NAME := $(value NAME)
override PLATFORM := $(value PLATFORM)
override TO := $(value TO)
override FORCE := $(value FORCE)
override ARGS := $(value ARGS)
export IMAGE NAME PLATFORM TO FORCE ARGS

# Options from the variables that are set; $$ARGS is for whatever has no variable of its own,
# and is the only one that the shell splits into words.
FORCED = $$(case "$$FORCE" in 1|true|yes) echo --force;; esac)
NAMED = $${NAME:+"--name=$$NAME"} $${PLATFORM:+"--platform=$$PLATFORM"}

.PHONY: help setup setup-dev batch plan aliyun ghcr double copy name doctor history demo bench test soak lint format check clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/.ready ## make the virtual environment, and install skopeo where it is missing
	@bin/install-tools skopeo

setup-dev: setup $(VENV)/.ready-dev
	@bin/install-tools docker-registry

$(VENV)/.ready: pyproject.toml
	@bin/make-venv $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

batch: setup ## mirror all of images.txt to the targets of SYNC_MODE
	@bin/syncer batch $(FORCED) $$ARGS

plan: setup ## say what batch would do, and change nothing
	@bin/syncer plan $$ARGS

aliyun ghcr double: setup need-image
	@bin/syncer $@ $(NAMED) $(FORCED) $$ARGS -- "$$IMAGE"

aliyun: ## mirror one image to Aliyun: IMAGE=nginx:alpine [NAME=...] [PLATFORM=...] [FORCE=1]
ghcr: ## mirror one image to GHCR: IMAGE=nginx:alpine [NAME=...] [PLATFORM=...] [FORCE=1]
double: ## mirror one image to Aliyun and GHCR: IMAGE=... [NAME=...] [PLATFORM=...] [FORCE=1]

copy: setup need-image ## mirror one image to any target: IMAGE=... TO=ghcr,aliyun [NAME=...]
	@bin/syncer copy "--to=$$TO" $(NAMED) $(FORCED) $$ARGS -- "$$IMAGE"

name: setup ## print the destination of IMAGE=..., or check the whole list, without the network
	@bin/syncer name $(NAMED) $$ARGS $${IMAGE:+-- "$$IMAGE"}

.PHONY: need-image
need-image:
	@[ -n "$$IMAGE" ] || { echo "name the image, as in: make $(firstword $(MAKECMDGOALS)) IMAGE=nginx:alpine" >&2; exit 2; }

doctor: setup ## check settings, list, tools, logins and the right to push, and say what to fix
	@bin/syncer doctor $$ARGS

history: setup ## tell of past runs
	@bin/syncer history $$ARGS

demo: setup ## see a real batch on throw-away local registries: no account needed
	@bin/install-tools docker-registry
	@$(BIN)/python -m demo

bench: setup ## measure it beside its peers: ARGS='--only noop-single --runs 3'
	@bin/install-tools docker-registry
	@$(BIN)/python -m benchmarks $$ARGS

test: setup-dev ## run the whole suite
	@$(BIN)/python -m pytest -n auto -q $$ARGS

soak: setup-dev ## the long form of the kill and soak tests, with a tally: some ten minutes
	@SOAK=1 $(BIN)/python -m pytest -q -s --show-capture=no tests/integration/sync/test_killed.py tests/integration/sync/test_soak.py $$ARGS

lint: setup-dev ## check format, rules, types and floors
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@bin/lint-scripts
	@bin/lint-workflows

format: setup-dev ## put the code into its format
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

check: lint test ## all that has to pass before a commit

clean: ## remove what setup and tests made; the state of runs stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
