dofile(here .. "/common.lua")

local conn = connect()
took(mt.conninfo(conn, "client.example", "192.0.2.66"))
expect(conn, SMFIR_REPLYCODE)
mt.disconnect(conn)

-- No address at all: a client on a local socket.
conn = connect()
took(mt.conninfo(conn, "localhost", "unspec"))
expect(conn, SMFIR_CONTINUE)
mt.disconnect(conn)

conn = connect()
took(mt.conninfo(conn, "client.example", "2001:db8::1"))
expect(conn, SMFIR_CONTINUE)
took(mt.helo(conn, "later.example"))
expect(conn, SMFIR_REPLYCODE)
mt.disconnect(conn)

conn = greeted()
took(mt.mailfrom(conn, "<spam@example.com>"))
expect(conn, SMFIR_REPLYCODE)

-- The next sender on the same connection is another's business.
took(mt.mailfrom(conn, "<ann@example.com>"))
expect(conn, SMFIR_CONTINUE)
took(mt.rcptto(conn, "<nobody@example.org>"))
expect(conn, SMFIR_REPLYCODE)
took(mt.rcptto(conn, "<full@example.org>"))
expect(conn, SMFIR_REPLYCODE)
took(mt.rcptto(conn, "<bob@example.org>"))
expect(conn, SMFIR_CONTINUE)
mt.disconnect(conn)

conn = greeted()
send(conn, "reject")
expect(conn, SMFIR_REPLYCODE)
send(conn, "defer")
expect(conn, SMFIR_REPLYCODE)
send(conn, "discard")
expect(conn, SMFIR_DISCARD)
mt.disconnect(conn)
