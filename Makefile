# Every verb of the house. `make` alone lists them; each installs what it needs into .venv, and only then.

# The first Python that is new enough, the user's own one before others.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# cpu or gpu: the two builds of ONNX Runtime overwrite each other, so one of them is chosen here.
WINNOW_EXTRA ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
# TORCH=1 also installs torch (export extra): export's own tests and checks need it, nothing else does.
TORCH ?= 0
ARGS ?=
BENCH ?= stitching hop_latency end_to_end sessions files

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-$(WINNOW_EXTRA)
DEV_STAMP := $(VENV)/.installed-$(WINNOW_EXTRA)-dev
EXPORT_STAMP := $(VENV)/.installed-$(WINNOW_EXTRA)-export
ifeq ($(TORCH),1)
TEST_STAMPS := $(EXPORT_STAMP) $(DEV_STAMP)
else
TEST_STAMPS := $(DEV_STAMP)
endif

.PHONY: help demo serve test lint types layers bench train clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(RUN_STAMP) ## stream a scene through a real server, ask for one sound, print what was measured
	$(BIN)/winnow demo $(ARGS)

serve: $(RUN_STAMP) ## start the server on http://127.0.0.1:8000 (ARGS="--port 9000")
	$(BIN)/winnow serve $(ARGS)

test: $(TEST_STAMPS) ## run the tests (TORCH=1: those of export too)
	$(BIN)/python -m pytest $(ARGS)

lint: $(TEST_STAMPS) ## style (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TEST_STAMPS) ## types (mypy --strict)
	$(BIN)/mypy

layers: $(TEST_STAMPS) ## who may import whom (import-linter)
	$(BIN)/lint-imports --no-cache

bench: $(DEV_STAMP) ## run the benchmarks (BENCH="sessions", ARGS="--help")
	@set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); done

train: $(EXPORT_STAMP) ## train the embedded model (ARGS="--data FOLDER"; ARGS="--help")
	$(BIN)/python -m export.train.separator $(ARGS)

clean: ## remove .venv and what the tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Winnow needs Python 3.11 or newer; name one with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than pyproject.toml: a changed dependency installs again, nothing else does.
$(RUN_STAMP): pyproject.toml | $(BIN)/python
	@echo 'installing into $(VENV) …'
	@$(BIN)/python -m pip install -qq --editable '.[$(WINNOW_EXTRA)]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	@echo 'installing into $(VENV) …'
	@$(BIN)/python -m pip install -qq --editable '.[$(WINNOW_EXTRA),dev]'
	@touch $@ $(RUN_STAMP)

$(EXPORT_STAMP): pyproject.toml | $(BIN)/python
	@echo 'installing into $(VENV) …'
	@$(BIN)/python -m pip install -qq --editable '.[$(WINNOW_EXTRA),export,sam-audio]'
	@touch $@ $(RUN_STAMP)
