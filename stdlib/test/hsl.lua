-- What a test file in HSL sees: test(), before(), and the object they get. Runs in the engine
-- of such files; test_call leads to the harness. Values come back through test_value, which is
-- HSL's (harness.lua), so that they are HSL's too.
local cases, begins = {}, {}

-- The harness keeps what failed; here it is an error at the line of the test file: above this
-- function and the method.
local function call(name, ...)
  local ok, text = pcall(test_call, name, select("#", ...), ...)
  if not ok then error((text:gsub("^[^:]*:%d+: ", ""):gsub("^test_call: ", "")), 3) end
  return test_value(text)
end

local function object(prefix, ...)
  local first = table.pack(...)
  return setmetatable({}, { __index = function(_, name)
    return function(_, ...)
      if first.n == 0 then
        local value = call(prefix .. name, ...)
        if name == "connect" then return object("session.", value) end
        return value
      end
      return (call(prefix .. name, first[1], ...))
    end
  end })
end

function before(fn)
  begins[#begins + 1] = fn
end

local function add(name, fn, row, key)
  cases[#cases + 1] = { fn = fn, row = row, key = key }
  call("case", name)
end

function test(name, rows, fn)
  if fn == nil then
    add(name, rows)
    return
  end
  for key, row in pairs(rows) do
    local label = type(row) == "table" and row.name or nil
    add(name .. ": " .. tostring(label or key), fn, row, key)
  end
end

function test_run(i)
  local t, c = object(""), cases[i]
  for _, fn in ipairs(begins) do fn(t) end
  c.fn(t, c.row, c.key)
end
