dofile(here .. "/common.lua")

local conn = greeted()
took(mt.macro(conn, SMFIC_MAIL, "i", "4XyZ", "{auth_authen}", "ann", "{auth_type}", "PLAIN"))
send(conn, "nothing")
expect(conn, SMFIR_CONTINUE)
check(mt.eom_check(conn, MT_HDRINSERT, "X-Account", " ann"), "the account isn't known")
check(mt.eom_check(conn, MT_HDRINSERT, "X-Queue", " 4XyZ"), "the queue id isn't known")

-- An account holds for its message alone.
took(mt.macro(conn, SMFIC_MAIL, "i", "4XyA"))
send(conn, "nothing")
check(not mt.eom_check(conn, MT_HDRINSERT, "X-Account"), "the account of another message")
mt.disconnect(conn)
