/*
 * What the events of one message say as a whole: who sent it, and what became
 * of it for each recipient. Later events count more than earlier ones.
 */
#include <stdio.h>
#include <string.h>

#include "why.h"

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "";
}

static json_int_t
int_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool
is(const json_t *event, const char *name)
{
	return strcmp(text_of(event, "event"), name) == 0;
}

static void
take(json_t *message, const json_t *event, const char *key)
{
	json_t *value = json_object_get(event, key);

	if (value != NULL && !(json_is_string(value) && json_string_length(value) == 0))
		json_object_set(message, key, value);
}

/* ---- recipients -------------------------------------------------------------------------- */

static json_t *
recipient_at(json_t *message, const char *address)
{
	json_t *list = json_object_get(message, "recipients"), *r;
	size_t i;

	json_array_foreach(list, i, r)
		if (strcmp(text_of(r, "recipient"), address) == 0)
			return r;
	r = json_pack("{s:s}", "recipient", address);
	json_array_append_new(list, r);
	return r;
}

static void
set_state(json_t *message, const json_t *event, const char *state, const char *text)
{
	const char *address = text_of(event, "recipient");
	json_t *r;

	if (address[0] == '\0')
		return;
	r = recipient_at(message, address);
	json_object_set_new(r, "state", json_string(state));
	json_object_set_new(r, "text", json_string(text));
	json_object_set(r, "time", json_object_get(event, "time"));
	take(r, event, "where");
	take(r, event, "host");
	take(r, event, "transport");
}

/* What a phase decided about a recipient. */
static void
on_verdict(json_t *message, const json_t *e)
{
	static const struct { const char *action, *state; } states[] = {
		{ "Reject", "refused" }, { "Defer", "refused for now" }, { "Deliver", "accepted" },
		{ "Accept", "accepted" }, { "Quarantine", "quarantined" }, { "Delete", "deleted" },
	};
	const char *phase = text_of(e, "phase");
	size_t i;

	if (strcmp(phase, "rcptto") != 0 && strcmp(phase, "data") != 0)
		return;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(text_of(e, "action"), states[i].action) == 0)
			set_state(message, e, states[i].state, text_of(e, "reply"));
}

static void
on_result(json_t *message, const json_t *e)
{
	static const struct { const char *event, *state; } states[] = {
		{ "delivered", "delivered" }, { "deferred", "waiting" }, { "rescheduled", "waiting" },
		{ "redirected", "redirected" }, { "bounced", "bounced" }, { "dropped", "dropped" },
	};
	char text[1200];
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!is(e, states[i].event))
			continue;
		if (int_of(e, "code") != 0)
			snprintf(text, sizeof(text), "%d %s %s", (int)int_of(e, "code"), text_of(e, "status"),
			    text_of(e, "text"));
		else
			snprintf(text, sizeof(text), "%s", text_of(e, "text"));
		set_state(message, e, states[i].state, text);
		json_object_set_new(recipient_at(message, text_of(e, "recipient")), "attempts",
		    json_integer(int_of(e, "retry") + 1));
	}
}

/* By hand: for one recipient, or for all for whom it isn't over. */
static void
on_command(json_t *message, const json_t *e, const char *state)
{
	static const char *const open[] = { "accepted", "waiting", "quarantined", "redirected", "released" };
	const char *address = text_of(e, "recipient");
	json_t *r;
	size_t i, k;

	if (address[0] != '\0')
		recipient_at(message, address);
	json_array_foreach(json_object_get(message, "recipients"), i, r) {
		for (k = 0; k < sizeof(open) / sizeof(open[0]) && strcmp(text_of(r, "state"), open[k]) != 0; k++)
			;
		if (address[0] != '\0' ? strcmp(text_of(r, "recipient"), address) != 0 :
		    k == sizeof(open) / sizeof(open[0]))
			continue;
		json_object_set_new(r, "state", json_string(state));
		json_object_set_new(r, "text", json_string("by an operator's command"));
		json_object_set(r, "time", json_object_get(e, "time"));
	}
}

/* One reply for all: whoever was accepted before isn't if it refuses. */
static void
on_message(json_t *message, const json_t *e)
{
	static const char *const keys[] = { "msgid", "queueid", "session", "senderip", "sender",
		"headerfrom", "size", "code", "text" };
	char text[1200];
	json_t *r;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		take(message, e, keys[i]);
	json_object_set(message, "time", json_object_get(e, "time"));
	if (int_of(e, "code") < 400)
		return;
	snprintf(text, sizeof(text), "%d %s", (int)int_of(e, "code"), text_of(e, "text"));
	json_array_foreach(json_object_get(message, "recipients"), i, r) {
		if (strcmp(text_of(r, "state"), "accepted") != 0)
			continue;
		json_object_set_new(r, "state", json_string(int_of(e, "code") < 500 ?
		    "refused for now" : "refused"));
		json_object_set_new(r, "text", json_string(text));
		json_object_set_new(r, "where", json_string("the end of the whole message"));
	}
}

/* Notifications have events of their own under the same roof. */
static bool
is_ours(const json_t *message, const json_t *event)
{
	const char *id = text_of(event, "id"), *own = text_of(message, "id");

	return strncmp(id, own, strlen(own)) == 0;
}

void
why_story(json_t *message)
{
	json_t *event;
	size_t i;

	json_object_set_new(message, "recipients", json_array());
	json_array_foreach(json_object_get(message, "events"), i, event) {
		if (is(event, "message_received") || is(event, "message_refused")) {
			take(message, event, "session");
			take(message, event, "senderip");
		}
		if (!is_ours(message, event))
			continue;
		if (is(event, "verdict"))
			on_verdict(message, event);
		else if (is(event, "message"))
			on_message(message, event);
		else if (is(event, "removed") || is(event, "released"))
			on_command(message, event, text_of(event, "event"));
		else
			on_result(message, event);
	}
}
