dofile(here .. "/common.lua")

local conn = greeted()

send(conn, "add")
check(mt.eom_check(conn, MT_HDRINSERT, "X-Upper", " added last", 1), "X-Upper isn't inserted on top")
check(mt.eom_check(conn, MT_HDRINSERT, "X-Lower", " added first", 2), "X-Lower isn't inserted below it")
check(not mt.eom_check(conn, MT_HDRCHANGE) and not mt.eom_check(conn, MT_HDRDELETE), "more than was wanted")

send(conn, "change")
check(mt.eom_check(conn, MT_HDRCHANGE, "Subject", " changed"), "Subject isn't changed")
check(mt.eom_check(conn, MT_HDRDELETE, "X-Remove"), "X-Remove isn't deleted")

send(conn, "body")
check(mt.eom_check(conn, MT_BODYCHANGE, "other\r\n"), "the body isn't replaced")

send(conn, "recipient", { "<bob@example.org>" })
check(mt.eom_check(conn, MT_RCPTDELETE, "<bob@example.org>"), "the recipient isn't removed")
check(mt.eom_check(conn, MT_RCPTADD, "<other@example.org>"), "the other recipient isn't added")

send(conn, "quarantine")
check(mt.eom_check(conn, MT_QUARANTINE, "spam"), "not held")

-- Nothing of the messages before is left over.
send(conn, "nothing")
expect(conn, SMFIR_CONTINUE)
for _, change in ipairs({ MT_HDRADD, MT_HDRINSERT, MT_HDRCHANGE, MT_HDRDELETE, MT_BODYCHANGE, MT_QUARANTINE }) do
  check(not mt.eom_check(conn, change), "a change of another message")
end
mt.disconnect(conn)
