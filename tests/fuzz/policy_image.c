/* Policy images: what is damaged is refused; every file of the rest is found again. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/policy/image.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at(const struct sl_image *image)
{
	struct sl_str path, bytes, again;
	char name[4096];
	size_t i;

	if (strlen(sl_image_name(image)) != 64)
		abort();
	for (i = 0; sl_image_each(image, &i, &path, &bytes);) {
		if (bytes.n > 0 && memchr(bytes.p, 0, bytes.n) == bytes.p + bytes.n)
			abort();	/* all of them can be read */
		if (path.n >= sizeof(name) || memchr(path.p, '\0', path.n) != NULL)
			continue;
		memcpy(name, path.p, path.n);
		name[path.n] = '\0';
		if (!sl_image_find(image, name, &again))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct sl_image *image;
	struct sl_err err;

	if (fd >= 0 && write(fd, data, size) == (ssize_t)size &&
	    sl_image_open(&image, fd, &err) == 0) {
		look_at(image);
		sl_image_close(image);
	}
	close(fd);
	return 0;
}
