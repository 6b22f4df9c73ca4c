# sluice: make, make run, make test. See README.md.
#
#   B=DIR      build folder (default build)        SAN=1   ASan + UBSan
#   CC=clang   another compiler                    V=1     show commands

CC      = gcc
B      ?= build
PREFIX ?= /usr/local
DESTDIR =

PKGS     = lua5.4 openssl libcurl libidn2 libpsl jansson libmicrohttpd libedit
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wno-format-truncation -Werror
OPT      = -O2 -g -fno-omit-frame-pointer -fstack-protector-strong
ifdef SAN
OPT      = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
B        := $(if $(filter build,$(B)),build-asan,$(B))
LDSAN    = -fsanitize=address,undefined
endif
CFLAGS   = -std=c11 -D_GNU_SOURCE $(WARN) $(OPT) -fPIC -pthread $(PKG_CFLAGS) \
           -DSL_STDLIB='"$(STDLIB)"'
LDLIBS   = $(PKG_LIBS) -lunbound -lcrypt -lm -pthread
STDLIB   = $(PREFIX)/share/sluice/stdlib

SOURCES := $(filter-out %_test.c %_bench.c core/cmd/%,$(wildcard core/*/*.c lua/*/*.c))
CMD     := $(filter-out %_test.c,$(wildcard core/cmd/*.c))
UNITS   := $(wildcard core/*/*_test.c)
MODULES := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard lua/*/*.c)))))

OBJ      = $(SOURCES:%.c=$(B)/%.o) $(B)/modules.o
CMDOBJ   = $(CMD:%.c=$(B)/%.o)
TESTS    = $(UNITS:%.c=$(B)/test/%)

Q        = $(if $(V),,@)
say      = $(if $(V),,@echo "  $(1)  $(2)")

all: $(B)/sluice

$(B)/sluice: $(CMDOBJ) $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDSAN) -o $@ $^ $(LDLIBS)

$(B)/libsluice.a: $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

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

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/test/%: %.c $(B)/libsluice.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(B)/libsluice.a $(LDLIBS) -lcmocka

-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:
	rm -rf build build-*

.PHONY: all clean
