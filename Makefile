# The commands of the README, and the gate. All set-up happens here, in .venv, without privileges.
.DELETE_ON_ERROR:
.PHONY: run demo test check lint types imports clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

## run: start the gateway on SQLite with gateway.toml (one-way on 1611, two-way on 4990; state in var/)
run: $(READY)
	$(BIN)/iso-gateway serve --config gateway.toml

## demo: a gateway and six simulated partners play forty requests to their ends, in well under a minute
demo: $(READY)
	$(BIN)/iso-gateway demo

## test: the whole test suite with its coverage floors; tests whose peer is absent skip and say what installs it
test: $(READY)
	$(BIN)/pytest --cov --cov-report=term:skip-covered
	$(BIN)/coverage report --include='asn1/*,iso_gateway/protocol/*' --fail-under=100

## check: the gate: format, lint, types, import contracts, tests
check: lint types imports test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*

# A virtual environment of this project's own. Debian and Ubuntu ship venv apart from Python: without it, say so.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make run PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
