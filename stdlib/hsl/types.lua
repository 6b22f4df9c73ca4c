-- What is known of a value's type before it exists: where operands are known to be numbers or
-- texts, Lua's own operators do what HSL's do.
local types = {}

local comparisons = {}
for op in ("== != === !== < > <= >= =~ !~"):gmatch("%S+") do comparisons[op] = true end

-- Builtins that always answer with a boolean.
local predicates = {}
for name in ([[is_array is_string is_number is_none is_object is_function is_boolean
  is_resource]]):gmatch("%S+") do predicates[name] = true end

local of

-- "any" is the type of what is made from itself only: it agrees with every other one.
local function both(a, b)
  if a == b or b == "any" then return a end
  if a == "any" then return b end
end

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
  var = function(node) return not node.quiet and node.var.type or nil end,
  unary = function(node)
    if node.op == "~" then return "number" end
    local type = of(node.value)
    return (type == "number" or type == "any") and type or nil
  end,
  ternary = function(node) return node.a and both(of(node.a), of(node.b)) or nil end,
  incdec = function(node) return node.target.t == "var" and node.target.var.type or nil end,
  call = function(node)
    if node.callee.t == "name" and predicates[node.callee.name] then return "boolean" end
  end,
  assign = function(node)
    if node.op == "=" then return of(node.value) end
    if node.op == ".=" then return "string" end
    if node.target.t ~= "var" or node.op == "??=" then return nil end
    return binary { op = node.op:sub(1, -2), a = node.target, b = node.value }
  end,
}

function of(node)
  local rule = by_node[node.t]
  return rule and rule(node) or nil
end

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
    changed = false
    for _, var in ipairs(open) do
      local type = var.type
      for _, value in ipairs(var.values) do
        if type == nil then break end
        type = both(type, of(value))
      end
      if type ~= var.type then var.type, changed = type, true end
    end
  end
  for _, var in ipairs(open) do
    if var.type == "any" then var.type = nil end
  end
end

--- "number", "string", "boolean", "array", or nil: not known.
function types.of(node)
  return of(node)
end

return types
