# Every target makes the environment it needs. 'make help' lists them.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
# Benchmarked, never used: tf-explain and xplique have an environment of their own.
PEERS  ?= .venv-peers

.DEFAULT_GOAL := help
.PHONY: help demo serve test bench bench-peers lint format install clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed ## Make the workspaces digits and transients, then serve the dashboard
	@BIN="$(BIN)" PORT="$(PORT)" sh scripts/demo.sh

serve: $(VENV)/.installed ## Serve the dashboard on http://localhost:8501 (PORT=... for another)
	$(BIN)/streamlit run dashboard/app.py --server.port $(PORT)

test: $(VENV)/.installed-dev ## Run every test, those in a real browser included
	@sh scripts/test_packages.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(VENV)/.installed ## Measure every claim of speed and memory (half an hour)
	$(BIN)/python -m benchmarks.all

bench-peers: $(PEERS)/.installed ## Measure occlusion maps against tf-explain and xplique (half an hour)
	$(PEERS)/bin/python -m benchmarks.peers

lint: $(VENV)/.installed-dev ## Check style, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Put the code into the common form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed ## Make the virtual environment and install what the program needs

clean: ## Remove the virtual environments; the cache stays
	rm -rf $(VENV) $(PEERS)

$(VENV)/.installed: requirements.txt
	@PYTHON="$(PYTHON)" sh scripts/prerequisites.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pipelines.warm
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

$(PEERS)/.installed: requirements.txt benchmarks/requirements-peers.txt
	@PYTHON="$(PYTHON)" sh scripts/prerequisites.sh
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet -r requirements.txt
	$(PEERS)/bin/python -m pip install --quiet --no-deps -r benchmarks/requirements-peers.txt
	@touch $@
