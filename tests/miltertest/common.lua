-- What the scripts share. miltertest -D port=N -D here=FOLDER -s FILE

local names = {
  [SMFIR_CONTINUE] = "continue", [SMFIR_ACCEPT] = "accept", [SMFIR_REJECT] = "reject",
  [SMFIR_REPLYCODE] = "a reply", [SMFIR_TEMPFAIL] = "tempfail", [SMFIR_DISCARD] = "discard",
}

-- miltertest ends without a word when a script fails, so the word comes from here.
local function fail(what)
  mt.echo(debug.traceback(what, 3))
  error(what)
end

-- miltertest answers nil when a step was taken, else why it wasn't.
function took(trouble)
  if trouble ~= nil then fail(trouble) end
end

function expect(conn, reply)
  local got = mt.getreply(conn)
  if got ~= reply then
    fail("the reply is " .. (names[got] or tostring(got)) .. ", not " .. names[reply])
  end
end

function check(truth, what)
  if not truth then fail(what) end
end

function connect()
  local conn = mt.connect("inet:" .. port .. "@127.0.0.1")
  check(conn ~= nil, "no connection")
  return conn
end

-- A connection that has said who it is.
function greeted()
  local conn = connect()
  took(mt.conninfo(conn, "client.example", "192.0.2.1"))
  took(mt.helo(conn, "client.example"))
  return conn
end

-- One message up to its end; what the filter wants done is asked with mt.eom_check.
function send(conn, subject, rcpts)
  took(mt.mailfrom(conn, "<ann@example.com>"))
  for _, rcpt in ipairs(rcpts or { "<bob@example.org>" }) do
    took(mt.rcptto(conn, rcpt))
    expect(conn, SMFIR_CONTINUE)
  end
  took(mt.header(conn, "From", "ann@example.com"))
  took(mt.header(conn, "Subject", subject))
  took(mt.header(conn, "X-Remove", "1"))
  took(mt.eoh(conn))
  took(mt.bodystring(conn, "Hello.\r\n"))
  took(mt.eom(conn))
end
