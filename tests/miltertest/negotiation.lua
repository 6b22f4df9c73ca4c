dofile(here .. "/common.lua")

-- All that is offered: what changes a message is wanted, and so is its header as it stands.
local conn = connect()
took(mt.negotiate(conn, nil, nil, nil))
for _, action in ipairs({ SMFIF_ADDHDRS, SMFIF_CHGHDRS, SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT,
                          SMFIF_QUARANTINE, SMFIF_CHGFROM }) do
  check(mt.test_action(conn, action), "an action isn't asked for")
end
check(mt.test_option(conn, SMFIP_HDR_LEADSPC), "blanks before values aren't asked for")
check(not mt.test_option(conn, SMFIP_NOHDRS), "the header is declined")
check(not mt.test_option(conn, SMFIP_NOBODY), "the body is declined")
mt.disconnect(conn)

-- Version 2, nothing but fields may be added. (Both masks are 1, for miltertest confuses their order.)
conn = connect()
took(mt.negotiate(conn, 2, SMFIF_ADDHDRS, SMFIF_ADDHDRS))
check(not mt.test_option(conn, SMFIP_HDR_LEADSPC), "a step is asked for that wasn't offered")
took(mt.conninfo(conn, "client.example", "192.0.2.1"))
expect(conn, SMFIR_CONTINUE)
took(mt.helo(conn, "client.example"))
expect(conn, SMFIR_CONTINUE)
took(mt.unknown(conn, "XYZZY"))
expect(conn, SMFIR_CONTINUE)
send(conn, "add")
expect(conn, SMFIR_CONTINUE)
check(mt.eom_check(conn, MT_HDRINSERT, "X-Upper", "added last", 1), "X-Upper isn't inserted")
send(conn, "change")
expect(conn, SMFIR_REPLYCODE)
mt.disconnect(conn)
