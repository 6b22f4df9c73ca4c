/*
 * sluice queue, sluice quarantine: look at a queue and change it while no
 * server has it: they take its lock. Messages of a quarantine are held;
 * releasing makes them due.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../queue/store.h"
#include "cmd.h"

struct tool {
	struct sl_loop *loop;
	struct sl_store *store;
	bool quarantine;	/* only held messages, else only the others */
	bool json;
};

static const char *
state_word(const struct sl_entry *e)
{
	return e->state == SL_ENTRY_HELD ? "held" : e->state == SL_ENTRY_DONE ? "done" : "queued";
}

static bool
belongs(const struct tool *t, const struct sl_envelope *m)
{
	return (m->quarantine != NULL) == t->quarantine;
}

static void
print_text(const struct sl_envelope *m)
{
	char when[32];
	time_t at;
	size_t i;

	printf("%s  %llu bytes  from <%s>%s%s\n", m->id, (unsigned long long)m->size, m->sender,
	    m->quarantine != NULL ? "  quarantine " : "", m->quarantine != NULL ? m->quarantine : "");
	for (i = 0; i < m->n; i++) {
		at = (time_t)(m->entries[i].next_us / 1000000);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime(&at));
		printf("    %-6s %s  by %s  attempts %u  next %s  %s\n", state_word(&m->entries[i]),
		    m->entries[i].recipient, m->entries[i].transport, m->entries[i].retry, when,
		    m->entries[i].info != NULL ? m->entries[i].info : "");
	}
}

static void
print_json(const struct sl_envelope *m)
{
	json_t *out = json_pack("{s:s, s:s, s:I, s:I}", "id", m->id, "sender", m->sender, "size",
	    (json_int_t)m->size, "received", (json_int_t)(m->received_us / 1000000));
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < m->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:I}", "recipient",
		    m->entries[i].recipient, "transport", m->entries[i].transport, "state",
		    state_word(&m->entries[i]), "attempts", (int)m->entries[i].retry, "next",
		    (json_int_t)(m->entries[i].next_us / 1000000)));
	json_object_set_new(out, "recipients", list);
	if (m->quarantine != NULL)
		json_object_set_new(out, "quarantine", json_string(m->quarantine));
	json_dumpf(out, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(out);
}

static int
list(struct tool *t)
{
	const struct sl_envelope *m;
	size_t i;

	for (i = 0; (m = sl_store_each(t->store, &i)) != NULL;)
		if (belongs(t, m)) {
			if (t->json)
				print_json(m);
			else
				print_text(m);
		}
	return 0;
}

static int
show(struct tool *t, const char *id)
{
	uint64_t offset, size;
	char chunk[65536];
	struct sl_err err;
	ssize_t n;
	int fd;

	if (sl_store_message(t->store, id, &fd, &offset, &size, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	while (size > 0 && (n = pread(fd, chunk, size < sizeof(chunk) ? (size_t)size : sizeof(chunk),
	    (off_t)offset)) > 0) {
		fwrite(chunk, 1, (size_t)n, stdout);
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	close(fd);
	return size > 0;
}

static int
wait_for(struct sl_op *op)
{
	int status = op != NULL ? sl_op_block(op) : SL_ERR_NOMEM;

	sl_op_release(op);
	if (status != 0)
		fprintf(stderr, "sluice: %s\n", sl_err_word(status));
	return status != 0;
}

/* retry, release: due now. */
static int
make_due(struct tool *t, const char *id)
{
	const struct sl_envelope *m = sl_store_get(t->store, id);
	struct sl_entry e;
	size_t i;
	int rc = 0;

	for (i = 0; i < m->n && rc == 0; i++) {
		if (m->entries[i].state == SL_ENTRY_DONE)
			continue;
		e = m->entries[i];
		e.state = SL_ENTRY_QUEUED;
		e.next_us = sl_loop_time_us(t->loop);
		rc = wait_for(sl_store_update(t->store, id, i, &e));
	}
	return rc;
}

static int
act(struct tool *t, const char *what, const char *id)
{
	const struct sl_envelope *m = sl_store_get(t->store, id);

	if (m == NULL || !belongs(t, m)) {
		fprintf(stderr, "sluice: there is no message %s\n", id);
		return 1;
	}
	if (strcmp(what, "show") == 0)
		return show(t, id);
	if (strcmp(what, "remove") == 0)
		return wait_for(sl_store_remove(t->store, id));
	return make_due(t, id);
}

static int
open_tool(struct tool *t, const char *spool)
{
	struct sl_store_options options = { 0 };
	char folder[4096];
	struct sl_err err;

	snprintf(folder, sizeof(folder), "%s/queue/00", spool);
	options.folder = folder;
	t->loop = sl_loop_new(&err);
	if (access(folder, R_OK) != 0) {
		perror(folder);
		return 1;
	}
	if (t->loop == NULL || sl_store_open(&t->store, t->loop, &options, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	return 0;
}

static int
run(int argc, char **argv, bool quarantine)
{
	const char *due = quarantine ? "release" : "retry";
	struct tool t = { .quarantine = quarantine };
	int rc;

	if (argc > 2 && strcmp(argv[argc - 1], "--json") == 0) {
		t.json = true;
		argc--;
	}
	if (!(argc == 3 && strcmp(argv[1], "list") == 0) && !(argc == 4 && (strcmp(argv[1], "show") == 0 ||
	    strcmp(argv[1], "remove") == 0 || strcmp(argv[1], due) == 0))) {
		fprintf(stderr, "usage: sluice %s list SPOOL [--json]\n"
		    "       sluice %s show|%s|remove SPOOL ID\n", argv[0], argv[0], due);
		return 2;
	}
	if (open_tool(&t, argv[2]) != 0)
		return 1;
	rc = argc == 3 ? list(&t) : act(&t, argv[1], argv[3]);
	sl_store_close(t.store);
	sl_loop_free(t.loop);
	return rc;
}

int
cmd_queue(int argc, char **argv)
{
	return run(argc, argv, false);
}

int
cmd_quarantine(int argc, char **argv)
{
	return run(argc, argv, true);
}
