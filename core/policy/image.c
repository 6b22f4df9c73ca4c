/*
 * Layout: "sluiceP1", u64 number of files, then per file u64 length of the
 * path, u64 length of the bytes, path, bytes; sorted by path. Host byte order:
 * an image never leaves the machine.
 */
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/digest.h"

#define MAX_DEPTH	16

static const char magic[8] = "sluiceP1";

/* ---- packing ------------------------------------------------------------------------ */

struct list {
	const char *folder, *stdlib;
	char **paths;
	size_t n, cap;
	struct sl_err *err;
};

static int
add_path(struct list *l, char *path)
{
	char **more;

	if (path == NULL || l->n == SL_IMAGE_MAX_FILES)
		goto fail;
	if (l->n == l->cap) {
		more = sl_realloc(l->paths, (l->cap * 2 + 64) * sizeof(*more));
		if (more == NULL)
			goto fail;
		l->paths = more;
		l->cap = l->cap * 2 + 64;
	}
	l->paths[l->n++] = path;
	return 0;
fail:
	sl_free(path);
	return sl_err_set(l->err, SL_ERR_LIMIT, "the policy has more than %d files",
	    SL_IMAGE_MAX_FILES);
}

/* "stdlib" and what is below come from the library's folder. */
static bool
is_stdlib(const char *path)
{
	return strncmp(path, "stdlib", 6) == 0 && (path[6] == '/' || path[6] == '\0');
}

static int
full_path(const struct list *l, const char *path, struct sl_buf *out)
{
	sl_buf_reset(out);
	if (is_stdlib(path))
		sl_buf_printf(out, "%s%s", l->stdlib, path + 6);
	else
		sl_buf_printf(out, "%s/%s", l->folder, path);
	return out->failed ? sl_err_set(l->err, SL_ERR_NOMEM, "out of memory") : 0;
}

static bool
is_left_out(const char *name, int depth)
{
	return name[0] == '.' || (depth == 0 && (strcmp(name, "tests") == 0 ||
	    strcmp(name, "run") == 0));
}

/* A link may point elsewhere in the policy, never out of it: the master that
 * packs may read what the policy's author may not. */
static bool
stays_inside(const char *root, const char *path)
{
	char *folder = realpath(root, NULL), *target = realpath(path, NULL);
	size_t n = folder != NULL ? strlen(folder) : 0;
	bool inside = folder != NULL && target != NULL && strncmp(target, folder, n) == 0 &&
	    (target[n] == '/' || target[n] == '\0');

	free(folder);
	free(target);
	return inside;
}

static int walk(struct list *l, const char *below, int depth);

static int
look_at(struct list *l, const char *path, const char *full, int depth)
{
	struct stat st;

	if (depth == 0 && is_stdlib(path))
		return sl_err_set(l->err, SL_ERR_REFUSED, "%s/%s: this name is the library's, "
		    "a policy has no such file", l->folder, path);
	if (lstat(full, &st) == 0 && S_ISLNK(st.st_mode) &&
	    !stays_inside(is_stdlib(path) ? l->stdlib : l->folder, full))
		return sl_err_set(l->err, SL_ERR_REFUSED, "%s: the link leaves the policy's folder",
		    full);
	if (stat(full, &st) != 0)
		return sl_err_errno(l->err, "%s", full);
	if (S_ISDIR(st.st_mode))
		return walk(l, path, depth + 1);
	return S_ISREG(st.st_mode) ? add_path(l, sl_strdup(path)) : 0;
}

static int
walk(struct list *l, const char *below, int depth)
{
	struct sl_buf path = SL_BUF_INIT, child = SL_BUF_INIT;
	struct dirent *e;
	int rc = full_path(l, below, &path);
	DIR *dir = NULL;

	if (rc == 0 && depth > MAX_DEPTH)
		rc = sl_err_set(l->err, SL_ERR_LIMIT, "%s: folders nested too deep", below);
	if (rc == 0 && (dir = opendir(path.p)) == NULL)
		rc = sl_err_errno(l->err, "%s", path.p);
	while (rc == 0 && (e = readdir(dir)) != NULL) {
		if (is_left_out(e->d_name, depth))
			continue;
		sl_buf_reset(&child);
		sl_buf_printf(&child, "%s%s%s", below, below[0] != '\0' ? "/" : "", e->d_name);
		rc = child.failed ? sl_err_set(l->err, SL_ERR_NOMEM, "out of memory") :
		    full_path(l, child.p, &path);
		if (rc == 0)
			rc = look_at(l, child.p, path.p, depth);
	}
	if (dir != NULL)
		closedir(dir);
	sl_buf_clear(&path);
	sl_buf_clear(&child);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
put_u64(struct sl_buf *b, uint64_t n)
{
	sl_buf_put(b, &n, sizeof(n));
}

static int
read_into(struct sl_buf *out, const char *path, struct sl_err *err)
{
	char chunk[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return sl_err_errno(err, "%s", path);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (sl_buf_put(out, chunk, (size_t)n) != 0)
			break;
	close(fd);
	if (n < 0)
		return sl_err_errno(err, "%s", path);
	return out->failed ? sl_err_set(err, SL_ERR_LIMIT, "%s: the policy is larger than %llu bytes",
	    path, SL_IMAGE_MAX_BYTES) : 0;
}

static void
put_file(struct sl_buf *out, struct sl_str path, struct sl_str bytes)
{
	put_u64(out, path.n);
	put_u64(out, bytes.n);
	sl_buf_putstr(out, path);
	sl_buf_putstr(out, bytes);
}

static int
pack_file(const struct list *l, const char *path, struct sl_buf *out)
{
	struct sl_buf full = SL_BUF_INIT, bytes = { .limit = SL_IMAGE_MAX_BYTES };
	int rc = full_path(l, path, &full);

	if (rc == 0)
		rc = read_into(&bytes, full.p, l->err);
	if (rc == 0)
		put_file(out, sl_str_of(path), sl_buf_str(&bytes));
	sl_wipe(bytes.p, bytes.n);
	sl_buf_clear(&bytes);
	sl_buf_clear(&full);
	return rc;
}

static int
write_memfd(const struct sl_buf *bytes, int *fd, struct sl_err *err)
{
	size_t done = 0;
	ssize_t n;

	*fd = memfd_create("sluice-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return sl_err_errno(err, "memfd_create");
	while (done < bytes->n) {
		n = write(*fd, bytes->p + done, bytes->n - done);
		if (n <= 0) {
			sl_err_errno(err, "policy image");
			close(*fd);
			return SL_ERR_IO;
		}
		done += (size_t)n;
	}
	fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return 0;
}

int
sl_image_is_folder(const char *path, struct sl_err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return sl_err_errno(err, "%s", path);
	return S_ISDIR(st.st_mode) ? 0 : sl_err_set(err, SL_ERR_REFUSED,
	    "%s: a policy is a folder with sluice.lua in it, this is none", path);
}

int
sl_image_pack(const char *folder, const char *stdlib, int *fd, struct sl_err *err)
{
	struct sl_buf bytes = { .limit = SL_IMAGE_MAX_BYTES };
	struct list l = { .folder = folder, .stdlib = stdlib, .err = err };
	size_t i;
	int rc;

	rc = sl_image_is_folder(folder, err);
	if (rc == 0)
		rc = walk(&l, "", 0);
	if (rc == 0)
		rc = walk(&l, "stdlib", 1);
	if (rc == 0 && l.n > 0)
		qsort(l.paths, l.n, sizeof(*l.paths), compare);
	sl_buf_put(&bytes, magic, sizeof(magic));
	put_u64(&bytes, l.n);
	for (i = 0; i < l.n && rc == 0; i++)
		rc = pack_file(&l, l.paths[i], &bytes);
	if (rc == 0)
		rc = bytes.failed ? sl_err_set(err, SL_ERR_LIMIT, "%s: the policy is too large",
		    folder) : write_memfd(&bytes, fd, err);
	for (i = 0; i < l.n; i++)
		sl_free(l.paths[i]);
	sl_free(l.paths);
	sl_wipe(bytes.p, bytes.n);
	sl_buf_clear(&bytes);
	return rc;
}

/* ---- reading ------------------------------------------------------------------------ */

struct file {
	struct sl_str path, bytes;
};

struct sl_image {
	char *map;
	size_t size;
	struct file *files;
	size_t n;
	char name[65];
	bool keyless;
};

static bool
take_u64(struct sl_str *rest, uint64_t *n)
{
	if (rest->n < sizeof(*n))
		return false;
	memcpy(n, rest->p, sizeof(*n));
	*rest = sl_str_sub(*rest, sizeof(*n), rest->n);
	return true;
}

static int
index_files(struct sl_image *image)
{
	struct sl_str rest = { image->map, image->size };
	uint64_t n, path, bytes, i;

	if (!sl_str_starts(rest, (struct sl_str){ magic, sizeof(magic) }))
		return SL_ERR_CORRUPT;
	rest = sl_str_sub(rest, sizeof(magic), rest.n);
	if (!take_u64(&rest, &n) || n > SL_IMAGE_MAX_FILES)
		return SL_ERR_CORRUPT;
	image->files = sl_calloc(n + 1, sizeof(*image->files));
	if (image->files == NULL)
		return SL_ERR_NOMEM;
	for (i = 0; i < n; i++) {
		if (!take_u64(&rest, &path) || !take_u64(&rest, &bytes) || path > rest.n ||
		    bytes > rest.n - path)
			return SL_ERR_CORRUPT;
		image->files[i].path = sl_str_sub(rest, 0, path);
		if (sl_str_chr(image->files[i].path, '\0') >= 0 || (i > 0 &&
		    sl_str_cmp(image->files[i - 1].path, image->files[i].path) >= 0))
			return SL_ERR_CORRUPT;	/* they are looked for by halves */
		image->files[i].bytes = sl_str_sub(rest, path, path + bytes);
		rest = sl_str_sub(rest, path + bytes, rest.n);
		image->n++;
	}
	return 0;
}

static int
name_image(struct sl_image *image)
{
	uint8_t hash[SL_DIGEST_MAX];
	struct sl_buf hex = SL_BUF_INIT;
	int rc = sl_digest_of(SL_DIGEST_SHA256, (struct sl_str){ image->map, image->size }, hash);

	if (rc == 0)
		rc = sl_hex_encode(&hex, (struct sl_str){ (const char *)hash, 32 });
	if (rc == 0)
		snprintf(image->name, sizeof(image->name), "%s", hex.p);
	sl_buf_clear(&hex);
	return rc;
}

int
sl_image_open(struct sl_image **out, int fd, struct sl_err *err)
{
	struct sl_image *image = sl_calloc(1, sizeof(*image));
	struct stat st;
	int rc;

	if (image == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (fstat(fd, &st) != 0 || st.st_size == 0) {
		sl_free(image);
		return sl_err_set(err, SL_ERR_CORRUPT, "the policy image is empty");
	}
	image->size = (size_t)st.st_size;
	image->map = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image->map == MAP_FAILED) {
		sl_free(image);
		return sl_err_errno(err, "policy image");
	}
	if ((rc = index_files(image)) != 0 || (rc = name_image(image)) != 0) {
		sl_image_close(image);
		return sl_err_set(err, rc, "the policy image is damaged");
	}
	*out = image;
	return 0;
}

void
sl_image_close(struct sl_image *image)
{
	if (image == NULL)
		return;
	munmap(image->map, image->size);
	sl_free(image->files);
	sl_free(image);
}

void
sl_image_set_keyless(struct sl_image *image)
{
	image->keyless = true;
}

bool
sl_image_is_keyless(const struct sl_image *image)
{
	return image->keyless;
}

const char *
sl_image_name(const struct sl_image *image)
{
	return image->name;
}

bool
sl_image_find(const struct sl_image *image, const char *path, struct sl_str *bytes)
{
	struct sl_str wanted = sl_str_of(path);
	size_t low = 0, high = image->n, mid;
	int order;

	while (low < high) {
		mid = (low + high) / 2;
		order = sl_str_cmp(image->files[mid].path, wanted);
		if (order == 0) {
			*bytes = image->files[mid].bytes;
			return true;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

bool
sl_image_each(const struct sl_image *image, size_t *i, struct sl_str *path, struct sl_str *bytes)
{
	if (*i >= image->n)
		return false;
	*path = image->files[*i].path;
	*bytes = image->files[*i].bytes;
	++*i;
	return true;
}

/* ---- a policy within a policy -------------------------------------------------------- */

static int
compare_files(const void *a, const void *b)
{
	return sl_str_cmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* Whether the file belongs to the policy in 'folder', and its path there. */
static bool
take_part(const struct file *f, struct sl_str folder, struct file *out)
{
	struct sl_str first;

	*out = *f;
	if (sl_str_starts(f->path, SL_STR("stdlib/")))
		return true;
	if (f->path.n <= folder.n || f->path.p[folder.n] != '/' || !sl_str_starts(f->path, folder))
		return false;
	out->path = sl_str_sub(f->path, folder.n + 1, f->path.n);
	first = sl_str_sub(out->path, 0, (size_t)(sl_str_chr(out->path, '/') >= 0 ?
	    sl_str_chr(out->path, '/') : 0));
	return !sl_str_eq(first, SL_STR("tests")) && !sl_str_eq(first, SL_STR("run")) &&
	    !sl_str_starts(out->path, SL_STR("stdlib/"));
}

int
sl_image_part(const struct sl_image *image, const char *folder, int *fd, struct sl_err *err)
{
	struct sl_buf bytes = { .limit = SL_IMAGE_MAX_BYTES };
	struct file *files = sl_calloc(image->n + 1, sizeof(*files));
	struct sl_str root = { NULL, 0 };
	size_t i, n = 0;
	int rc;

	for (i = 0; files != NULL && i < image->n; i++) {
		if (!take_part(&image->files[i], sl_str_of(folder), &files[n]))
			continue;
		if (sl_str_eq(files[n].path, SL_STR("sluice.lua")))
			root = files[n].path;
		n++;
	}
	if (files != NULL && root.n == 0) {
		sl_free(files);
		return sl_err_set(err, SL_ERR_NOTFOUND, "%s has no sluice.lua", folder);
	}
	if (files != NULL)
		qsort(files, n, sizeof(*files), compare_files);
	sl_buf_put(&bytes, magic, sizeof(magic));
	put_u64(&bytes, n);
	for (i = 0; i < n; i++)
		put_file(&bytes, files[i].path, files[i].bytes);
	rc = files == NULL || bytes.failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") :
	    write_memfd(&bytes, fd, err);
	sl_wipe(bytes.p, bytes.n);
	sl_buf_clear(&bytes);
	sl_free(files);
	return rc;
}
