# The verbs of the project; `make` alone lists them.
#
# Values given to make (IMAGE=..., NAME=...) reach the program as they are: they are exported,
# and the shell reads them as quoted variables, never as its own text. They are taken from make's
# command line only: WSL, for one, has the computer's name as NAME in the environment of every
# shell.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin

# What a user may set, verb by verb; PYTHON makes the virtual environment and may be set always.
OF_A_LIST := FILE TO
OF_AN_IMAGE := IMAGE NAME PLATFORM
batch_TAKES := $(OF_A_LIST) FORCE ARGS
plan_TAKES := $(OF_A_LIST) $(OF_AN_IMAGE) FORCE ARGS
aliyun_TAKES := $(OF_AN_IMAGE) FORCE ARGS
ghcr_TAKES := $(aliyun_TAKES)
double_TAKES := $(aliyun_TAKES)
copy_TAKES := $(OF_AN_IMAGE) TO FORCE ARGS
name_TAKES := $(OF_A_LIST) $(OF_AN_IMAGE) ARGS
doctor_TAKES := $(OF_A_LIST) ARGS
history_TAKES := ARGS
config_TAKES := ARGS
catalog_TAKES := $(OF_A_LIST) ARGS
bench_TAKES := ARGS
test_TAKES := ARGS
soak_TAKES := ARGS
check_TAKES := ARGS

goals := $(or $(MAKECMDGOALS),help)
given := $(sort $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
taken := $(sort $(foreach goal,$(goals),$($(goal)_TAKES)))
unknown := $(filter-out PYTHON $(taken),$(given))
$(if $(unknown),$(error 'make $(goals)' takes no $(unknown)\
    (it takes: $(or $(taken),nothing); a setting goes before it, as in: JOBS=2 make batch)))

# `override`, since make would expand a value from its command line before it exports it, and
# run what stands in $(shell ...).
PYTHON ?= python3
override PYTHON := $(value PYTHON)
variables := $(OF_A_LIST) $(OF_AN_IMAGE) FORCE ARGS
$(foreach name,$(variables),$(eval \
    override $(name) := $$(if $(filter $(name),$(given)),$$(value $(name)))))
export PYTHON $(variables)

ifneq ($(filter-out 1 true yes 0 false no,$(FORCE)),)
$(error FORCE is 1 or 0)
endif

# Options from the variables that are set; $$ARGS is for whatever has no variable of its own,
# and is the only one that the shell splits into words.
SYNCER = set -f; bin/syncer
LISTED = $${FILE:+"--file=$$FILE"} $${TO:+"--to=$$TO"}
NAMED = $${NAME:+"--name=$$NAME"} $${PLATFORM:+"--platform=$$PLATFORM"}
FORCED = $$(case "$$FORCE" in 1|true|yes) echo --force;; esac)
AT_END = $$ARGS $${IMAGE:+-- "$$IMAGE"}

.PHONY: help setup setup-dev venv registry batch plan aliyun ghcr double copy name doctor config history catalog
.PHONY: demo bench peers test soak lint format check clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## make the virtual environment, and install skopeo where it is missing
	@bin/install-tools venv skopeo
	@bin/make-venv "$$PYTHON" $(VENV)

setup-dev: setup
	@bin/make-venv "$$PYTHON" $(VENV) test,lint
	@$(BIN)/python -m demo.binaries

# All that is needed by what starts no skopeo.
venv:
	@bin/install-tools venv
	@bin/make-venv "$$PYTHON" $(VENV)

# The registry of the demo, the tests and the benchmarks; nothing of the system is changed.
registry: setup
	@$(BIN)/python -m demo.binaries

batch: setup ## mirror all of images.txt to the targets of SYNC_MODE: [FILE=...] [TO=...] [FORCE=1]
	@$(SYNCER) batch $(LISTED) $(FORCED) $$ARGS

plan: setup ## say what batch would do, and change nothing: [FILE=...] [TO=...] [IMAGE=...]
	@$(SYNCER) plan $(LISTED) $(NAMED) $(FORCED) $(AT_END)

aliyun ghcr double: setup need-image
	@$(SYNCER) $@ $(NAMED) $(FORCED) $(AT_END)

aliyun: ## mirror one image to Aliyun: IMAGE=nginx:alpine [NAME=...] [PLATFORM=...] [FORCE=1]
ghcr: ## mirror one image to GHCR: IMAGE=nginx:alpine [NAME=...] [PLATFORM=...] [FORCE=1]
double: ## mirror one image to Aliyun and GHCR: IMAGE=... [NAME=...] [PLATFORM=...] [FORCE=1]

copy: setup need-image ## mirror one image to any target: IMAGE=... TO=ghcr,aliyun [NAME=...]
	@$(SYNCER) copy "--to=$$TO" $(NAMED) $(FORCED) $(AT_END)

name: venv ## print the destination of IMAGE=..., or check the whole list, without the network
	@$(SYNCER) name $(LISTED) $(NAMED) $(AT_END)

.PHONY: need-image
need-image:
	@[ -n "$$IMAGE" ] || { echo "name the image, as in: make $(firstword $(MAKECMDGOALS)) IMAGE=nginx:alpine" >&2; exit 2; }

doctor: venv ## check settings, list, tools, logins and the right to push, and say what to fix
	@$(SYNCER) doctor $(LISTED) $$ARGS

config: venv ## say what is in force, and where each value is from
	@$(SYNCER) config $$ARGS

history: venv ## list past runs
	@$(SYNCER) history $$ARGS

catalog: venv ## write a page of what is mirrored into catalog/: [FILE=...] [TO=...]
	@$(SYNCER) catalog $(LISTED) $$ARGS

demo: registry ## see a real batch on throw-away local registries: no account needed
	@$(BIN)/python -m demo

bench: registry ## measure it beside its peers: ARGS='--only noop-single --runs 3'
	@set -f; $(BIN)/python -m benchmarks $$ARGS

peers: setup-dev ## install a second registry to test on, where there is Go
	@command -v go >/dev/null || { echo "there is no Go here: the tests go without a second registry" >&2; exit 3; }
	@GOBIN="$(CURDIR)/$(BIN)" go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2

# All is collected once beforehand, so that what pytest makes of each file is there for each worker.
test: setup-dev ## run the whole suite
	@set -f; unset PYTHONDONTWRITEBYTECODE; \
	$(BIN)/python -m pytest --collect-only -qq $$ARGS >/dev/null 2>&1; \
	$(BIN)/python -m pytest -n 4 --dist worksteal -q $$ARGS

soak: setup-dev ## the long form of the kill, soak, hostile and serve tests, with a tally: some half an hour
	@set -f; SOAK=1 $(BIN)/python -m pytest -q -s --show-capture=no tests/integration/sync/test_killed.py tests/integration/sync/test_soak.py tests/integration/sync/test_slow_host.py tests/integration/sync/test_any_manifest.py tests/integration/front/test_serve.py $$ARGS

lint: setup-dev ## check format, rules, types, imports and scripts
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
