dofile(here .. "/common.lua")

-- Several messages, some of them broken off, on one connection.
local conn = greeted()
for _ = 1, 3 do
  send(conn, "nothing", { "<bob@example.org>", "<eve@example.org>" })
  expect(conn, SMFIR_CONTINUE)
  took(mt.mailfrom(conn, "<ann@example.com>"))
  took(mt.rcptto(conn, "<bob@example.org>"))
  took(mt.header(conn, "Subject", "reject"))
  took(mt.abort(conn))
  send(conn, "add")
  check(mt.eom_check(conn, MT_HDRINSERT, "X-Upper"), "X-Upper isn't inserted")
end

-- Who goes without a word, in the middle of a message, disturbs nobody.
took(mt.mailfrom(conn, "<ann@example.com>"))
took(mt.rcptto(conn, "<bob@example.org>"))
mt.disconnect(conn, false)

conn = greeted()
send(conn, "nothing")
expect(conn, SMFIR_CONTINUE)
mt.disconnect(conn)

-- A body of many chunks.
conn = greeted()
took(mt.mailfrom(conn, "<ann@example.com>"))
took(mt.rcptto(conn, "<bob@example.org>"))
took(mt.header(conn, "Subject", "body"))
took(mt.eoh(conn))
for _ = 1, 20 do
  if mt.getreply(conn) == SMFIR_SKIP then break end
  took(mt.bodyrandom(conn, 40000))
end
took(mt.eom(conn))
check(mt.eom_check(conn, MT_BODYCHANGE, "other\r\n"), "the body isn't replaced")
mt.disconnect(conn)
