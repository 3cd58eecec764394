# SPDX-License-Identifier: GPL-3.0-or-later

VERSION = 0.1.0

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= /sbin
SYSCONFDIR ?= /etc
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
CFLAGS ?= -O2 -g
FUZZ_SECONDS ?= 60

# Every variant has a build folder of its own; libfuse is built once for all.
comma := ,
variant := $(strip $(subst $(comma), ,$(SANITIZE)) $(LIBFUSE))
B := build$(if $(variant),/$(subst $() ,-,$(variant)))

ifneq ($(filter-out help clean lint uninstall,$(or $(MAKECMDGOALS),all)),)
ifeq ($(LIBFUSE),system)
ifneq ($(shell pkg-config --exists 'fuse3 >= 3.14' && echo yes),yes)
$(error LIBFUSE=system: no libfuse 3.14 or newer here, install libfuse3-dev)
endif
FUSE_CFLAGS := $(shell pkg-config --cflags fuse3)
FUSE_LIBS := $(shell pkg-config --libs fuse3)
FUSE_API := $(shell pkg-config --exists 'fuse3 >= 3.18' && echo 318 || echo 314)
else
include build/libfuse/flags.mk
FUSE_API := 318
# fs/ring.h: only in a libfuse that is linked in its replies can be caught
ifneq ($(filter -Lbuild/libfuse/%,$(FUSE_LIBS)),)
FUSE_CFLAGS += -DHAVE_RING=1
wrap := -Wl,--wrap=writev
endif
endif
endif

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-unused-parameter
# _FORTIFY_SOURCE hides calls from the sanitizers
hardening := -fPIE -fstack-protector-strong \
	$(if $(SANITIZE),-fno-omit-frame-pointer,-fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)

cc_flags := -std=gnu11 -pthread $(warnings) $(hardening) $(sanitize) $(CFLAGS)
cpp_flags := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DCAMLOCK_VERSION='"$(VERSION)"' $(CPPFLAGS)
ld_flags := -pthread -pie -Wl,-z,relro,-z,now $(sanitize) $(LDFLAGS)
libs := -lcjson -lcurl $(LDLIBS)
werror := $(if $(filter-out 0,$(WERROR)),-Werror)
compile = $(CC) $(cpp_flags) $(cc_flags) $(werror) -MMD -MP

core := $(patsubst %.c,$(B)/%.o,$(wildcard core/*.c))
program := $(patsubst %.c,$(B)/%.o,$(wildcard fs/*.c cli/*.c))
tools := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
units := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
fuzzers := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(B)/camlock

$(B)/camlock: $(program) $(B)/core.a
	$(CC) $(ld_flags) $(wrap) -o $@ $^ $(FUSE_LIBS) $(libs)

$(B)/core.a: $(core)
	@rm -f $@
	$(AR) rcs $@ $^

# Only these may know FUSE: core/ is built without its include path.
$(B)/fs/%.o $(B)/cli/%.o $(B)/tests/tools/%.o: fuse := $(FUSE_CFLAGS) -DFUSE_USE_VERSION=$(FUSE_API)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(compile) $(fuse) -c -o $@ $<

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/core.a
	$(CC) $(ld_flags) -o $@ $^ $(libs)

$(B)/tests/tools/%: $(B)/tests/tools/%.o
	$(CC) $(ld_flags) -o $@ $^ $(FUSE_LIBS)

$(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(CC) $(ld_flags) -o $@ $^

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/core.a
	$(CC) $(ld_flags) -fsanitize=fuzzer -o $@ $^ $(libs)

# Other flags or another compiler: all is built again. WERROR is left out, it
# changes no object.
flags := $(CC) $(cpp_flags) $(cc_flags) $(FUSE_CFLAGS) $(ld_flags)
$(B)/flags: always
	@mkdir -p $(@D)
	@echo '$(flags)' | cmp -s - $@ || echo '$(flags)' >$@

build/libfuse/flags.mk: scripts/libfuse
	@scripts/libfuse

tests: all $(units) $(tools) $(B)/tests/bench/ops

check: tests
	@BUILD=$(B) TIMEOUT_SCALE=$(if $(SANITIZE),4,1) tests/run

# The mount tests with their records on an etcd.
check-etcd: tests
	@scripts/install-packages test
	@BUILD=$(B) TIMEOUT_SCALE=4 python3 tests/mount/_etcd.py tests/run mount/

# The mount tests with every second person on another host, which has a mount of
# its own of the share.
check-hosts: tests
	@scripts/install-packages test
	@BUILD=$(B) CAMTEST_HOSTS=2 TIMEOUT_SCALE=4 tests/run mount/

# Ten minutes of each: two owners at one moment?
check-owners: tests
	@scripts/install-packages test
	@BUILD=$(B) OWNERS_SECONDS=600 TIMEOUT_SCALE=4 tests/run mount/owners mount/etcd_cluster

# With programs of some hundred megabytes, which it installs.
check-apps: all
	@scripts/install-packages test apps
	@BUILD=$(B) tests/run apps/

# Samba's own tests on the mount and on a folder beside it, all that count.
check-smbtorture: all
	@scripts/install-packages test smbtorture
	@CAMLOCK=$(abspath $(B))/camlock SMBTORTURE=all tests/mount/smbtorture

# Two minutes of saves by Windows machines and Linux users, and the same without
# the mount.
check-storm: all
	@scripts/install-packages test
	@CAMLOCK=$(abspath $(B))/camlock STORM_SECONDS=120 tests/mount/samba_storm

# Over real network file systems, in namespaces of their own; about 10 minutes.
check-shares: all
	@scripts/install-packages test shares
	@BUILD=$(B) tests/run shares/

# A million opens of the holder beside others who look, with --read-only-hint.
check-hint: tests
	@BUILD=$(B) HINT_OPENS=1000000 TIMEOUT_SCALE=4 tests/run mount/hint

bench: all $(B)/tests/bench/ops
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/bench
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/versions

bench-quick: all $(B)/tests/bench/ops
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/bench --quick

# What keeping versions costs; bench runs it, too.
bench-versions: all
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/versions

# Curves: what depends on how much there is.
bench-growth: all $(B)/tests/bench/ops
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/growth

# docs/benchmark.md, with what is measured here and now
bench-page: all $(B)/tests/bench/ops
	@scripts/install-packages bench
	@CAMLOCK=$(abspath $(B))/camlock tests/bench/page $(BENCH_OPTIONS)

fuzz:
	@$(MAKE) B=build/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined run-fuzzers

run-fuzzers: $(fuzzers)
	@for f in $(fuzzers); do echo "$$f: $(FUZZ_SECONDS) s"; \
		mkdir -p $$f.corpus && $$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
		-artifact_prefix=$$f. $$f.corpus $$(ls -d tests/fuzz/corpus/$${f##*/} 2>/dev/null) || exit; done

manuals = $(foreach m,$(wildcard docs/*.[1-8]),man$(subst .,,$(suffix $m))/$(notdir $m))

install: all
	install -D -m 755 $(B)/camlock $(DESTDIR)$(BINDIR)/camlock
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(SYSCONFDIR)/camlock
	ln -sf $(BINDIR)/camlock $(DESTDIR)$(SBINDIR)/mount.fuse.camlock
	for m in $(manuals); do install -D -m 644 docs/$${m#*/} $(DESTDIR)$(MANDIR)/$$m || exit; done
	ln -sf camlock-mount.8 $(DESTDIR)$(MANDIR)/man8/mount.fuse.camlock.8
	install -D -m 644 scripts/camlock.bash $(DESTDIR)$(COMPLETIONDIR)/camlock
	install -d $(DESTDIR)$(UNITDIR)
	sed 's,@BINDIR@,$(BINDIR),' scripts/camlock@.service.in >$(DESTDIR)$(UNITDIR)/camlock@.service
	chmod 644 $(DESTDIR)$(UNITDIR)/camlock@.service

# What is in /etc/camlock stays.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/camlock $(DESTDIR)$(SBINDIR)/mount.fuse.camlock \
		$(DESTDIR)$(COMPLETIONDIR)/camlock $(DESTDIR)$(UNITDIR)/camlock@.service \
		$(manuals:%=$(DESTDIR)$(MANDIR)/%) $(DESTDIR)$(MANDIR)/man8/mount.fuse.camlock.8
	-rmdir $(DESTDIR)$(SYSCONFDIR)/camlock

# A Debian package, in build/; the same installed, run and purged on each
# release; and each booted with it.
deb: all
	@scripts/deb

check-deb: deb
	@scripts/check-deb
	@scripts/check-boot

sources = $$(git ls-files -co --exclude-standard $(1))
lint:
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror $(call sources,'*.[ch]'); \
		else echo 'clang-format is missing: skipped'; fi
	@if command -v cppcheck >/dev/null; then cppcheck -q --error-exitcode=1 --enable=warning,portability \
		--inline-suppr --std=c11 -I. -D_GNU_SOURCE $(call sources,'*.c'); else echo 'cppcheck is missing: skipped'; fi
	@if command -v shellcheck >/dev/null; then shellcheck $$(awk '/^#!.*sh$$/ { print FILENAME } { nextfile }' $(call sources)); \
		else echo 'shellcheck is missing: skipped'; fi

clean:
	@for f in build/*; do case $$f in build/libfuse*) ;; *) rm -rf "$$f" ;; esac; done

help:
	@echo 'make [all|check|check-etcd|check-hosts|check-owners|check-apps|check-smbtorture|check-storm|check-shares|check-hint|bench|bench-quick|bench-growth|bench-versions|bench-page|fuzz|install|uninstall|deb|check-deb|lint|clean]'
	@echo '  SANITIZE=address,undefined or thread    a build of its own below build/'
	@echo '  WERROR=1                                warnings are errors'
	@echo '  LIBFUSE=system                          any libfuse >= 3.14 of the system'
	@echo '  CC CFLAGS LDFLAGS DESTDIR PREFIX FUZZ_SECONDS'

-include $(wildcard $(B)/*/*.d $(B)/tests/*/*.d)

.PHONY: all always tests check check-etcd check-hosts check-owners check-apps check-smbtorture check-storm check-shares check-hint bench bench-quick bench-growth bench-versions bench-page fuzz run-fuzzers install uninstall deb check-deb lint clean help
.DELETE_ON_ERROR:
.SECONDARY:
