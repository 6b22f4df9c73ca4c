# sluice: make, make run, make test. See README.md.
#
#   B=DIR      build folder (default build)        SAN=1   ASan + UBSan
#   CC=clang   another compiler                    V=1     show commands
#   WITH_REPORTS=0   without sluice dmarc (expat, zlib)
#   WITH_PCRE2=0     without regular expressions of HSL
#   WITH_CURL=0      without HTTP of our own (a host program may answer it)
#                    (sluice version says what is left out; SQLite and Redis aren't used)

CC      = gcc
B      ?= build
PREFIX ?= /usr/local
DESTDIR =

VERSION   := $(shell sed -n 's/^.define SL_VERSION "\(.*\)"/\1/p' core/sluice.h)
SOVERSION  = 0

# Of the library, and what the program needs besides.
WITH_REPORTS ?= 1
WITH_PCRE2 ?= 1
WITH_CURL ?= 1
LIBPKGS  = lua5.4 openssl libidn2 libpsl jansson
ifeq ($(WITH_PCRE2),1)
LIBPKGS += libpcre2-8
WITHOUT  = lua/pcre/regex_none.c
else
WITHOUT  = lua/pcre/regex.c
endif
ifeq ($(WITH_CURL),1)
LIBPKGS += libcurl
WITHOUT += core/http/curl_none.c
else
WITHOUT += core/http/curl.c core/http/client_test.c core/http/background_test.c core/http/api_test.c lua/http/http_test.c
endif
PKGS     = $(LIBPKGS) libmicrohttpd libedit
ifeq ($(WITH_REPORTS),1)
PKGS    += expat zlib
else
WITHOUT += core/auth/report% core/cmd/dmarc.c tests/fuzz/report.c
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
LIB_LIBS   := $(shell pkg-config --libs $(LIBPKGS) 2>/dev/null)

WITH     = -DWITH_REPORTS=$(WITH_REPORTS) -DWITH_PCRE2=$(WITH_PCRE2) -DWITH_CURL=$(WITH_CURL)

# Texts for people may be cut; only gcc warns of it.
CUTS    := $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Wundef -Werror $(CUTS)
OPT      = -O2 -g -fno-omit-frame-pointer -fstack-protector-strong
ifdef SAN
OPT      = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
B        := $(if $(filter build,$(B)),build-asan,$(B))
LDSAN    = -fsanitize=address,undefined
endif
CFLAGS   = -std=c11 -D_GNU_SOURCE $(WARN) $(OPT) -fPIC -pthread $(PKG_CFLAGS) \
           -DSL_STDLIB='"$(STDLIB)"' $(WITH)
LIBLIBS  = -lunbound -lcrypt -lm -pthread
LDLIBS   = $(PKG_LIBS) $(LIBLIBS)
STDLIB   = $(PREFIX)/share/sluice/stdlib

SOURCES := $(filter-out %_test.c %_bench.c core/cmd/% $(WITHOUT),$(wildcard core/*/*.c lua/*/*.c))
CMD     := $(filter-out %_test.c $(WITHOUT),$(wildcard core/cmd/*.c))
UNITS   := $(filter-out $(WITHOUT),$(wildcard core/*/*_test.c lua/*/*_test.c))
MODULES := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard lua/*/*.c)))))

# Of these folders is the library; the gateway's aren't in it, nor what only the tool does.
LIBDIRS  = base tape net mail crypto dns auth http state engine policy
LIBSRC   = $(filter-out core/auth/report%,$(filter $(LIBDIRS:%=core/%/%) lua/%,$(SOURCES)))

OBJ      = $(SOURCES:%.c=$(B)/%.o) $(B)/modules.o
LIBOBJ   = $(LIBSRC:%.c=$(B)/%.o) $(B)/modules.o
CMDOBJ   = $(CMD:%.c=$(B)/%.o)
TESTS    = $(UNITS:%.c=$(B)/test/%)

Q        = $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@echo "  $(1)  $(2)")

all: $(B)/sluice $(B)/libsluice.so.$(SOVERSION) $(B)/libsluice.a

LINKED   = $(B)/sluice $(B)/sluice.a $(B)/libsluice.so.$(SOVERSION) $(B)/libsluice.a

# All but main(), for the program and the tests.
$(B)/sluice: $(CMDOBJ) $(B)/sluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDSAN) -o $@ $(CMDOBJ) $(B)/sluice.a $(LDLIBS)

$(B)/sluice.a: $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(OBJ)

# The library for other programs shows the calls of its headers and nothing else.
# The archive is one object, so that it can keep the rest to itself too.
EXPORTS  = core/libsluice.map

$(B)/exported: $(EXPORTS)
	$(Q)mkdir -p $(B)
	$(Q)grep -oE '^	sl_[a-z0-9_]+' $< | tr -d '\t' > $@

$(B)/libsluice.so.$(SOVERSION): $(LIBOBJ) $(EXPORTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDSAN) -shared -Wl,-soname,libsluice.so.$(SOVERSION) -Wl,--version-script,$(EXPORTS) \
	    $(if $(SAN),,-Wl,--no-undefined) -o $@ $(LIBOBJ) $(LIB_LIBS) $(LIBLIBS)

$(B)/libsluice.a: $(LIBOBJ) $(B)/exported
	$(call say,AR,$@)
	$(Q)$(CC) -r -nostdlib -o $(B)/libsluice.o $(LIBOBJ)
	$(Q)objcopy --keep-global-symbols=$(B)/exported $(B)/libsluice.o
	$(Q)rm -f $@ && ar rcs $@ $(B)/libsluice.o

# The table of builtins: one row per folder of lua/.
$(B)/modules.c: $(wildcard lua/*) Makefile
	$(Q)mkdir -p $(B)
	$(Q){ echo '#include "../core/engine/builtin.h"'; \
	  for m in $(MODULES); do echo "extern const struct sl_builtin sl_module_$$m[];"; done; \
	  echo 'const struct sl_module sl_modules[] = {'; \
	  for m in $(MODULES); do echo "	{ \"$$m\", sl_module_$$m },"; done; \
	  echo '	{ 0 }'; echo '};'; } > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/modules.o: $(B)/modules.c
	$(Q)$(CC) $(CFLAGS) -Icore -c -o $@ $<

# Where the library's modules are is compiled in: another PREFIX makes these anew.
$(B)/core/cmd/stdlib.o $(B)/core/policy/engine.o: $(B)/prefix
$(B)/prefix: FORCE
	$(Q)mkdir -p $(B)
	$(Q)echo '$(STDLIB)' | cmp -s - $@ || echo '$(STDLIB)' > $@

# What is left out is told by few objects, but makes others part of what is linked.
$(B)/core/cmd/main.o $(B)/test/lua/pcre/pcre_test $(LINKED): $(B)/with
$(B)/with: FORCE
	$(Q)mkdir -p $(B)
	$(Q)echo '$(WITH)' | cmp -s - $@ || echo '$(WITH)' > $@

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/test/%: %.c $(B)/sluice.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(B)/sluice.a $(LDLIBS) -lcmocka

-include $(shell find $(B)/core $(B)/lua $(B)/test -name '*.d' -type f 2>/dev/null)

# ---- running, testing -------------------------------------------------------

PYTEST   = /usr/bin/python3 -m pytest -q --no-header -p no:cacheprovider

# As many compilers as cores, unless the caller said how many.
JOBS     = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

install-build:
	@sh tools/install build
install-test:
	@sh tools/install test

# The installs come first and in their own make, for pkg-config is asked when
# the Makefile is read.
run: install-test
	@$(MAKE) --no-print-directory $(JOBS) $(B)/sluice
	@sh tools/demo $(B)

test: install-test
	@$(MAKE) --no-print-directory $(JOBS) check

check: $(B)/sluice $(TESTS)
	@sh tools/run-tests $(B) $(TESTS)

# Recorded conformance suites: make vectors V=FOLDER.
VECTORS := $(patsubst %.c,$(B)/test/%,$(filter %_vectors_test.c,$(UNITS)))

vectors: install-test
	@$(MAKE) --no-print-directory $(VECTORS)
	@sh tools/vectors $(or $(filter-out 1,$(V)),../shared/vectors) $(VECTORS)

asan: install-test
	@$(MAKE) --no-print-directory $(JOBS) SAN=1 check

# The long forms: more kills, reloads and random programs, 10,000 sessions under valgrind too, and the fuzzers.
soak: install-test
	@$(MAKE) --no-print-directory $(JOBS) SAN=1 SLUICE_KILLS=50 SLUICE_RELOADS=1000 EMBED_SESSIONS=10000 \
	    SLUICE_HSL_PROGRAMS=5000 check
	@$(MAKE) --no-print-directory $(JOBS) all
	@SLUICE=$(CURDIR)/build/sluice SLUICE_STDLIB=$(CURDIR)/stdlib EMBED_SESSIONS=10000 \
	    $(PYTEST) tests/embed_test.py -k leak_nothing
	@$(MAKE) --no-print-directory fuzz

FUZZERS  = $(patsubst tests/fuzz/%.c,%,$(filter-out $(WITHOUT),$(wildcard tests/fuzz/*.c)))
FUZZTIME ?= 60

fuzz: install-test
	@$(MAKE) --no-print-directory B=build-fuzz CC=clang OPT='-O1 -g -fsanitize=fuzzer-no-link,address,undefined' \
	    build-fuzz/sluice.a
	@for f in $(FUZZERS); do \
	  clang -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined $(PKG_CFLAGS) -o build-fuzz/$$f \
	    tests/fuzz/$$f.c build-fuzz/sluice.a $(LDLIBS) && \
	  UBSAN_OPTIONS=halt_on_error=1 build-fuzz/$$f -max_total_time=$(FUZZTIME) -print_final_stats=0 -verbosity=0 || exit 1; done

lint:
	@lua5.4 tools/layers.lua

# libopendkim is measured beside us where it is.
PEER := $(shell pkg-config --exists opendkim 2>/dev/null && echo -DWITH_OPENDKIM=1 \
          `pkg-config --cflags --libs opendkim` || echo -DWITH_OPENDKIM=0)

bench: $(B)/sluice
	@for b in $(patsubst %.c,%,$(wildcard core/*/*_bench.c)); do \
	  mkdir -p $(B)/$$(dirname $$b) && $(CC) $(CFLAGS) -o $(B)/$$b $$b.c $(B)/sluice.a \
	    $(PEER) $(LDLIBS) && \
	  echo "$$b" && $(B)/$$b || exit 1; done
	@echo "HSL beside Lua" && tools/hsl-bench $(B)
	@echo "the whole program" && tools/bench $(B)

# Scripts of one's own, or of others: which compile, and why some don't. make hsl-corpus DIR=FOLDER
hsl-corpus: $(B)/sluice
	@SLUICE_STDLIB=$(CURDIR)/stdlib tools/hsl-corpus $(B) $(DIR)

format:
	clang-format -i $(wildcard core/*/*.[ch] lua/*/*.c)

docs: $(B)/sluice
	@mkdir -p doc/reference && rm -f doc/reference/*.md
	@lua5.4 tools/reference.lua $(B)/sluice doc/reference
	@lua5.4 tools/manual.lua $(B)/sluice > doc/sluice.lua.5
	@lua5.4 tools/policy_manual.lua $(B)/sluice > doc/sluice-policy.7
	@lua5.4 tools/signatures.lua $(B)/sluice check > stdlib/check/signatures.lua
	@lua5.4 tools/signatures.lua $(B)/sluice editor > doc/sluice.d.lua

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(STDLIB) $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7
	install $(B)/sluice $(DESTDIR)$(PREFIX)/bin/sluice
	cp -r stdlib/. $(DESTDIR)$(STDLIB)
	install -m 644 doc/sluice.d.lua $(DESTDIR)$(STDLIB)
	install -d $(DESTDIR)$(PREFIX)/share/doc/sluice/reference
	install -m 644 doc/*.md $(DESTDIR)$(PREFIX)/share/doc/sluice
	install -m 644 doc/reference/*.md $(DESTDIR)$(PREFIX)/share/doc/sluice/reference
	install -m 644 doc/sluice.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 doc/sluice.lua.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 doc/sluice-policy.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/sluice/base
	install -m 644 core/sluice.h $(DESTDIR)$(PREFIX)/include/sluice
	install -m 644 core/base/types.h $(DESTDIR)$(PREFIX)/include/sluice/base
	install $(B)/libsluice.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib
	ln -sf libsluice.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libsluice.so
	install -m 644 $(B)/libsluice.a $(DESTDIR)$(PREFIX)/lib
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@LIBS@|$(LIB_LIBS) $(LIBLIBS)|' \
	    core/sluice.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/sluice.pc

clean:
	rm -rf build build-*

FORCE:

.PHONY: FORCE all clean run test check vectors asan soak fuzz lint bench hsl-corpus format docs install install-build install-test
