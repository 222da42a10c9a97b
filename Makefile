# Two commands do everything, set-up included: `make demo` and `make test`. The environment is .venv, made once and
# brought up to date when pyproject.toml or constraints.txt changes. Nothing needs root.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
OLDEST := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	$$python -c '$(OLDEST)' 2>/dev/null && echo $$python && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt

STATIC := medseg/outputs/report/static
DRAWING := $(STATIC)/niivue.umd.js

.PHONY: help demo install test lint vendor clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo     generate studies, train, predict, measure (about 5 minutes after installation)'
	@echo 'make test     format, lint, types and tests'
	@echo 'make lint     format, lint and types only'
	@echo 'make install  the environment alone'
	@echo 'make vendor   fetch again what the report draws volumes with (npm)'
	@echo 'make clean    remove the environment and caches; results stay'

demo: $(VENV)/.installed
	$(BIN)/medseg demo

install: $(VENV)/.installed

# Two workers of one thread each: PyTorch's own threads would only fight over the cores. A worker that dies ends the
# run, which names the test: what it still had to do would be waited for in vain.
test: $(VENV)/.installed-dev lint
	OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0

# What the report draws volumes with, as npm has it; the licences beside it are of this version.
NIIVUE := 0.69.0
NIIVUE_SHA256 := 47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af

vendor:
	rm -rf build/niivue && mkdir -p build/niivue
	cd build/niivue && npm pack --silent @niivue/niivue@$(NIIVUE) && tar -xzf niivue-niivue-$(NIIVUE).tgz
	echo '$(NIIVUE_SHA256)  build/niivue/package/dist/niivue.umd.js' | sha256sum --check
	cp build/niivue/package/dist/niivue.umd.js $(DRAWING)

# Of another project, so fetched when medseg is built and not kept in its repository; all else works without it.
$(DRAWING):
	@command -v npm >/dev/null && $(MAKE) --no-print-directory vendor \
	|| echo 'npm is missing or failed: medseg report will not draw volumes until `make vendor` works'

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find medseg tests pipelines notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'medseg needs Python 3.11 or newer and found none on PATH.' \
		'Install one, or name it: make demo PYTHON=/path/to/python3.11' >&2; exit 2; }
	@$(PYTHON) -c '$(OLDEST)' || { echo 'medseg needs Python 3.11 or newer; $(PYTHON) is older.' \
		'Name another: make demo PYTHON=/path/to/python3.11' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python $(DRAWING)
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python $(DRAWING)
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed
