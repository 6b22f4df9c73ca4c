/*
 * The policy image: a policy folder as bytes in one sealed memfd, with the
 * library's modules as stdlib/. The master packs it and parses nothing; who
 * loads a policy reads the image and never a folder, so that keys are never
 * opened by a worker.
 */
#ifndef SL_POLICY_IMAGE_H
#define SL_POLICY_IMAGE_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_IMAGE_MAX_FILES	200000
#define SL_IMAGE_MAX_BYTES	(1024ull * 1024 * 1024)

/* Whether a policy can be there: an error for what isn't there, and for a file. */
int	 sl_image_is_folder(const char *path, struct sl_err *err);

/* Reads the folders: every plain file but those whose name begins with a dot,
 * and the policy's tests/ and run/; a stdlib/ of its own is refused. *fd is the
 * caller's. Errors name the file. */
int	 sl_image_pack(const char *folder, const char *stdlib, int *fd, struct sl_err *err);

struct sl_image;

/*
 * The policy that stands in a folder of this one ("next"), as an image of its own with the same
 * stdlib/. *fd is the caller's. SL_ERR_NOTFOUND: there is no sluice.lua in it.
 */
int	 sl_image_part(const struct sl_image *image, const char *folder, int *fd, struct sl_err *err);

/* Maps the image; 'fd' may be closed afterwards. Everything in it is checked. */
int	 sl_image_open(struct sl_image **out, int fd, struct sl_err *err);
void	 sl_image_close(struct sl_image *image);	/* NULL is fine */
/* What is secret in it (keys/, secrets/) may be missing: for replays, whose tapes have what was signed. */
void	 sl_image_set_keyless(struct sl_image *image);
bool	 sl_image_is_keyless(const struct sl_image *image);
const char *sl_image_name(const struct sl_image *image);	/* hex SHA-256 of the content */

/* Bytes are borrowed from the image. False: there is no such file. */
bool	 sl_image_find(const struct sl_image *image, const char *path, struct sl_str *bytes);
/* Files in order of their paths. */
bool	 sl_image_each(const struct sl_image *image, size_t *i, struct sl_str *path,
	    struct sl_str *bytes);

#endif
