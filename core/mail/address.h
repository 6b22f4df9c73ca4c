/* Addresses: RFC 5321 paths, RFC 5322/6854 address lists, RFC 6531/6532 UTF-8. */
#ifndef SL_MAIL_ADDRESS_H
#define SL_MAIL_ADDRESS_H

#include "../base/bytes.h"
#include "../base/err.h"

/*
 * One mailbox in its parts. local is without quotes and with quoted pairs
 * resolved; domain is lower case, U-labels as A-labels ("" for the null
 * reverse-path), an address literal keeps its brackets.
 */
struct sl_address {
	char local[256];
	char domain[256];
	char address[520];	/* local@domain, local quoted again if it must be; "" = null path */
	bool utf8;		/* the local part isn't ASCII */
};

/*
 * A Path of MAIL or RCPT: "<a@b>", "<@x,@y:a@b>" (the source route is checked
 * and dropped, RFC 5321 4.1.1.3), "<>" if null_ok, "<postmaster>" if
 * postmaster_ok. 'rest' gets what follows the '>'. Refuses what RFC 5321 4.1.2
 * doesn't allow, local parts over 64 and domains over 255 bytes.
 */
int	 sl_path_parse(struct sl_address *out, struct sl_str text, bool null_ok,
	    bool postmaster_ok, bool utf8_ok, struct sl_str *rest, struct sl_err *err);

/* One addr-spec, nothing around it: what configuration and scripts give. */
int	 sl_address_parse(struct sl_address *out, struct sl_str text, struct sl_err *err);

/* One mailbox of an address list. Strings live in the list. */
struct sl_mailbox {
	struct sl_str name;	/* display name, unquoted, encoded words not decoded */
	struct sl_str group;	/* group it stands in, "" = none */
	struct sl_address address;
};

struct sl_address_list {
	size_t n;
	struct sl_mailbox *mailboxes;
	size_t groups;		/* number of groups, empty ones included */
	char *text;		/* private */
};

/*
 * The value of From, To, ...: strict RFC 5322 with its obsolete forms (comments,
 * folds, routes, empty list elements). At most 'max' mailboxes and 20 levels
 * of comments. Any part that isn't understood makes the whole list an error:
 * a wrong guess is a spoof.
 */
int	 sl_address_list_parse(struct sl_address_list *out, struct sl_str value, size_t max,
	    struct sl_err *err);
void	 sl_address_list_clear(struct sl_address_list *list);

/* A domain name as DNS has it: LDH or UTF-8 labels to lower-case A-labels, no
 * final dot. out has 256 bytes. SL_ERR_SYNTAX for NUL, '/', "..", empty labels, >253 bytes. */
int	 sl_domain_normalize(char *out, struct sl_str domain, struct sl_err *err);
/* The name with its A-labels as U-labels, appended to 'out'. */
int	 sl_domain_to_unicode(struct sl_buf *out, struct sl_str domain, struct sl_err *err);
/* child == parent, or below it. Both normalized. */
bool	 sl_domain_is_within(const char *child, const char *parent);

#endif
