#include "phase.h"

#include "../engine/builtin.h"

#define NO_REPLY	{ 0, "", "", false }

const struct sl_phase_info sl_phase_table[SL_PHASES] = {
	[SL_CONNECT] = {
		"connect", SL_AT_CONNECT, "Accept", SL_ACCEPT, SL_DEFER,
		{ 554, "5.7.1", "Access denied", true },
		{ 421, "4.7.0", "Try again later", true },
	},
	[SL_HELO] = {
		"helo", SL_AT_HELO, "Accept", SL_ACCEPT, SL_DEFER,
		{ 550, "5.7.1", "Rejected by policy", false },
		{ 450, "4.7.1", "Try again later", false },
	},
	[SL_AUTH] = {
		"auth", SL_AT_AUTH, "Reject", SL_REJECT, SL_DEFER,
		{ 535, "5.7.8", "Authentication credentials invalid", false },
		{ 454, "4.7.0", "Temporary authentication failure", false },
	},
	[SL_MAILFROM] = {
		"mailfrom", SL_AT_MAILFROM, "Accept", SL_ACCEPT, SL_DEFER,
		{ 550, "5.7.1", "Sender rejected by policy", false },
		{ 450, "4.7.1", "Try again later", false },
	},
	[SL_RCPTTO] = {
		"rcptto", SL_AT_RCPTTO, "Accept", SL_ACCEPT, SL_DEFER,
		{ 550, "5.7.1", "Recipient rejected by policy", false },
		{ 450, "4.7.1", "Try again later", false },
	},
	[SL_EOD] = {
		"eod", SL_AT_EOD, "Accept", SL_ACCEPT, SL_DEFER,
		{ 550, "5.7.1", "Message rejected by policy", false },
		{ 451, "4.7.1", "Try again later", false },
	},
	[SL_DATA] = {
		"data", SL_AT_DATA, "Deliver", SL_DELIVER, SL_DEFER,
		{ 550, "5.7.1", "Message rejected by policy", false },
		{ 451, "4.7.1", "Try again later", false },
	},
	[SL_PREDELIVERY] = {
		"predelivery", SL_AT_PREDELIVERY, "Try", SL_TRY, SL_RESCHEDULE,
		NO_REPLY, NO_REPLY,
	},
	[SL_POSTDELIVERY] = {
		"postdelivery", SL_AT_POSTDELIVERY, NULL, SL_NO_ACTION, SL_NO_ACTION,
		NO_REPLY, NO_REPLY,
	},
	[SL_DISCONNECT] = {
		"disconnect", SL_AT_DISCONNECT, NULL, SL_NO_ACTION, SL_NO_ACTION,
		NO_REPLY, NO_REPLY,
	},
};

static const struct sl_reply accepted[SL_PHASES] = {
	[SL_CONNECT] = { 220, "", "", false },
	[SL_HELO] = { 250, "", "", false },
	[SL_AUTH] = { 235, "2.7.0", "Authentication successful", false },
	[SL_MAILFROM] = { 250, "2.1.0", "Sender ok", false },
	[SL_RCPTTO] = { 250, "2.1.5", "Recipient ok", false },
	[SL_EOD] = { 250, "2.0.0", "Message accepted", false },
	[SL_DATA] = { 250, "2.0.0", "Message accepted", false },
	[SL_PREDELIVERY] = NO_REPLY,
	[SL_POSTDELIVERY] = NO_REPLY,
	[SL_DISCONNECT] = NO_REPLY,
};

const struct sl_reply *
sl_phase_reply(enum sl_phase phase, enum sl_action action)
{
	if (action == SL_REJECT)
		return &sl_phase_table[phase].reject;
	if (action == SL_DEFER)
		return &sl_phase_table[phase].defer;
	return &accepted[phase];
}

struct sl_reply
sl_phase_error_reply(enum sl_phase phase)
{
	struct sl_reply r = { 451, "4.3.0", "Local policy error", false };

	if (phase == SL_CONNECT) {
		r.code = 421;
		r.close = true;
	}
	return r;
}

const char *
sl_phase_name(enum sl_phase phase)
{
	return sl_phase_table[phase].name;
}

const char *
sl_action_name(enum sl_action action)
{
	static const char *const names[] = {
		[SL_ACCEPT] = "Accept", [SL_REJECT] = "Reject", [SL_DEFER] = "Defer",
		[SL_DELIVER] = "Deliver", [SL_DELETE] = "Delete",
		[SL_QUARANTINE] = "Quarantine", [SL_TRY] = "Try",
		[SL_RESCHEDULE] = "Reschedule", [SL_RETRY] = "Retry",
		[SL_GENERATE_DSN] = "GenerateDSN", [SL_NO_ACTION] = "default",
	};

	return names[action];
}
