-- What is known of a value's type before it exists: where operands are known to be numbers or
-- texts, Lua's own operators do what HSL's do.
local types = {}

local comparisons = {}
for op in ("== != === !== < > <= >= =~ !~"):gmatch("%S+") do comparisons[op] = true end

-- Builtins that always answer with a boolean.
local predicates = {}
for name in ("is_array is_string is_number is_object is_function is_boolean"):gmatch("%S+") do
  predicates[name] = true
end

-- What is found of a node holds until more is known of some variable; long rows ask for each part
-- again and again.
local pass = 0

local of

-- "any" is the type of what is made from itself only: it agrees with every other one.
local function both(a, b)
  if a == b or b == "any" then return a end
  if a == "any" then return b end
end

local one = { t = "num", value = 1.0 }

local function binary(node)
  local op = node.op
  if comparisons[op] then return "boolean" end
  if op == "." then return "string" end
  if op == "/" or op == "**" or op == "|" or op == "&" or op == "^" or op == "<<" or op == ">>" or
      op == ">>>" then
    return "number"
  end
  local a, b = of(node.a), of(node.b)
  local type = both(a, b)
  if type == "number" or type == "any" then return type end
  if op == "%" and a == "string" then return "string" end
end

local by_node = {
  num = function() return "number" end,
  str = function() return "string" end,
  interp = function() return "string" end,
  array = function() return "array" end,
  isset = function() return "boolean" end,
  ["not"] = function() return "boolean" end,
  logic = function() return "boolean" end,
  binary = binary,
  const = function(node) return type(node.value) == "boolean" and "boolean" or nil end,
  paren = function(node) return of(node.value) end,
  var = function(node) return not (node.quiet and node.var.unset) and node.var.type or nil end,
  unary = function(node)
    if node.op == "~" then return "number" end
    local type = of(node.value)
    return (type == "number" or type == "any") and type or nil
  end,
  ternary = function(node) return node.a and both(of(node.a), of(node.b)) or nil end,
  incdec = function(node)          -- a text becomes a number
    return node.target.t == "var" and binary { op = "+", a = node.target, b = one } or nil
  end,
  call = function(node)
    local callee = node.callee
    if callee.t == "name" and predicates[callee.name] and not callee.own then return "boolean" end
  end,
  assign = function(node)
    if node.op == "=" then return of(node.value) end
    if node.op == ".=" then return "string" end
    if node.target.t ~= "var" or node.op == "??=" then return nil end
    return binary { op = node.op:sub(1, -2), a = node.target, b = node.value }
  end,
}

function of(node)
  if node.typed ~= pass then
    local rule = by_node[node.t]
    node.typed, node.type = pass, rule and rule(node) or nil
  end
  return node.type
end

-- ---- whole numbers ------------------------------------------------------------------

-- A variable that only counts is an integer of Lua, and so is what is made from it while its
-- range is known: floats would give the same below 2^53, and Lua is slower with them. How far steps
-- lead is bounded by how many a script can take.
local MAX_STEP, MAX_COUNTED, MAX_WHOLE = 100, 2.0 ^ 44, 2.0 ^ 52

local range

local function within(low, high)
  if low >= -MAX_WHOLE and high <= MAX_WHOLE then return low, high end
end

local ranges = {
  ["+"] = function(al, ah, bl, bh) return within(al + bl, ah + bh) end,
  ["-"] = function(al, ah, bl, bh) return within(al - bh, ah - bl) end,
  ["*"] = function(al, ah, bl, bh)      -- a float of 0 has a sign
    if al >= 0 and bl >= 0 then return within(al * bl, ah * bh) end
  end,
  ["%"] = function(al, ah, bl, bh)
    if al >= 0 and bl > 0 then return 0, math.min(ah, bh - 1) end
  end,
}

local function literal_range(n)
  if n == math.floor(n) and math.abs(n) < MAX_COUNTED and 1 / n ~= -math.huge then return n, n end
end

local function find_range(node)
  if node.t == "num" then
    return literal_range(node.value)
  elseif node.t == "unary" and node.op == "-" and node.value.t == "num" then
    return literal_range(-node.value.value)
  elseif node.t == "var" then
    return node.var.low, node.var.high
  elseif node.t == "binary" and ranges[node.op] then
    local al, ah = range(node.a)
    local bl, bh = range(node.b)
    if al and bl then return ranges[node.op](al, ah, bl, bh) end
  end
end

function range(node)
  while node.t == "paren" do node = node.value end
  if node.ranged ~= pass then
    node.ranged = pass
    node.low, node.high = find_range(node)
  end
  return node.low, node.high
end

-- How far the value is from the variable's before, where that is a literal: $i += 2, $i = $i + 2.
local function step(value, var)
  local op, by
  if value.t == "incdec" and value.target.var == var then
    return value.op == "++" and 1 or -1
  elseif value.t == "assign" and value.target.var == var then
    op, by = value.op:sub(1, -2), value.value
  elseif value.t == "binary" and value.a.t == "var" and value.a.var == var then
    op, by = value.op, value.b
  end
  if (op == "+" or op == "-") and by.t == "num" and range(by) and by.value <= MAX_STEP then
    return op == "+" and by.value or -by.value
  end
end

--- What the expression adds to a variable that counts, if it is such a step.
function types.step(node, var)
  if node.t == "assign" and node.op == "=" then
    return node.target.var == var and step(node.value, var) or nil
  end
  return step(node, var)
end

-- The range of a variable that counts.
local function counted(var)
  local low, high, up, down = math.huge, -math.huge, 0, 0
  for _, value in ipairs(var.values) do
    local by = step(value, var)
    if by then
      up, down = by > 0 and MAX_COUNTED or up, by < 0 and MAX_COUNTED or down
    else
      local l, h = range(value)
      if not l then return nil end
      low, high = math.min(low, l), math.max(high, h)
    end
  end
  if up + down > 0 and low <= high then return within(low - down, high + up) end
end

local function count(open)
  local changed = true
  while changed do
    changed, pass = false, pass + 1
    for _, var in ipairs(open) do
      if var.type == "number" and not (var.low or var.unset or var.forgotten) then
        var.low, var.high = counted(var)
        if var.low then changed, pass = true, pass + 1 end
      end
    end
  end
end

-- ---- variables ----------------------------------------------------------------------

local function is_open(var)
  return var.kind == "local" and not (var.opaque or var.captured or var.param)
end

--- Finds the types of a function's variables: one has the type of everything that is
--- assigned to it. Each starts as "any", and can only become less certain.
function types.infer(scope)
  local open = {}
  for _, var in ipairs(scope.order) do
    if is_open(var) and #var.values > 0 then
      var.type = "any"
      open[#open + 1] = var
    end
  end
  local changed = true
  while changed do
    changed, pass = false, pass + 1
    for _, var in ipairs(open) do
      local type = var.type
      for _, value in ipairs(var.values) do
        if type == nil then break end
        type = both(type, of(value))
      end
      if type ~= var.type then var.type, changed, pass = type, true, pass + 1 end
    end
  end
  for _, var in ipairs(open) do
    if var.type == "any" then var.type = nil end
  end
  pass = pass + 1
  count(open)
end

--- The least and the greatest that a whole number may be, nil where it isn't surely one that Lua's
--- integers can stand for.
function types.range(node)
  return range(node)
end

--- "number", "string", "boolean", "array", or nil: not known.
function types.of(node)
  return of(node)
end

return types
