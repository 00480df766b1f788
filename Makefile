PYTHON := $(shell for python in $(PYTHON) python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

# make one part and one test of it: make daemon ARGS="-k adopts"
ARGS =
PARTS = lint unit daemon machine packages vm

DESTDIR =
PREFIX = /usr
SYSCONFDIR = /etc
PYTHONDIR = $(PREFIX)/lib/python3/dist-packages
USERUNITDIR = $(PREFIX)/lib/systemd/user
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
BASHCOMPDIR = $(PREFIX)/share/bash-completion/completions
# Debian's; zsh's own and Fedora's is $(PREFIX)/share/zsh/site-functions
ZSHCOMPDIR = $(PREFIX)/share/zsh/vendor-completions
FISHCOMPDIR = $(PREFIX)/share/fish/vendor_completions.d
# Of a package; empty: the one that the source names.
VERSION =

VENV = python=$$($(PYTHON) -m tests.support.venv) && "$$python"
PYTEST = $(VENV) -m pytest $(ARGS)

# Machines need root. What root runs writes nothing into a user's checkout.
AS_ROOT = $(shell [ "$$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || echo \
	sudo --preserve-env=CI,ARTAC_CACHE,NOT_RUN_NOTES env "PATH=$$PATH" PYTHONDONTWRITEBYTECODE=1)

.PHONY: help venv deps lint unit daemon machine packages vm test run bench man clean python
.PHONY: deb rpm install install-program install-machine install-user uninstall-user

help:
	@echo "make run      set everything up and show the main job on real parts"
	@echo "make test     set everything up and run all tests this machine can run"
	@echo "make PART     one part of the tests: $(PARTS)"
	@echo "              one test of it: make daemon ARGS='-k name'"
	@echo "make bench    the figures, as ratios taken in one run"
	@echo "make man      write the man pages to build/man"
	@echo "make install  into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)"
	@echo "make install-user, uninstall-user   for you alone, into ~/.local"
	@echo "make deb      a Debian package, in dist/; make rpm: an RPM package"
	@echo "make deps     install the system packages that tests need"
	@echo "make venv     print the Python that has the development tools"
	@echo "make clean    remove what was built, the cache included"

python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed: install python3" >&2; exit 1; }

venv: python
	@$(PYTHON) -m tests.support.venv

deps: python
	@$(PYTHON) -m tests.support.system_packages $(PARTS)

lint: python
	@$(VENV) -m ruff check . && "$$python" -m ruff format --check . && \
	"$$python" -m mypy --strict artac_daemon

unit: python
	@$(PYTEST) tests/unit tests/property

daemon: python
	@$(VENV) -m tests.support.prepare daemon && "$$python" -m pytest $(ARGS) tests/daemon

machine: python
	@python=$$($(PYTHON) -m tests.support.venv) && \
	$(AS_ROOT) "$$python" -m tests.support.prepare && \
	$(AS_ROOT) "$$python" -m pytest -p no:cacheprovider $(ARGS) tests/machine

packages: python
	@$(PYTHON) -m tests.support.system_packages packages
	@python=$$($(PYTHON) -m tests.support.venv) && \
	$(AS_ROOT) "$$python" -m tests.support.prepare packages && \
	$(AS_ROOT) "$$python" -m pytest -p no:cacheprovider $(ARGS) tests/packages

vm: python
	@python=$$($(PYTHON) -m tests.support.venv) && \
	$(AS_ROOT) "$$python" -m tests.support.prepare vm && \
	$(AS_ROOT) "$$python" -m pytest -p no:cacheprovider $(ARGS) tests/vm

# Two rows of parts beside each other, each as long as the other.
test: deps
	@$(VENV) -m tests.support.parts lint,unit,daemon,packages machine,vm

run: python
	@$(PYTHON) -m tests.support.system_packages
	@$(VENV) -m tests.demo

bench: python
	@python=$$($(PYTHON) -m tests.support.venv) && $(AS_ROOT) "$$python" -m benchmarks $(ARGS)

# Without bytecode: what root runs writes nothing into a user's checkout.
MANPAGES = $(PYTHON) -B packaging/man/generate.py

man: python
	@rm -rf build/man
	@$(MANPAGES) build/man

# -I: neither a user's PYTHONPATH nor what sessions install into a home reaches the daemon.
define launcher
#!/usr/bin/python3 -I
import sys

if "$(PYTHONDIR)" not in sys.path:
    sys.path.append("$(PYTHONDIR)")
from artac_daemon.$(1).main import main

sys.exit(main())
endef
# As above, and -S: the paths of `site` cost a command as much time as an attach takes to ask for its
# screen, and it needs none of them.
define launcher_of_artac
#!/usr/bin/python3 -IS
import sys

if sys.argv[1:2] != ["attach"]:
    import site

    site.main()
if "$(PYTHONDIR)" not in sys.path:
    sys.path.append("$(PYTHONDIR)")
from artac_daemon.cli.entry import main

sys.exit(main())
endef
# As above: a program waits for it too.
define launcher_of_artac_claude
#!/usr/bin/python3 -IS
import sys

if "$(PYTHONDIR)" not in sys.path:
    sys.path.append("$(PYTHONDIR)")
from artac_daemon.cli.dropin.entry import main

sys.exit(main())
endef
# For the recipe only: artac itself refuses variables of its own naming that it does not know.
install-program: export LAUNCHER_OF_ARTAC = $(launcher_of_artac)
install-program: export LAUNCHER_OF_ARTAC_CLAUDE = $(launcher_of_artac_claude)
install-program: export LAUNCHER_OF_ARTACD = $(call launcher,daemon)

# put FROM TO: the files below FROM, named as they are, with the folders of this installation in them.
define put
set -e; put() { [ ! -d "$$1" ] || (cd "$$1" && find . -type f ! -name '*.pyc' ! -name '.*') | \
	while read -r file; do install -D -m 644 "$$1/$$file" "$(DESTDIR)$$2/$$file"; \
	case $$1 in systemd/*) sed -i 's,/usr/bin/artac,$(BINDIR)/artac,g;s,/etc/artac/,$(SYSCONFDIR)/artac/,g' \
		"$(DESTDIR)$$2/$$file";; esac; done; }
endef

install-program: python
	@$(put); \
	put artac_daemon $(PYTHONDIR)/artac_daemon; \
	put systemd/user $(USERUNITDIR); \
	put etc/sessions.d $(PREFIX)/share/doc/artac/examples/sessions.d; \
	pages=$$(mktemp -d); trap 'rm -rf "$$pages"' EXIT; $(MANPAGES) "$$pages"; \
	put "$$pages" $(MANDIR); \
	install -D -m 644 packaging/completions/artac.bash "$(DESTDIR)$(BASHCOMPDIR)/artac"; \
	install -D -m 644 packaging/completions/_artac "$(DESTDIR)$(ZSHCOMPDIR)/_artac"; \
	install -D -m 644 packaging/completions/artac.fish "$(DESTDIR)$(FISHCOMPDIR)/artac.fish"; \
	install -d "$(DESTDIR)$(BINDIR)"; \
	printf '%s\n' "$$LAUNCHER_OF_ARTAC" >"$(DESTDIR)$(BINDIR)/artac"; \
	printf '%s\n' "$$LAUNCHER_OF_ARTAC_CLAUDE" >"$(DESTDIR)$(BINDIR)/artac-claude"; \
	printf '%s\n' "$$LAUNCHER_OF_ARTACD" >"$(DESTDIR)$(BINDIR)/artacd"; \
	chmod 755 "$(DESTDIR)$(BINDIR)/artac" "$(DESTDIR)$(BINDIR)/artac-claude" \
		"$(DESTDIR)$(BINDIR)/artacd"; \
	config="$(DESTDIR)$(SYSCONFDIR)/artac"; install -d "$$config" "$$config/artac.yaml.d"; \
	[ -e "$$config/artac.yaml" ] || install -m 644 etc/artac.yaml "$$config/artac.yaml"; \
	$(PYTHON) -m compileall -q -s "$(DESTDIR)" "$(DESTDIR)$(PYTHONDIR)/artac_daemon"

# What only the machine's own service has.
install-machine: python
	@$(put); \
	put systemd/system $(PREFIX)/lib/systemd/system; \
	put systemd/sysusers.d $(PREFIX)/lib/sysusers.d; \
	put systemd/tmpfiles.d $(PREFIX)/lib/tmpfiles.d; \
	put systemd/catalog $(PREFIX)/lib/systemd/catalog; \
	put systemd/examples $(PREFIX)/share/doc/artac/examples; \
	config="$(DESTDIR)$(SYSCONFDIR)/artac"; install -d "$$config/artac.yaml.d"; \
	for file in etc/artac.yaml.d/*.yaml; do \
		[ -e "$$config/artac.yaml.d/$${file##*/}" ] || \
		install -m 644 "$$file" "$$config/artac.yaml.d/$${file##*/}"; done; \
	[ -e "$$config/artac.env" ] || install -m 640 etc/artac.env "$$config/artac.env"

install: install-program install-machine
	@[ -n "$(DESTDIR)" ] || echo "next, as root: systemd-sysusers && systemd-tmpfiles --create &&" \
		"journalctl --update-catalog && loginctl enable-linger artac && systemctl daemon-reload &&" \
		"systemctl enable --now artac"

install-user: python
	@packaging/for-one-user install $(PYTHON)

uninstall-user:
	@packaging/for-one-user uninstall

deb:
	@packaging/make-deb "$(CURDIR)/dist" $(VERSION)

rpm:
	@packaging/make-rpm "$(CURDIR)/dist" $(VERSION)

clean:
	@$(AS_ROOT) rm -rf "$${ARTAC_CACHE:-.cache}" build dist \
		.pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find artac_daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +
