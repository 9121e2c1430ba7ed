# Every target does its own set-up in .venv; `make demo` and `make test` are the two that matter.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SOURCES := pyproject.toml setup.py $(wildcard spacecore/*.pyx spacecore/*.pxd bench/*.pyx)

.PHONY: install demo test bench bench-compare lint clean check-tools

install: $(STAMP)

# The tools that cannot be installed into a virtual environment, each with the line that brings it.
check-tools:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "make: $(PYTHON) is missing. On Debian or Ubuntu:  sudo apt-get install -y python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1), and 3.11 or newer is needed. Name another:  make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: the venv module is missing. On Debian or Ubuntu:  sudo apt-get install -y python3-venv"; exit 1; }
	@command -v $${CC:-gcc} >/dev/null 2>&1 || { \
	  echo "make: a C compiler is missing ($${CC:-gcc}). On Debian or Ubuntu:  sudo apt-get install -y gcc"; exit 1; }
	@printf '#include <stdlib.h>\n' | $${CC:-gcc} -E -x c - >/dev/null 2>&1 || { \
	  echo "make: the C library's headers are missing. On Debian or Ubuntu:  sudo apt-get install -y libc6-dev"; exit 1; }
	@test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || { \
	  echo "make: Python.h is missing. On Debian or Ubuntu:  sudo apt-get install -y python3-dev"; exit 1; }

$(BIN)/python: | check-tools
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip "setuptools>=77,<85" "cython>=3.1,<3.4"
	SPACECORE_STRICT=1 SPACECORE_BENCH=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable ".[dev]"
	@touch $@

demo: install
	$(BIN)/spaces demo

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(BIN)/python -m pytest bench --benchmark-disable -q

bench: install
	$(BIN)/python -m pytest bench --benchmark-only
	$(BIN)/python -m bench.room

bench-compare: install
	@test -n "$(BASE)" || { echo "make: name the commit to compare with:  make bench-compare BASE=<commit>"; exit 1; }
	$(BIN)/python -m bench.compare --base "$(BASE)"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find spacecore bench signaling tests -name '*.so' -delete -o -name '__pycache__' -type d -prune -exec rm -rf {} +
