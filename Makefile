# Every target does its own set-up in .venv; `make demo` and `make test` are the two that matter.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
PIP     := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
FOLDERS := spacecore spacecore/plane signaling/media signaling/load bench
SOURCES := pyproject.toml setup.py $(foreach folder,$(FOLDERS),$(wildcard $(addprefix $(folder)/,*.pyx *.pxd *.pxi *.c *.h)))

.DEFAULT_GOAL := install
.PHONY: install demo test test-postgres bench bench-capacity bench-compare bench-peers bench-quality fuzz soak adversary lint clean check-tools

install: $(STAMP)

# What cannot be installed into a virtual environment, all that is missing at once, with the line that brings it.
# PYTHON=python3.12 asks for python3.12-dev and so on. Where python3 itself is missing, Debian's packages of its
# headers and of venv are named too: nothing tells whether they are there.
check-tools:
	@missing=""; packages=""; \
	lacks() { missing="$$missing  - $$1\n"; packages="$$packages $$2"; }; \
	python="$(notdir $(PYTHON))"; \
	if ! command -v $(PYTHON) >/dev/null 2>&1; then \
	  lacks "$(PYTHON), Python 3.11 or newer" "$$python $$python-dev $$python-venv"; \
	elif ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 or newer is needed. Name another:  make PYTHON=python3.12" >&2; \
	  exit 1; \
	else \
	  $(PYTHON) -c 'import venv, ensurepip' >/dev/null 2>&1 || lacks "Python's venv module with ensurepip" "$$python-venv"; \
	  test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" \
	    || lacks "Python's headers (Python.h)" "$$python-dev"; \
	fi; \
	if ! command -v $${CC:-gcc} >/dev/null 2>&1; then \
	  lacks "a C compiler ($${CC:-gcc})" "gcc libc6-dev"; \
	elif ! printf '#include <stdlib.h>\n' | $${CC:-gcc} -E -x c - >/dev/null 2>&1; then \
	  lacks "the C library's headers (stdlib.h)" "libc6-dev"; \
	fi; \
	if [ -n "$$missing" ]; then \
	  printf "make: this machine lacks\n$$missing" >&2; \
	  echo "On Debian or Ubuntu:  sudo apt-get install -y$$packages" >&2; \
	  exit 1; \
	fi

$(BIN)/python: | check-tools
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(SOURCES) | $(BIN)/python
	$(PIP) install --upgrade pip "setuptools>=77,<85" "cython>=3.1,<3.4"
	SPACECORE_BENCH=1 $(PIP) install --no-build-isolation --editable ".[dev]"
	@touch $@

demo: install
	$(BIN)/spaces demo

# The last two run every benchmark once, so that none of them rots; their figures mean nothing here.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(BIN)/python -m pytest bench --benchmark-disable -q
	$(BIN)/python -m bench.room --ticks 20 --room 2:1 --json >/dev/null

# The store and whole servers on PostgreSQL, which is installed where it is missing and we are root.
test-postgres: install
	$(BIN)/python -m tests.postgres --install

bench: install
	$(BIN)/python -m pytest bench --benchmark-only
	$(BIN)/python -m bench.room
	$(BIN)/python -m bench.join
	$(BIN)/python -m bench.control

# About half an hour. On a machine that does nothing else: one core is the server's, another the load's.
bench-capacity: install
	$(BIN)/python -m bench.capacity --full --out build/capacity.json
	$(BIN)/python -m bench.plot build/capacity.json --out build/capacity.svg

bench-compare: install
	@test -n "$(BASE)" || { echo "make: name the commit to compare with:  make bench-compare BASE=<commit>" >&2; exit 1; }
	$(BIN)/python -m bench.compare --base "$(BASE)"

# Jitter buffers, loss, mixing, passing through: in virtual time, about a quarter of an hour of CPU.
bench-quality: install
	@mkdir -p build
	$(BIN)/python -m bench.quality --out build/quality.json --page build/quality.html $(QUALITY)

# Beside Janus and Mumble, where they are installed; PEERS="--listeners 100,500 --seconds 8" changes the run.
bench-peers: install
	$(BIN)/python -m bench.peers $(PEERS)

# A million mutated packets at the C core of the data plane, under sanitizers; SEED repeats a run.
fuzz: install
	$(BIN)/python -m tests.fuzz.harness --packets $(or $(PACKETS),1000000) $(if $(SEED),--seed $(SEED))

# Ten minutes of people coming and going; memory, sockets and counters must not drift.
soak: install
	$(BIN)/python -m tests.soak.soak --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

# What attacks do to an honest room, one after the other: some four minutes. ATTACK=soak is all at once for half an hour.
adversary: install
	$(BIN)/python -m bench.adversary $(if $(ATTACK),--attack $(ATTACK)) $(if $(SECONDS),--seconds $(SECONDS))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find spacecore signaling bench -name '*.so' -type f -delete
	find spacecore bench signaling tests -name '__pycache__' -type d -prune -exec rm -rf {} +
