-- The harness of "sluice test": what test files see, how they are run, how it
-- is told. Gets the desk (core/cmd/test_lua.c), the options, the files, and engines for those in
-- HSL (core/cmd/test_hsl.c).
-- doc/testing.md is for those who write tests.
local desk, options, files, hsl = ...

-- Marks what an expectation raises, apart from errors of the test itself.
local Failure = {}

local current             -- the file that runs: { name, cases, before }

-- ---- failures ---------------------------------------------------------------

-- The innermost line of a test file on the stack.
local function place()
  for level = 2, 60 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.source:find("^@tests/") and info.currentline > 0 then
      return info.source:sub(2) .. ":" .. info.currentline
    end
  end
end

local function fail(text)
  error(setmetatable({ text = text, place = place() }, Failure), 0)
end

local function must(value, why)
  if value == nil then fail(why) end
  return value
end

-- ---- describing and comparing -----------------------------------------------

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and type(a) ~= "boolean" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function describe(v, depth)
  if type(v) == "string" then
    return (string.format("%q", v):gsub("\\\n", "\\n"):gsub("\\13", "\\r"):gsub("\\9", "\\t"))
  end
  if type(v) ~= "table" then return tostring(v) end
  if (depth or 0) > 3 then return "{...}" end
  local out = {}
  for _, k in ipairs(sorted_keys(v)) do
    local value = describe(v[k], (depth or 0) + 1)
    if type(k) == "number" then out[#out + 1] = value
    elseif type(k) == "string" and k:find("^[%a_][%w_]*$") then out[#out + 1] = k .. " = " .. value
    else out[#out + 1] = "[" .. describe(k) .. "] = " .. value end
  end
  return "{ " .. table.concat(out, ", ") .. " }"
end

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("\r\n", "\n") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- Lines that both have at begin and end aren't told.
local function diff_text(got, want)
  local a, b = lines_of(got), lines_of(want)
  local first, last_a, last_b = 1, #a, #b
  while first <= last_a and first <= last_b and a[first] == b[first] do first = first + 1 end
  while last_a >= first and last_b >= first and a[last_a] == b[last_b] do
    last_a, last_b = last_a - 1, last_b - 1
  end
  local out = { "line " .. first .. ":" }
  for i = first, last_b do out[#out + 1] = "  - " .. b[i] end
  for i = first, last_a do out[#out + 1] = "  + " .. a[i] end
  return table.concat(out, "\n")
end

-- Adds a line per difference to 'out'.
local function differences(got, want, name, out)
  if type(got) == "table" and type(want) == "table" then
    local keys = {}
    for k in pairs(got) do keys[k] = true end
    for k in pairs(want) do keys[k] = true end
    for _, k in ipairs(sorted_keys(keys)) do
      local inner = type(k) == "number" and name .. "[" .. k .. "]" or
          (name == "" and "" or name .. ".") .. tostring(k)
      differences(got[k], want[k], inner, out)
    end
  elseif got ~= want then
    if type(got) == "string" and type(want) == "string" and (got .. want):find("\n") then
      out[#out + 1] = name .. ": - expected, + found; " .. diff_text(got, want)
    else
      out[#out + 1] = name .. ": expected " .. describe(want) .. ", found " .. describe(got)
    end
  end
  return out
end

-- ---- messages ---------------------------------------------------------------

local Message = {}
Message.__index = Message

local function unfold(value)
  return (value:gsub("\r?\n([ \t])", "%1"):gsub("^%s+", ""):gsub("%s+$", ""))
end

-- All values of a header field, from the top, unfolded.
function Message:headers(name)
  local found = {}
  for field in (self.head .. "\r\n"):gmatch("(.-)\r\n%f[^ \t\n]") do
    local n, value = field:match("^([^:%s]+)[ \t]*:(.*)$")
    if n and n:lower() == name:lower() then found[#found + 1] = unfold(value) end
  end
  return found
end

function Message:header(name)
  return self:headers(name)[1]
end

-- Views of the bytes, made when they are asked for.
local function message(m)
  local cut = m.bytes:find("\r\n\r\n", 1, true)
  m.head = cut and m.bytes:sub(1, cut + 1) or m.bytes
  m.body = cut and m.bytes:sub(cut + 4) or ""
  m.to = {}
  for i, r in ipairs(m.recipients) do m.to[i] = r.recipient end
  return setmetatable(m, Message)
end

local order = { "Received", "From", "To", "Cc", "Subject", "Date", "Message-ID" }

-- A message from a table: its names are header fields, 'body' is the body.
local function build(fields)
  local out, done = {}, { body = true }
  local function put(name)
    local value = fields[name]
    for _, v in ipairs(type(value) == "table" and value or { value }) do
      out[#out + 1] = name .. ": " .. v .. "\r\n"
    end
    done[name] = true
  end
  for _, name in ipairs(order) do if fields[name] then put(name) end end
  for _, name in ipairs(sorted_keys(fields)) do if not done[name] then put(name) end end
  return table.concat(out) .. "\r\n" .. (fields.body or "")
end

-- ---- results ----------------------------------------------------------------

local Result = {}
Result.__index = Result

local function split_questions(list)
  local dns, http, sockets = {}, {}, {}
  for _, q in ipairs(list) do
    if q.socket then sockets[#sockets + 1] = q.socket
    elseif q.dns then dns[#dns + 1] = { type = q.dns, name = q.name }
    else http[#http + 1] = { method = q.http, url = q.url, headers = q.headers, body = q.body } end
  end
  return dns, http, sockets
end

-- What a conversation came to: the verdict that ended it, and all before it.
local function result(verdict, steps, from)
  local r = {}
  for k, v in pairs(verdict) do r[k] = v end
  r.verdict, r.steps, r.messages, r.events = verdict.action, steps, {}, {}
  for i, m in ipairs(verdict.messages or {}) do r.messages[i] = message(m) end
  local all, asked = desk.events(), desk.questions()
  r.events = table.move(all, from.events + 1, #all, 1, {})
  r.dns, r.http, r.sockets = split_questions(table.move(asked, from.asked + 1, #asked, 1, {}))
  return setmetatable(r, Result)
end

-- The events of that name.
function Result:event(name)
  for _, e in ipairs(self.events) do if e.event == name then return e end end
end

-- ---- cases ------------------------------------------------------------------

local Case = {}
Case.__index = Case

local types = { A = 1, AAAA = 1, NS = 1, CNAME = 1, SOA = 1, PTR = 1, MX = 1, TXT = 1, SRV = 1,
  TLSA = 1, CAA = 1, SPF = 1, DELAY = 1 }

local function record(name, kind, value)
  if kind == "TXT" or kind == "SPF" then
    value = '"' .. tostring(value):gsub('[\\"]', "\\%0") .. '"'
  end
  return name .. ". " .. kind .. " " .. tostring(value) .. "\n"
end

local function zone_of(names)
  local out = {}
  for _, name in ipairs(sorted_keys(names)) do
    local value = names[name]
    if type(value) == "string" then value = { [value] = "" } end
    for _, kind in ipairs(sorted_keys(value)) do
      if kind == "NXDOMAIN" or kind == "SERVFAIL" or kind == "TIMEOUT" or kind == "BOGUS" then
        out[#out + 1] = name .. ". " .. kind .. "\n"
      elseif not types[kind] then
        fail("dns: " .. name .. ": " .. tostring(kind) .. " is no type of record")
      else
        local values = type(value[kind]) == "table" and value[kind] or { value[kind] }
        for _, v in ipairs(values) do out[#out + 1] = record(name, kind, v) end
      end
    end
  end
  return table.concat(out)
end

-- Zone text that stands indented in a test begins at the line's begin, as zone text must.
local function unindent(text)
  local least
  for blanks in ("\n" .. text):gmatch("\n([ \t]*)[^ \t\r\n]") do
    if not least or #blanks < #least then least = blanks end
  end
  return (("\n" .. text):gsub("\n" .. (least or ""), "\n"):sub(2))
end

-- Names: zone text, or { ["example.org"] = { TXT = "v=spf1 -all", MX = { ... } }, gone = "NXDOMAIN" }.
function Case:dns(names)
  local text = type(names) == "table" and zone_of(names) or unindent(names)
  local ok, why = desk.zone(text)
  if not ok then fail("dns: " .. why) end
end

local answer_keys = { status = 1, headers = 1, body = 1, json = 1, delay = 1, fail = 1 }
local stages = { timeout = 1, connect = 1, tls = 1, size = 1, protocol = 1, refused = 1 }

local function http_answer(value, url)
  if type(value) == "string" then return { status = 200, body = value } end
  local a = { status = 200 }
  for k, v in pairs(value) do
    if not answer_keys[k] then fail("http: " .. url .. ": there is no " .. tostring(k)) end
    a[k] = v
  end
  if a.fail and not stages[a.fail] then fail("http: " .. url .. ": fail = " .. describe(a.fail)) end
  if a.json ~= nil then
    a.body, a.json = must(desk.json(a.json)), nil
    a.headers = a.headers or {}
    a.headers["Content-Type"] = a.headers["Content-Type"] or "application/json"
  end
  return a
end

-- Routes: { ["GET https://keys.example.net/*"] = { json = {...} } }; a list is a sequence.
function Case:http(routes)
  for _, key in ipairs(sorted_keys(routes)) do
    local method, url = key:match("^(%u+) (.+)$")
    local value, answers = routes[key], {}
    if type(value) ~= "table" or value[1] == nil then value = { value } end
    for i, v in ipairs(value) do answers[i] = http_answer(v, key) end
    must(desk.route(method, url or key, answers))
  end
end

-- Nobody listens there: "192.0.2.1:25", "unix:/path", or a list. Conversations can't be given.
function Case:refused(addresses)
  for _, address in ipairs(type(addresses) == "table" and addresses or { addresses }) do
    must(desk.refuse(address))
  end
end

-- "2026-01-01", "2026-01-01T12:00:00Z" (always UTC) or seconds since 1970.
local function seconds(when)
  if type(when) == "number" then return when end
  local y, mo, d, rest = when:match("^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$")
  local h, mi, s = 0, 0, 0
  if rest and rest ~= "" then h, mi, s = rest:match("^[T ](%d%d):(%d%d):(%d%d)Z?$") end
  if not y or not h then fail("clock: " .. describe(when) .. " is no time (2026-01-01T12:00:00Z)") end
  y, mo, d = math.tointeger(y), math.tointeger(mo), math.tointeger(d)
  -- days from the civil calendar, years beginning in March
  if mo <= 2 then y, mo = y - 1, mo + 12 end
  local days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * (mo - 3) + 2) // 5 + d - 719469
  return days * 86400 + h * 3600 + mi * 60 + s
end

-- Sets the clock; gives what it shows.
function Case:clock(when)
  if when ~= nil then desk.set_time(seconds(when)) end
  return desk.now()
end

-- Lets time pass, on all clocks.
function Case:wait(s)
  desk.wait(s)
end

-- What t:smtp doesn't say itself is taken from here.
function Case:given(values)
  for k, v in pairs(values) do self.defaults[k] = v end
end

function Case:read(name)
  local f = must(io.open(options.policy .. "/" .. name, "rb"))
  local text = f:read("a")
  f:close()
  return text
end

-- A private key and the TXT record that publishes it; "rsa" (2048 bits) or "ed25519".
function Case:key(kind)
  local private, published = desk.key(kind or "ed25519")
  must(private, published)
  return { private = private, record = published }
end

-- A script error is expected: one whose text has this in it. Any other fails the case.
function Case:script_error(text)
  self.errors[#self.errors + 1] = { text = text }
end

-- ---- conversations ----------------------------------------------------------

local Session = {}
Session.__index = Session

local function step(s, verdict, why)
  must(verdict, why)
  s.steps[#s.steps + 1] = verdict
  s.last = verdict
  return verdict.code < 400 and not verdict.disconnect
end

function Session:result()
  return result(self.last, self.steps, self.from)
end

function Session:helo(name)
  step(self, desk.helo(name))
  return self:result()
end

-- With a password the auth flow or the users file decides; without, nobody does.
function Session:auth(user, password)
  if password == nil then must(desk.account(user)) return end
  step(self, desk.auth("PLAIN", user, password))
  return self:result()
end

local function with_defaults(o, case)
  local out = {}
  for k, v in pairs(case.defaults) do out[k] = v end
  for k, v in pairs(o or {}) do out[k] = v end
  return out
end

local function need(options_, name)
  if options_[name] == nil then fail("smtp: " .. name .. " is needed (here, or by t:given)") end
  return options_[name]
end

-- One message on the connection.
function Session:send(o)
  o = with_defaults(o, self.case)
  local to, text, accepted = need(o, "to"), need(o, "message"), 0
  if type(to) == "string" then to = { to } end
  if type(text) == "table" then text = build(text) end
  self.from = { events = #desk.events(), asked = #desk.questions() }
  if not step(self, desk.mail(need(o, "from"))) then return self:result() end
  for _, address in ipairs(to) do
    if step(self, desk.rcpt(address)) then accepted = accepted + 1 end
    if self.last.disconnect then return self:result() end
  end
  if accepted > 0 then step(self, desk.data(text)) end
  local r = self:result()
  desk.reset()
  return r
end

-- A connection, ready for messages. 'live' is false in the result when it was refused.
function Case:connect(o)
  o = with_defaults(o, self)
  local s = setmetatable({ case = self, steps = {},
    from = { events = #desk.events(), asked = #desk.questions() } }, Session)
  local ip, name = need(o, "ip"), need(o, "helo")
  s.live = step(s, desk.connect({ ip = ip, port = o.port, server = o.server, serverip = o.serverip,
    serverport = o.serverport })) and step(s, desk.helo(name))
  if s.live and o.tls then
    must(desk.tls(o.tls == true and "TLSv1.3" or o.tls))
    s.live = step(s, desk.helo(name))
  end
  if s.live and type(o.auth) == "table" then
    s.live = step(s, desk.auth(o.auth.mechanism or "PLAIN", o.auth[1], o.auth[2]))
  elseif s.live and o.auth then
    must(desk.account(o.auth))
  end
  return s
end

function Session:close()
  desk.disconnect()
end

local smtp_keys = { ip = 1, port = 1, server = 1, serverip = 1, serverport = 1, helo = 1, tls = 1,
  auth = 1, from = 1, to = 1, message = 1 }

-- One message on a connection of its own; the result of the step that ended it.
function Case:smtp(o)
  o = o or {}
  for k in pairs(o) do
    if not smtp_keys[k] then fail("smtp: there is no " .. tostring(k)) end
  end
  local from = { events = #desk.events(), asked = #desk.questions() }
  local s = self:connect(o)
  local r = s:result()
  if s.live then
    s:send({ from = o.from, to = o.to, message = o.message })
    s:close()
    r = result(s.last, s.steps, from)
  else
    s:close()
  end
  return r
end

-- ---- expectations -----------------------------------------------------------

function Case:equal(got, want, what)
  local out = differences(got, want, what or "", {})
  if #out > 0 then fail((table.concat(out, "\n"):gsub("^: ", ""))) end
end

function Case:check(value, what)
  if not value then fail(what or "expected something true, found " .. describe(value)) end
  return value
end

-- 'pattern' is one of Lua's.
function Case:match(text, pattern, what)
  if type(text) ~= "string" or not text:find(pattern) then
    fail((what and what .. ": " or "") .. "expected a text with " .. describe(pattern) .. ", found " ..
      describe(text))
  end
end

-- Each field of 'want' is compared; reply and where only have to have the text in them;
-- 'messages' may be a number.
function Case:expect(r, want)
  local out = {}
  for _, k in ipairs(sorted_keys(want)) do
    local w, got = want[k], r[k]
    if (k == "reply" or k == "where") and type(got) == "string" and got:find(w, 1, true) then
      -- as expected
    elseif k == "messages" and type(w) == "number" then
      differences(#got, w, "messages", out)
    else
      differences(got, w, k, out)
    end
  end
  if #out > 0 then
    fail(table.concat(out, "\n") .. "\n  in " .. r.phase .. ", decided at " .. r.where .. ": " ..
      (r.reply:gsub("\n", "\n    ")))
  end
end

-- ---- what test files see ----------------------------------------------------

-- test("name", function(t) ... end), or a case per row: test("name", rows, function(t, row, key) ... end)
local function test(name, rows, fn)
  if fn == nil then
    table.insert(current.cases, { name = name, fn = rows })
    return
  end
  for _, key in ipairs(sorted_keys(rows)) do
    local row = rows[key]
    local label = type(key) == "number" and type(row) == "table" and row.name or tostring(key)
    table.insert(current.cases, { name = name .. ": " .. label, fn = fn, row = row, key = key })
  end
end

-- Runs in each case of the file before it.
local function before(fn)
  table.insert(current.before, fn)
end

-- ---- errors ------------------------------------------------------------------

local function handler(e)
  if getmetatable(e) == Failure then return e end
  local text = debug.traceback(tostring(e), 2):gsub("\n[^\n]*test/harness%.lua.*", "")
  return setmetatable({ text = text }, Failure)
end

-- ---- files in HSL -----------------------------------------------------------

local function read_file(path)
  local f, why = io.open(path, "rb")
  if not f then error(why, 0) end
  local text = f:read("a")
  f:close()
  return text
end

-- JSON has UTF-8 only.
local function clean(v)
  if type(v) == "string" and not utf8.len(v) then return (v:gsub("[\128-\255]+", "\u{FFFD}")) end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, inner in pairs(v) do if type(inner) ~= "function" then out[k] = clean(inner) end end
  return out
end

-- What runs of such a file: its case, its sessions, and what failed in it.
local running

local on_values = {}     -- methods of values, which are plain in HSL

function on_values.event(_, r, name) return Result.event(r, name) end
function on_values.header(_, m, name) return Message.header(setmetatable(m, Message), name) end
function on_values.headers(_, m, name) return Message.headers(m, name) end

-- HSL's numbers are floating-point; ours tell 550 from 550.0.
local function whole(v)
  if math.type(v) == "float" then return math.tointeger(v) or v end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, inner in pairs(v) do out[k] = whole(inner) end
  return out
end

local function dispatch(name, ...)
  if name == "case" then
    local i = #current.cases + 1
    current.cases[i] = { name = ..., hsl = i }
    return
  end
  local t = running.case
  if not t then fail(name .. ": not outside of a case") end
  local inner = name:match("^session%.(.*)$")
  if inner then
    if not Session[inner] then fail("a session has no " .. inner) end
    return clean(Session[inner](running.sessions[...], select(2, ...)))
  end
  local fn = on_values[name] or Case[name]
  if not fn then fail("there is no " .. name) end
  local value = fn(t, ...)
  if name ~= "connect" then return clean(value) end
  table.insert(running.sessions, value)
  return #running.sessions
end

-- The first line of an error has its place.
local function place_in(text)
  return text:match("^(tests/[^:\n]+:%d+)")
end

local function exec(name, source)
  running.failure = nil
  local ok, why = hsl.exec(name, source)
  if ok then return end
  local failure = why:find(": failed$") and running.failure
  error(setmetatable({ text = failure and failure.text or why, place = failure and place_in(why) },
    Failure), 0)
end

local function load_hsl(name, text)
  running = { sessions = {} }
  hsl.begin(function(...)
    local args = table.pack(...)
    for i = 1, args.n do args[i] = whole(args[i]) end
    local packed = table.pack(xpcall(dispatch, handler, table.unpack(args, 1, args.n)))
    if packed[1] then return true, packed[2] end
    running.failure = packed[2]
    return false
  end, options.policy)
  exec("values.hsl", "function test_value($text) { return json_decode($text); }")
  exec("stdlib/test/hsl.lua", read_file(options.stdlib .. "/test/hsl.lua"))
  exec(name, text)
end

local function run_hsl(t, i)
  running = { case = t, sessions = {} }
  exec("case", "test_run(" .. i .. ")")
end

-- ---- running ----------------------------------------------------------------

-- What a case left open: questions that nobody answered, script errors that nobody expected.
local function left_open(case)
  local out, told = {}, {}
  for _, question in ipairs(desk.unanswered()) do
    if not told[question] then out[#out + 1] = question end
    told[question] = true
  end
  for _, e in ipairs(desk.events()) do
    if e.event == "script_error" or e.event == "script_limit" then
      local expected = false
      for _, x in ipairs(case.errors) do
        if e.error:find(x.text, 1, true) then x.seen, expected = true, true end
      end
      if not expected then out[#out + 1] = "script error: " .. e.error end
    end
  end
  for _, x in ipairs(case.errors) do
    if not x.seen then out[#out + 1] = "there was no script error with " .. describe(x.text) end
  end
  return out
end

local function run_case(file, c)
  local ok, why = desk.begin()
  if not ok then error(why, 0) end
  local t = setmetatable({ defaults = {}, errors = {} }, Case)
  local passed, failure = xpcall(function()
    if c.hsl then return run_hsl(t, c.hsl) end
    for _, fn in ipairs(file.before) do fn(t) end
    c.fn(t, c.row, c.key)
  end, handler)
  if not passed and getmetatable(failure) ~= Failure then failure = { text = tostring(failure) } end
  desk.disconnect()
  local open = left_open(t)
  if passed and #open == 0 then return true end
  local text = {}
  if not passed then text[1] = failure.text end
  for _, line in ipairs(open) do text[#text + 1] = line end
  return false, table.concat(text, "\n"), failure and failure.place
end

local function load_file(name)
  current = { name = name, cases = {}, before = {} }
  local env = setmetatable({ test = test, before = before }, { __index = _G })
  local text = Case.read(nil, name)
  if name:find("%.hsl$") then
    local ok, e = xpcall(load_hsl, handler, name, text)
    return current, not ok and e.text or nil
  end
  local chunk, why = load(text, "@" .. name, "t", env)
  if not chunk then return current, why end
  local ok, e = xpcall(chunk, handler)
  if not ok then return current, type(e) == "table" and e.text or tostring(e) end
  return current
end

-- ---- telling ----------------------------------------------------------------

local function indent(text, by)
  return by .. text:gsub("\n", "\n" .. by)
end

local tell = {}

function tell.plain(n, r)
  if not r.passed then
    print("FAIL " .. r.file .. ": " .. r.name)
    print(indent((r.place and r.place .. ": " or "") .. r.text, "    "))
  end
end

function tell.tap(n, r)
  print((r.passed and "ok " or "not ok ") .. n .. " - " .. (r.file .. ": " .. r.name):gsub("#", "\\#"))
  if not r.passed then print(indent((r.place and r.place .. ": " or "") .. r.text, "# ")) end
end

local function xml(s)
  return (s:gsub("[%z\1-\8\11\12\14-\31]", "?"):gsub('[&<>"]',
    { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- A file for a report; nil: it was said why it can't be one.
local unwritten = false
local function create(path)
  local f, why = io.open(path, "w")
  if not f then
    io.stderr:write("sluice: ", why, "\n")
    unwritten = true
  end
  return f
end

local function write_junit(path, results, failed)
  local f = create(path)
  if not f then return end
  f:write('<?xml version="1.0" encoding="UTF-8"?>\n')
  f:write(string.format('<testsuite name="%s" tests="%d" failures="%d">\n', xml(options.policy),
    #results, failed))
  for _, r in ipairs(results) do
    f:write(string.format('  <testcase classname="%s" name="%s" time="%.3f"', xml(r.file), xml(r.name),
      r.time))
    if r.passed then f:write("/>\n")
    else
      f:write(string.format('>\n    <failure message="%s">%s</failure>\n  </testcase>\n',
        xml(r.text:match("[^\n]*")), xml((r.place and r.place .. ": " or "") .. r.text)))
    end
  end
  f:write("</testsuite>\n")
  f:close()
end

-- ---- coverage ---------------------------------------------------------------

-- Calls fn(line, count) for each line with code; Lua's index is one more than the line.
local function each_line(counts, fn)
  for i = 2, #counts do
    if counts[i] >= 0 then fn(i - 1, counts[i]) end
  end
end

-- "3, 7-9" of a list of lines; lines without code between two don't part them.
local function ranges(counts, missed)
  local out, i = {}, 1
  while i <= #missed do
    local j = i
    while j < #missed do
      local between = false
      for line = missed[j] + 1, missed[j + 1] - 1 do between = between or counts[line + 1] > 0 end
      if between then break end
      j = j + 1
    end
    out[#out + 1] = i == j and tostring(missed[i]) or missed[i] .. "-" .. missed[j]
    i = j + 1
  end
  return table.concat(out, ", ")
end

local function tell_coverage(covered)
  local prefix = options.tap and "# " or ""
  for _, path in ipairs(sorted_keys(covered)) do
    local lines, missed = 0, {}
    each_line(covered[path], function(line, count)
      lines = lines + 1
      if count == 0 then missed[#missed + 1] = line end
    end)
    print(string.format("%s%-30s %5.1f%%  %d of %d lines%s", prefix, path,
      lines > 0 and (lines - #missed) * 100 / lines or 100, lines - #missed, lines,
      #missed > 0 and "; not run: " .. ranges(covered[path], missed) or ""))
  end
end

local function write_lcov(path, covered)
  local f = create(path)
  if not f then return end
  for _, name in ipairs(sorted_keys(covered)) do
    local lines, hit = 0, 0
    f:write("TN:\nSF:", options.policy, "/", name, "\n")
    each_line(covered[name], function(line, count)
      f:write("DA:", line, ",", count, "\n")
      lines, hit = lines + 1, hit + (count > 0 and 1 or 0)
    end)
    f:write("LF:", lines, "\nLH:", hit, "\nend_of_record\n")
  end
  f:close()
end

local function main()
  local results, failed = {}, 0
  local say = options.tap and tell.tap or tell.plain
  local function note(r)
    results[#results + 1] = r
    if not r.passed then failed = failed + 1 end
    say(#results, r)
  end
  package.path = options.policy .. "/tests/?.lua;" .. package.path
  if options.tap then print("TAP version 14") end
  for _, name in ipairs(files) do
    local file, broken = load_file(name)
    if broken then note({ file = name, name = "loads", passed = false, text = broken, time = 0 }) end
    for _, c in ipairs(broken and {} or file.cases) do
      if not options.filter or (name .. ": " .. c.name):find(options.filter, 1, true) then
        local began = os.clock()
        local passed, text, where = run_case(file, c)
        note({ file = name, name = c.name, passed = passed, text = text, place = where,
          time = os.clock() - began })
      end
    end
  end
  if options.tap then print("1.." .. #results) end
  if options.coverage then tell_coverage(desk.coverage()) end
  if options.lcov then write_lcov(options.lcov, desk.coverage()) end
  if options.junit then write_junit(options.junit, results, failed) end
  print((options.tap and "# " or "") .. #results - failed .. " passed, " .. failed .. " failed")
  if #results == 0 then io.stderr:write("sluice: no case was run\n") end
  if unwritten then return nil end
  return failed == 0 and #results > 0
end

return main()
