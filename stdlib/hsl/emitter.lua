-- From a resolved tree to the source of a Lua chunk.
--
-- Every statement stands on the line that it has in HSL, so that Lua's own positions are right.
-- Marks ("\1line\2") say where a line has to be reached; the last step makes newlines of them.
--
-- Names in the code: a variable keeps its name (those that Lua or we use get "_v" in front); _H
-- is the runtime's table and _name a function of it, E has the functions of the run, B the
-- builtins, _M the main scope's shared variables, _I1 and so on those of a call that includes files;
-- _t_name is the token by which a variable owns its array; _1, _2 ... are temporary; _n says how
-- many arguments functions take.
local assignments = require "hsl.assignments"
local callees = require "hsl.callees"
local lua = require "hsl.lua_code"
local statements = require "hsl.statements"

local emitter = {}

local MAX_LOCALS = 100      -- of one function; more are kept in a table

local M = setmetatable({}, { __index = assignments })   -- read, store, assign, step, choose
M.__index = M

local place, token, owns, lua_name = assignments.place, assignments.token, assignments.owns,
  assignments.lua_name

local quote = lua.quote

-- ---- text ----------------------------------------------------------------------------

function M:add(code)
  local out = self.out
  out[#out + 1] = code
end

function M:push()
  self.out = { below = self.out }
end

function M:pop()
  local code = table.concat(self.out, " ")
  self.out = self.out.below
  return code
end

function M:mark(at)
  return at.line and "\1" .. at.line .. "\2" or ""
end

local function settle_lines(code)
  local line = 1
  return (code:gsub("\1(%d+)\2", function(wanted)
    local n = tonumber(wanted) - line
    if n <= 0 then return "" end
    line = line + n
    return ("\n"):rep(n)
  end))
end

--- A function of the runtime, by its short name.
function M:use(name)
  self.used[name] = true
  return "_" .. name
end

function M:original(name)
  return name:find(".", 1, true) and ('B["%s"]'):format(name) or "B." .. name   -- "Class.function"
end

function M:temp()
  self.temps = self.temps + 1
  self.has_temps = true
  return "_" .. self.temps
end

function M:label()
  self.labels = self.labels + 1
  return self.labels
end

-- ---- functions ------------------------------------------------------------------------------

local defines = { ["function"] = true, class = true, import = true }

-- Functions are there before the code that stands above them runs: jumps lead over the code to
-- the definitions first, and back.
local function segments(body)
  local list = {}
  for _, statement in ipairs(body) do
    local kind = defines[statement.t] and "defined" or "run"
    if not list[#list] or list[#list].kind ~= kind then
      list[#list + 1] = { kind = kind }
    end
    table.insert(list[#list], statement)
  end
  return list
end

local function in_order(list)
  local order = {}
  for _, kind in ipairs { "defined", "run" } do
    for i, segment in ipairs(list) do
      if segment.kind == kind then order[#order + 1] = i end
    end
  end
  return order
end

-- 'between' is run behind the definitions.
local function emit_body(self, body, between)
  local list = segments(body)
  local order = in_order(list)
  local id, following, first_run = self:label(), {}, nil
  for i, at in ipairs(order) do
    following[at] = order[i + 1] or #list + 1
    if list[at].kind == "run" and not first_run then first_run = at end
  end
  local jumps = #order > 0 and order[1] ~= 1
  if between and not first_run then between = between .. " " end
  local last_defined
  for _, at in ipairs(order) do
    if list[at].kind == "defined" then last_defined = at end
  end
  if between and self.role == "part" and not self.in_function then    -- defined before, for all
    self:add(("if _mode == 2 then goto _d%d_%d end"):format(id, first_run or #list + 1))
  end
  if between and not last_defined then self:add(between) end
  if jumps then self:add(("goto _d%d_%d;"):format(id, order[1])) end
  for i, segment in ipairs(list) do
    self:add(("::_d%d_%d::"):format(id, i))
    for _, statement in ipairs(segment) do statements.emit(self, statement) end
    if i == last_defined and between then self:add(between) end
    if following[i] ~= i + 1 then self:add(("goto _d%d_%d;"):format(id, following[i])) end
  end
  self:add(("::_d%d_%d::"):format(id, #list + 1))
end

-- Declares a scope's locals; many of them live in a table.
local function declare(self, scope)
  local names, values, tokens = {}, {}, {}
  local own = {}
  for _, var in ipairs(scope.order) do
    if var.kind == "local" and not var.object then own[#own + 1] = var end
  end
  local spill = #own > MAX_LOCALS
  if spill then self:add("local _L = {};") end
  for _, var in ipairs(own) do
    if spill then
      local plain = place(var)
      var.place, var.spilled = "_L." .. lua_name(var.name), true
      if var.param then self:add(("%s = %s;"):format(var.place, plain)) end
      if not var.param and var.unset then
        self:add(("%s = %s;"):format(var.place, self:use("unset")))
      end
    else
      if not var.param then
        names[#names + 1] = place(var)
        values[#values + 1] = var.unset and self:use("unset") or "nil"
      end
      if owns(var) then tokens[#tokens + 1] = token(var) end
    end
  end
  if #names > 0 then
    self:add(("local %s = %s;"):format(table.concat(names, ", "), table.concat(values, ", ")))
  end
  if #tokens > 0 then self:add("local " .. table.concat(tokens, ", ") .. ";") end
end

-- A function that includes files shares its variables with them: they live in a table of the call's.
local function share(self, node)
  local scope, binds = node.scope, {}
  self.home = "_I" .. self:label()
  scope.home = self.home
  self:add(("local %s = %s(_M);"):format(self.home, self:use("own_variables")))
  for _, var in ipairs(scope.order) do
    if var.pasted and var.param then
      self:add(("%s(%s, %s, %s);"):format(self:use("put"), self.home, quote(var.name), place(var)))
    elseif var.kind == "global" and not var.pasted and scope.pasted[var.name] then
      binds[#binds + 1] = ("%s(%s, %s, _M, %s);"):format(self:use("bind"), self.home, quote(var.name),
        quote(var.name))
    end
  end
  self:add(table.concat(binds, " "))
end

local function nested_names(scope)
  local names = {}
  for name in pairs(scope.functions) do names[#names + 1] = "_f_" .. name end
  table.sort(names)
  return names
end

--- The code of a function.
function M:func(node)
  local names, rest = {}, nil
  if node.method then names[1] = "this" end
  for _, param in ipairs(node.params) do
    if param.rest then
      rest = param
      names[#names + 1] = "..."
    else
      names[#names + 1] = place(param.var)
    end
  end
  local saved = { self.inside, self.leaving, self.in_function, self.generator, self.home, self.has_temps,
    self.keeps }
  self.inside, self.leaving, self.in_function, self.generator, self.home = nil, nil, true, node.generator,
    nil
  self:push()
  if rest then
    self:add(("local %s = %s(...);"):format(place(rest.var), self:use("list")))
  end
  declare(self, node.scope)
  local functions = nested_names(node.scope)
  if #functions > 0 then self:add("local " .. table.concat(functions, ", ") .. ";") end
  for _, param in ipairs(node.params) do
    if param.default then
      self:add(("if %s == nil then %s = %s end"):format(place(param.var), place(param.var),
        lua.argument(self, param.default)))
    end
  end
  if node.scope.pasted then share(self, node) end
  if node.generator then
    self:add(("do return %s(function() local _y = %s();"):format(self:use("generator"),
      self:use("yielder")))
  end
  emit_body(self, node.body.body)
  if node.generator then self:add("end) end") end
  local code = self:pop()
  self.inside, self.leaving, self.in_function, self.generator, self.home, self.has_temps, self.keeps =
    table.unpack(saved, 1, 7)
  -- made where it ends, as Lua does: to who steps it is no line of its body
  code = ("%sfunction(%s) %s %send"):format(self:mark(node), table.concat(names, ", "), code,
    self:mark{ line = node.body.last })
  local least, most = callees.counts(node)
  if least == most or most == math.huge and least == #node.params - 1 then return code end
  return ("%s(%s, %d)"):format(self:use("optional"), code, least)
end

-- ---- the file -----------------------------------------------------------------------------------

local function head(self)
  local names = {}
  for name in pairs(self.used) do names[#names + 1] = name end
  table.sort(names)
  local code = "local _H = _ENV; local E, _M, _mode = _H.enter(...); local B = _H.builtins;"
  if #names == 0 then return code end
  local values = {}
  for i, name in ipairs(names) do
    names[i], values[i] = "_" .. name, ("_H[%q]"):format(name)
  end
  code = ("%s local %s = %s;"):format(code, table.concat(names, ", "), table.concat(values, ", "))
  return self.used.callee and code .. " local _n = _H.counts();" or code
end

-- Functions of included files are there from the beginning, as if they stood here.
local function definitions_of_included(self)
  local parts, seen = {}, {}
  for _, node in ipairs(self.includes) do
    if node.path:find("%.hsl$") and not seen[node.path] then
      seen[node.path] = true
      parts[#parts + 1] = ("%s(%s, _M, 1);"):format(self:use("include"), quote(node.path))
    end
  end
  return table.concat(parts, " ")
end

--- The chunk of a resolved file. 'found' is what the resolver knows of it.
function emitter.emit(file, found)
  local self = setmetatable({ used = {}, temps = 0, labels = 0, private = {}, includes = found.includes,
    role = found.role, builtins = found.host.builtins, out = {} }, M)
  self:push()
  declare(self, file.scope)
  local between = definitions_of_included(self)
  if found.role then between = between .. " if _mode == 1 then return end" end
  emit_body(self, file.body, between ~= "" and between or nil)
  local code = self:pop()
  -- the chunk returns behind its last line, not on it
  return settle_lines(head(self) .. " " .. code) .. "\n;\n"
end

return emitter
