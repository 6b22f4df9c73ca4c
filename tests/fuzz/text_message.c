/*
 * Messages of texts: any bytes, read in all ways, edited by any list of edits. What is written
 * is read as it was written; reset leads back to the beginning.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/base/bytes.h"
#include "../../core/sluice_host.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_engine *engine;
static bool over;

static const char script[] =
    "local key = [[-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEICxPuuaattNWMLDqu6oLC+Jt23SekT7af/TGNTOqYxnP\n"
    "-----END PRIVATE KEY-----\n]]\n"
    "local m = MailMessage.String(text)\n"
    "if not m then return end\n"
    "local begun, parts, states = m:toString(), {}, {}\n"
    "local function walk(p)\n"
    "  parts[#parts + 1] = p\n"
    "  for _, name in ipairs(p:getHeaderNames()) do p:getHeaders(name) p:getHeader(name, { field = true }) end\n"
    "  p:getBody{ utf8 = true } p:getPreamble() p:getEpilogue() p:getErrors() p:getFileName() p:getTypeParameter('charset')\n"
    "  assert(p:getID() == m:getByID(p:getID()):getID())\n"
    "  for _, q in ipairs(p:getParts()) do walk(q) end\n"
    "end\n"
    "walk(m)\n"
    "m:findByType('text/') m:findByFileName('*.txt')\n"
    "local edits = {\n"
    "  function(p) p:addHeader('X', 'y') end,\n"
    "  function(p) p:setHeader('Subject', 'gr\\u{fc}n') end,\n"
    "  function(p) p:setHeader('Content-Type', 'text/html', { index = 1 }) end,\n"
    "  function(p) p:delHeader(p:getHeaderNames()[1]) end,\n"
    "  function(p) p:renameHeader(p:getHeaderNames()[1], 'Z') end,\n"
    "  function(p) p:setBody('--b\\r\\nx\\0\\u{fc}') end,\n"
    "  function(p) p:setBody(p:getBody()) end,\n"
    "  function(p) p:setPreamble('a') p:setEpilogue('b') end,\n"
    "  function(p) p:remove() end,\n"
    "  function(p) p:replacePart(MIME():setBody('z')) end,\n"
    "  function(p) p:appendPart(MIME():setBody('z')) end,\n"
    "  function(p) p:prependPart(MIME():setBody('z')) end,\n"
    "  function() states[#states + 1] = m:snapshot() end,\n"
    "  function(_, b) m:restore(states[b % #states + 1]) end,\n"
    "  function(_, b) m:modifyContent(#text - b % 8, b % 4, 'cut') end,\n"
    "  function() m:signDKIM('s', 'example.org', key) end,\n"
    "  function() m:toString() end,\n"
    "  function() m:reset() end,\n"
    "}\n"
    "for i = 1, #edited do\n"
    "  local b = edited:byte(i)\n"
    "  pcall(edits[b % #edits + 1], parts[b // #edits % #parts + 1], b)\n"
    "end\n"
    "local written, after = pcall(m.toString, m)\n"
    "local again = written and MailMessage.String(after)\n"
    "assert(not again or again:toString() == after)\n"
    "m:reset()\n"
    "assert(m:toString() == begun)\n";

static void
done(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	if (err != NULL && strstr(err->text, "assertion failed") != NULL)
		abort();	/* limits are answers */
	over = true;
}

static void
put_literal(struct sl_buf *out, const char *name, const uint8_t *p, size_t n)
{
	sl_buf_printf(out, "local %s = \"", name);
	for (size_t i = 0; i < n; i++)
		sl_buf_printf(out, "\\%03u", p[i]);
	sl_buf_puts(out, "\" ");
}

/* The first byte says how many edits there are. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_engine_options options = { .stdlib = getenv("SLUICE_STDLIB") };
	struct sl_buf all = SL_BUF_INIT;
	struct sl_err err;
	size_t n;

	if (size == 0)
		return 0;
	if (engine == NULL && (engine = sl_engine_new(&options, &err)) == NULL)
		abort();
	n = data[0] % 32u < size - 1 ? data[0] % 32u : size - 1;
	put_literal(&all, "edited", data + 1, n);
	put_literal(&all, "text", data + 1 + n, size - 1 - n);
	sl_buf_puts(&all, script);
	over = false;
	if (sl_engine_exec(engine, "f", sl_buf_str(&all), done, NULL, &err) != 0)
		abort();
	while (!over && sl_engine_wait(engine, -1) == 0)
		;
	sl_buf_clear(&all);
	return 0;
}
