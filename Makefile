# The commands of the README, and the gate. All set-up happens here, in .venv, without privileges.
.DELETE_ON_ERROR:
.PHONY: run demo test check lint types imports clean install install-environment install-files uninstall

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
## (A file is run by one process, so that what its tests share is made once, and in the order of their names, which
## has the longest first; the programs that they start by the hundred are compiled once, whatever the environment says.)
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered
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

## install: as a service, as root: /opt/iso-gateway (its own environment), /etc/iso-gateway, the units, the command.
## DESTDIR=DIR makes the files below DIR only, for a package. Nothing in /etc/iso-gateway is ever overwritten.
install: install-environment install-files
ifeq ($(DESTDIR),)
	config/systemd/prepare.sh
endif

# Made beside the one that runs, and put in its place when it is whole. Scripts and compiled files name their last place.
ENVIRONMENT := /opt/iso-gateway
install-environment:
	rm -rf $(DESTDIR)$(ENVIRONMENT).new $(DESTDIR)$(ENVIRONMENT).old
	$(PYTHON) -m venv $(DESTDIR)$(ENVIRONMENT).new
	$(DESTDIR)$(ENVIRONMENT).new/bin/pip install --quiet --disable-pip-version-check --no-compile \
		--constraint constraints.txt '.[postgresql]'
	grep -rIlF '$(DESTDIR)$(ENVIRONMENT).new' $(DESTDIR)$(ENVIRONMENT).new/bin $(DESTDIR)$(ENVIRONMENT).new/pyvenv.cfg | \
		xargs sed -i 's|$(DESTDIR)$(ENVIRONMENT).new|$(ENVIRONMENT)|g'
	$(DESTDIR)$(ENVIRONMENT).new/bin/python -m compileall -q -f -s $(DESTDIR)$(ENVIRONMENT).new -p $(ENVIRONMENT) \
		$(DESTDIR)$(ENVIRONMENT).new/lib
	if [ -e $(DESTDIR)$(ENVIRONMENT) ]; then mv $(DESTDIR)$(ENVIRONMENT) $(DESTDIR)$(ENVIRONMENT).old; fi
	mv $(DESTDIR)$(ENVIRONMENT).new $(DESTDIR)$(ENVIRONMENT)
	rm -rf $(DESTDIR)$(ENVIRONMENT).old

LOCAL := /usr/local
UNITS := iso-gateway.socket iso-gateway-lmtp.socket iso-gateway.service
install-files:
	install -d $(DESTDIR)$(LOCAL)/lib/systemd/system $(DESTDIR)$(LOCAL)/lib/sysusers.d $(DESTDIR)$(LOCAL)/bin \
		$(DESTDIR)$(LOCAL)/share/doc/iso-gateway/adr
	install -m 0644 $(UNITS:%=config/systemd/%) $(DESTDIR)$(LOCAL)/lib/systemd/system
	install -m 0644 config/systemd/iso-gateway.sysusers $(DESTDIR)$(LOCAL)/lib/sysusers.d/iso-gateway.conf
	install -m 0755 config/systemd/iso-gateway.sh $(DESTDIR)$(LOCAL)/bin/iso-gateway
	install -m 0644 docs/*.md CHANGELOG.md README.md $(DESTDIR)$(LOCAL)/share/doc/iso-gateway
	install -m 0644 docs/adr/*.md $(DESTDIR)$(LOCAL)/share/doc/iso-gateway/adr

## uninstall: takes away what install has made, and keeps the configuration, the state and the user
uninstall:
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl disable --now $(UNITS); fi
endif
	rm -rf $(DESTDIR)$(ENVIRONMENT) $(DESTDIR)$(LOCAL)/share/doc/iso-gateway
	rm -f $(UNITS:%=$(DESTDIR)$(LOCAL)/lib/systemd/system/%) $(DESTDIR)$(LOCAL)/lib/sysusers.d/iso-gateway.conf \
		$(DESTDIR)$(LOCAL)/bin/iso-gateway
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
endif
	@echo "kept: /etc/iso-gateway and /var/lib/iso-gateway, and the user iso-gateway"

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
