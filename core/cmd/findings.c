/* What the commands about published records share: DNS, keys, findings. See cmd.h. */
#include <stdio.h>
#include <unistd.h>

#include "../auth/finding.h"
#include "../base/alloc.h"
#include "../base/event.h"
#include "../base/terminal.h"
#include "../crypto/key.h"
#include "../dns/dns.h"
#include "cmd.h"

#define MAX_KEY		(64 * 1024)
#define MAX_ZONE	(16 * 1024 * 1024)

struct sl_key *
cmd_read_key(const char *path)
{
	struct sl_key *key = NULL;
	struct sl_buf text;
	struct sl_err err;

	if (cmd_read(path, MAX_KEY, &text) != 0)
		return NULL;
	if (sl_key_parse(&key, sl_buf_str(&text), &err) != 0)
		cmd_complain(path, err.text);
	if (text.p != NULL)
		sl_wipe(text.p, text.n);
	sl_buf_clear(&text);
	return key;
}

struct sl_dns *
cmd_open_dns(struct sl_loop *loop, const char *zone)
{
	struct sl_dns_options o = { .dnssec = -1, .zone_only = zone != NULL };
	struct sl_buf text = SL_BUF_INIT;
	struct sl_dns *dns;
	struct sl_err err;

	if (zone != NULL && cmd_read(zone, MAX_ZONE, &text) != 0)
		return NULL;
	o.zone = sl_buf_str(&text);
	dns = sl_dns_open(loop, &o, &err);
	if (dns == NULL)
		cmd_complain(zone != NULL ? zone : "the resolver", err.text);
	sl_buf_clear(&text);
	return dns;
}

void
cmd_print(const char *text)
{
	struct sl_buf out = SL_BUF_INIT;

	if (sl_event_put_harmless(&out, sl_str_of(text)) == 0 && out.n > 0)
		fwrite(out.p, 1, out.n, stdout);
	sl_buf_clear(&out);
}

json_t *
cmd_json_text(const char *text)
{
	json_t *value = json_string(text);
	struct sl_buf out = SL_BUF_INIT;

	if (value == NULL && sl_event_put_harmless(&out, sl_str_of(text)) == 0)
		value = json_stringn(out.p, out.n);
	sl_buf_clear(&out);
	return value;
}

json_t *
cmd_json_presentable(const json_t *value)
{
	json_t *out, *item;
	const char *key;
	size_t i;

	if (json_is_string(value))
		return cmd_json_text(json_string_value(value));
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach(value, i, item)
			json_array_append_new(out, cmd_json_presentable(item));
		return out;
	}
	if (!json_is_object(value))
		return json_deep_copy(value);
	out = json_object();
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
		json_object_set_new(out, key, cmd_json_presentable(item));
	return out;
}

void
cmd_print_findings(const struct sl_findings *f)
{
	static const char *const colors[] = {
		[SL_FINDING_GOOD] = "\033[32m", [SL_FINDING_NOTE] = "\033[36m",
		[SL_FINDING_TEMPORARY] = "\033[33m", [SL_FINDING_PROBLEM] = "\033[31m",
	};
	bool color = sl_terminal_colors(STDOUT_FILENO);
	size_t i;

	for (i = 0; i < f->n; i++) {
		const struct sl_finding *one = &f->item[i];

		printf("%-7s %s%-8s%s", one->area, color ? colors[one->weight] : "",
		    sl_finding_word(one->weight), color ? "\033[0m" : "");
		cmd_print(one->text);
		if (one->remedy != NULL) {
			printf("\n%*s-> ", 16, "");
			cmd_print(one->remedy);
		}
		putchar('\n');
	}
}

json_t *
cmd_json_findings(const struct sl_findings *f)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < f->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "area", f->item[i].area,
		    "weight", sl_finding_word(f->item[i].weight),
		    "text", cmd_json_text(f->item[i].text), "remedy",
		    f->item[i].remedy != NULL ? cmd_json_text(f->item[i].remedy) : json_null()));
	return list;
}

int
cmd_findings_status(const struct sl_findings *f)
{
	if (f->failed) {
		fprintf(stderr, "sluice: out of memory\n");
		return 2;
	}
	switch (sl_findings_weight(f)) {
	case SL_FINDING_PROBLEM:
		return 1;
	case SL_FINDING_TEMPORARY:
		return CMD_TEMPORARY;
	default:
		return 0;
	}
}
