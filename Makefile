# Each target sets up what it needs in .venv: Python 3.11 or newer and make are all that must be there.
#   make lab ARGS=--no-browser PORT=8890      make test ARGS='-k table -x'      make tour PYTHON=/opt/python3.13/bin/python3

VENV := .venv
BIN := $(VENV)/bin
KERNELSPEC := $(wildcard kernelspec/*)
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
# Run, not only looked up: a version manager's shim exists and still fails.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for one in $(CANDIDATES); do "$$one" -c '$(NEW_ENOUGH)' 2>/dev/null && { echo "$$one"; break; }; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
NOTEBOOK ?= notebooks/tour.ipynb

# What belongs to another Jupyter or another environment would find other kernels, settings and modules than ours.
unexport JUPYTER_PATH JUPYTER_CONFIG_DIR JUPYTER_CONFIG_PATH JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR
unexport JUPYTERLAB_DIR JUPYTERLAB_SETTINGS_DIR JUPYTERLAB_WORKSPACES_DIR
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV MAKEFLAGS MFLAGS MAKELEVEL
export JUPYTER_PREFER_ENV_PATH := 1

LAB_FLAGS := $(if $(filter 0,$(shell id -u)),--ServerApp.allow_root=True)
LAB_FLAGS += $(if $(PORT),--ServerApp.port=$(PORT) --ServerApp.port_retries=0)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help lab tour test soak check bench browser terminal clean

help:  ## show this list
	@echo 'Vibesbox: every command of a notebook is a managed session.'
	@echo
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

lab: $(VENV)/.ready-lab  ## JupyterLab with the tour notebook open (ARGS=--no-browser PORT=8890)
	$(BIN)/jupyter lab $(LAB_FLAGS) $(ARGS) $(NOTEBOOK)

tour: $(VENV)/.ready-lab  ## run the tour notebook without a browser and print what each cell showed
	$(BIN)/python notebooks/run.py $(ARGS) $(NOTEBOOK)

test: $(VENV)/.ready-test  ## every test (ARGS='-k table' for some of them)
	@$(BIN)/python -m pytest $(ARGS)

soak: $(VENV)/.ready-test  ## the reliability tests in full, for half an hour; their figures go to RELIABILITY.md
	@$(BIN)/python -m pytest -m soak tests/reliability $(ARGS)
	@$(BIN)/python -m tests.reliability.report

check: $(VENV)/.ready-check  ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-bench  ## measure, each thing side by side with its peer (ARGS=--quick)
	$(BIN)/python -m benchmarks $(ARGS)

browser:  ## install Debian's Chromium for the browser tests (as root)
	@if command -v chromium >/dev/null; then echo "chromium is here: $$(command -v chromium)"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo 'make browser knows Debian only: install Chromium by hand and see that "chromium" is on the PATH.' >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo 'make browser installs a package and must run as root: sudo make browser' >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q </dev/null && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core </dev/null

terminal:  ## build the terminal's bundle (xterm.js) anew, with npm, after a change in frontend/
	npm ci --prefix frontend
	npm run build --prefix frontend

clean:  ## remove .venv, builds and caches
	rm -rf $(VENV) frontend/node_modules build dist htmlcov test-results .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@if [ -z '$(PYTHON)' ]; then \
	  echo 'Vibesbox needs Python 3.11 or newer; none of these is: $(CANDIDATES).' >&2; \
	  echo 'Install one, or say where it is: make PYTHON=/path/to/python3' >&2; exit 1; fi
	@'$(PYTHON)' -c '$(NEW_ENOUGH)' || { \
	  echo "Vibesbox needs Python 3.11 or newer; $(PYTHON) is $$('$(PYTHON)' --version 2>&1)." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$('$(PYTHON)' --version)"
	@'$(PYTHON)' -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) can not make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

# An editable install copies the kernelspec, so a change to it installs again.
$(VENV)/.ready-%: pyproject.toml $(KERNELSPEC) | $(BIN)/python
	@echo "Installing Vibesbox and what 'make $*' needs into $(VENV)"
	@$(PIP) install --editable '.[$*]' </dev/null
	@touch $@
