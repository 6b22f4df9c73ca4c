-- From a resolved tree to the source of a Lua chunk.
--
-- Every statement stands on the line that it has in HSL, so that Lua's own positions are right.
-- Marks ("\1line\2") say where a line has to be reached; the last step makes newlines of them.
--
-- Names in the code: a variable keeps its name (those that Lua or we use get "_v" in front); _H
-- is the runtime's table and _name a function of it, E has the functions of the run, B the
-- builtins, _M the main scope's shared variables; _t_name is the token by which a variable owns
-- its array; _1, _2 ... are temporary; _n says how many arguments functions take.
local assignments = require "hsl.assignments"
local callees = require "hsl.callees"
local expressions = require "hsl.expressions"
local lua = require "hsl.lua_code"
local operators = require "hsl.operators"
local types = require "hsl.types"

local emitter = {}

local MAX_LOCALS = 100      -- of one function; more are kept in a table

local M = setmetatable({}, { __index = assignments })   -- read, store, assign, step, choose
M.__index = M

local place, token, owns, lua_name = assignments.place, assignments.token, assignments.owns,
  assignments.lua_name
local path_of, path_codes, is_slice = assignments.path_of, assignments.path_codes,
  assignments.is_slice
local write_element, write_slice = assignments.write_element, assignments.write_slice
local write_target, write_pattern = assignments.write_target, assignments.write_pattern

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

-- ---- statements ------------------------------------------------------------------------------

local statements = {}
local emit_block, emit_statement

-- Variables whose array may be held by others after this statement have it alone no more.
-- Where only parts of it may be, a new token does: the array is written in place as before, and
-- those that lie in it are copied, for they carry the old one.
local function clear(self, clears)
  local whole, order = {}, {}
  for _, use in ipairs(clears or {}) do
    local var = use.var
    if owns(var) and (not use.part or var.nested) then
      if whole[var] == nil then order[#order + 1] = var end
      whole[var] = whole[var] or not use.part
    end
  end
  for _, var in ipairs(order) do
    self:add(whole[var] and token(var) .. " = nil;" or
      ("%s = %s and %s();"):format(token(var), token(var), self:use("fresh")))
  end
end

function statements.expression(self, node)
  local value = lua.strip(node.value)
  local before = { clean = true }
  if value.t == "assign" then
    self:assign(value, before)
  elseif value.t == "incdec" then
    self:step(value, before)
  else
    local code, level = lua.of(self, value, before)
    if value.t == "call" or value.t == "cache" or value.t == "yield" then
      self:add(code .. ";")
    else
      self:add(("local _ = %s;"):format(code, level))
      self.has_temps = true
    end
  end
end

function statements.echo(self, node)
  local code = lua.argument(self, node.value, { clean = true })
  self:add(self:original("echo") .. "(" .. code .. ");")
end

statements["if"] = function(self, node)
  local open = 0
  for i, arm in ipairs(node.arms) do
    self:push()
    local c = operators.condition(self, arm.cond, { clean = true })
    local before = self:pop()
    if i == 1 then
      self:add(before .. " if " .. c .. " then")
    elseif before == "" then
      self:add(self:mark(arm) .. "elseif " .. c .. " then")
    else
      self:add("else " .. self:mark(arm) .. before .. " if " .. c .. " then")
      open = open + 1
    end
    emit_block(self, arm.body)
  end
  if node.otherwise then
    self:add("else")
    emit_block(self, node.otherwise)
  end
  self:add(("end "):rep(open + 1))
end

-- What break and continue leave: loops and switches, from the innermost.
local function enter(self, kind)
  local level = { kind = kind, id = self:label(), outer = self.leaving, inside = self.inside }
  self.leaving = level
  return level
end

local function leave(self)
  self.leaving = self.leaving.outer
end

local function loop_body(self, node)
  local level = enter(self, "loop")
  self:add("do")
  emit_block(self, node.body)
  self:add(("end ::_c%d::"):format(level.id))
  leave(self)
end

statements["while"] = function(self, node)
  self:push()
  clear(self, node.cond_clears)
  local c = node.cond and operators.condition(self, node.cond, { clean = true }) or "true"
  local before = self:pop()
  if before == "" then
    self:add("while " .. c .. " do")
  else
    self:add("while true do " .. before .. " if not (" .. c .. ") then break end")
  end
  loop_body(self, node)
  self:add("end")
end

local function emit_list(self, list)
  for _, e in ipairs(list) do
    emit_statement(self, { t = "expression", value = e, line = e.line, col = e.col })
  end
end

local last_before = { ["<"] = -1, ["<="] = 0, [">"] = 1, [">="] = 0 }

-- for ($i = a; $i < 10; $i += 2) as Lua's own loop, which only counts the rounds: nil unless nothing
-- else changes the variable.
local function counted_loop(node)
  local cond, step = node.cond, node.step[1]
  if not cond or cond.t ~= "binary" or not last_before[cond.op] or #node.step ~= 1 or
      #node.cond_clears > 0 or cond.a.t ~= "var" or not cond.a.var.low then return nil end
  local var = cond.a.var
  local by, last = types.step(step, var), lua.is_literal(cond.b) and types.range(cond.b)
  if by and by ~= 0 and last and (by > 0) == (cond.op:sub(1, 1) == "<") and
      not operators.changes(node.body, var) then
    return ("for _ = %s, %d, %d do"):format(place(var), last + last_before[cond.op], by)
  end
end

statements["for"] = function(self, node)
  emit_list(self, node.init)
  local counted = counted_loop(node)
  if counted then
    self:add(counted)
    loop_body(self, node)
    emit_list(self, node.step)
    self:add("end")
    return
  end
  self:push()
  clear(self, node.cond_clears)
  local c = node.cond and operators.condition(self, node.cond, { clean = true }) or "true"
  local before = self:pop()
  if before == "" then
    self:add("while " .. c .. " do")
  else
    self:add("while true do " .. before .. " if not (" .. c .. ") then break end")
  end
  loop_body(self, node)
  emit_list(self, node.step)
  self:add("end")
end

function statements.foreach(self, node)
  local key, value = self:temp(), self:temp()
  local over = lua.argument(self, node.over, { clean = true })
  self:add(("for _, %s, %s in %s(%s) do"):format(key, value, self:use("each"), over))
  if node.key then write_target(self, node.key, key) end
  if node.value.t == "pattern" then
    write_pattern(self, node.value, value)
  else
    write_target(self, node.value, value)
  end
  loop_body(self, node)
  self:add("end")
end

-- A jump to the case that matches; cases follow each other, so that one falls into the next.
function statements.switch(self, node)
  local subject = self:temp()
  self:add(("local %s = %s;"):format(subject, lua.argument(self, node.subject,
    { clean = true })))
  local level = enter(self, "switch")
  local default
  for i, case in ipairs(node.cases) do
    case.label = ("_s%d_%d"):format(level.id, i)
    if case.value then
      local value = lua.strip(case.value)
      local code = value.t == "const" and value.value == nil and subject .. " == nil" or
        ("%s(%s, %s)"):format(self:use("eq"), subject, lua.argument(self, value))
      self:add(("if %s then goto %s end"):format(code, case.label))
    else
      default = case
    end
  end
  self:add(("goto %s;"):format(default and default.label or "_b" .. level.id))
  for _, case in ipairs(node.cases) do
    self:add(("::%s:: do"):format(case.label))
    emit_block(self, case.body)
    self:add("end")
  end
  self:add(("::_b%d::"):format(level.id))
  leave(self)
end

-- Inside the function of a try or barrier, what leaves it is told by a number: 1 return, 2 break,
-- 3 continue.
statements["break"] = function(self)
  local level = self.leaving
  if not level or level.inside ~= self.inside then
    self.inside.leaves[2] = true
    self:add("do return 2 end")
  elseif level.kind == "switch" then
    self:add(("goto _b%d;"):format(level.id))
  else
    self:add("break;")
  end
end

statements["continue"] = function(self)
  local level = self.leaving
  while level and level.kind ~= "loop" do level = level.outer end
  if not level or level.inside ~= self.inside then
    self.inside.leaves[3] = true
    self:add("do return 3 end")
  else
    self:add(("goto _c%d;"):format(level.id))
  end
end

-- Leaves the function, or the main code: of an included file also that of who includes it.
local function give_back(self, code)
  if self.generator and not self.inside then   -- what it gives, it yields
    self:add(code == "" and "do return end" or ("do local _ = %s; return end"):format(code))
    return
  end
  local sign = self.inside and "1" or self.role == "part" and not self.in_function and "true"
  if self.inside then self.inside.leaves[1] = true end
  if not sign then
    self:add(("do return %s end"):format(code))
  else
    self:add(("do return %s%s end"):format(sign, code ~= "" and ", " .. code or ""))
  end
end

statements["return"] = function(self, node)
  if not node.value then
    give_back(self, "")
  else
    self:choose(node.value, { clean = true }, function(code) give_back(self, code) end)
  end
end

-- The body as a function that 'call' runs; whatever left it goes on leaving here.
local function protected(self, body, call, after)
  local inside = { outer = self.inside, leaves = {} }
  local code, value = self:temp(), self:temp()
  self.inside = inside
  self:add(("local %s, %s = %s"):format(code, value, call .. "function()"))
  emit_block(self, body)
  self:add("end);")
  self.inside = inside.outer
  if after then after(code, value) end
  if inside.leaves[1] then
    self:add(("if %s == 1 then"):format(code))
    give_back(self, value)
    self:add("end")
  end
  for _, leaving in ipairs { { 2, "break" }, { 3, "continue" } } do
    if inside.leaves[leaving[1]] then
      self:add(("if %s == %d then"):format(code, leaving[1]))
      statements[leaving[2]](self)
      self:add("end")
    end
  end
end

function statements.try(self, node)
  protected(self, node.body, self:use("try") .. "(", function(code, value)
    self:add(("if %s == false then"):format(code))
    if node.var then self:store(node.var.var, value) end
    emit_block(self, node.handler)
    self:add("end")
  end)
end

-- The lock is given back however the body is left; the engine does it when the script ends there.
function statements.barrier(self, node)
  local name, tries = self:temp(), self:temp()
  self:add(("local %s = %s(%s); local %s = 0;"):format(name, self:use("lock"),
    lua.argument(self, node.name, { clean = true }), tries))
  self:add(("while not B.__barrier_enter(%s) do B.__barrier_wait(%s); %s = %s + 1 end"):format(name,
    tries, tries, tries))
  if node.var then
    self:store(node.var.var, ("(B.__barrier_value(%s))"):format(name))
    self:add(("B.__barrier_keep(%s, function() return %s end);"):format(name,
      self:read { var = node.var.var, quiet = true }))
  end
  protected(self, node.body, self:use("try") .. "(", function(code, value)
    if node.var then
      self:add(("B.__barrier_store(%s, %s);"):format(name,
        self:read { var = node.var.var, quiet = true }))
    end
    self:add(("B.__barrier_leave(%s);"):format(name))
    self:add(("if %s == false then %s(%s) end"):format(code, self:use("throw"), value))
  end)
end

function statements.throw(self, node)
  self:add(("%s(%s);"):format(self:use("throw"), lua.argument(self, node.value,
    { clean = true })))
end

function statements.global() end

function statements.unset(self, node)
  self.keeps = true
  for _, target in ipairs(node.targets) do
    if target.t == "var" then
      if target.var.kind == "local" then
        self:store(target.var, self:use("unset"))
      elseif target.var.kind == "global" then
        self:add(("%s(%s, %s);"):format(self:use("forget"), assignments.home_of(target.var),
          quote(target.var.name)))
      end
    elseif is_slice(target) then
      write_slice(self, target)
    else
      local root, path = path_of(target)
      local codes = path_codes(self, path)
      write_element(self, root, codes, self:use("unset"))
    end
  end
end

function statements.include(self, node)
  local left, value = self:temp(), self:temp()
  self:add(("local %s, %s = %s(%s, %s, %s); if %s then"):format(left, value, self:use("include"),
    quote(node.path), self.home or "_M", node.once and "3" or "2", left))
  give_back(self, value)
  self:add("end")
end

local function import_name(self, name)
  if name.var then
    self:add(("%s(_M, %s, _m, %s);"):format(self:use("bind"), quote(name.as), quote(name.name)))
    return
  end
  local value = ("%s(_m, %s)"):format(self:use("member"), quote(name.name))
  if self.builtins[name.as] then
    self:add(("%s(E, %s, %s);"):format(self:use("define"), quote(name.as), value))
  else
    self:add(("%s = %s;"):format(expressions.function_name(name.as), value))
  end
end

function statements.import(self, node)
  if node.data then
    self:store(node.data.var, ("%s(%s)"):format(self:use("data"), quote(node.path)))
    return
  end
  self:add(("do local _m = %s(%s);"):format(self:use("module"), quote(node.path)))
  for _, name in ipairs(node.names) do import_name(self, name) end
  self:add("end")
end

statements["function"] = function(self, node)
  if not self.in_function and self.builtins[node.name] then   -- E may have the builtin already
    self:add(("%s(E, %s, %s);"):format(self:use("define"), quote(node.name), self:func(node.func)))
    return
  end
  local name = self.in_function and "_f_" .. node.name or
    expressions.function_name(node.name)
  self:add(("%s = %s;"):format(name, self:func(node.func)))
end

local function class_table(self, members, keep)
  local parts = {}
  for _, m in ipairs(members) do
    if keep(m) then
      local value = m.func and self:func(m.func) or
        m.value and lua.argument(self, m.value) or "nil"
      parts[#parts + 1] = ("[%s] = %s"):format(quote(m.constructor and "constructor" or
        expressions.member_name(self, m.name)), value)
    end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function statements.class(self, node)
  local outer, outer_private = self.class, self.private
  self.class, self.private = node.name, {}
  for _, m in ipairs(node.members) do
    if m.func and m.private and not m.static then self.private[m.name] = true end
  end
  local methods = class_table(self, node.members, function(m)
    return m.func and not m.static
  end)
  local static = class_table(self, node.members, function(m) return m.static end)
  self:push()
  for _, m in ipairs(node.members) do
    if not m.func and not m.static then
      self:add(("_o[%s] = %s;"):format(quote(m.name), m.value and
        lua.argument(self, m.value) or "nil"))
    end
  end
  local fields = self:pop()
  self:add(("%s = %s(%s, %s, %s, function(_o) %s end);"):format(
    expressions.function_name(node.name), self:use("class"),
    quote(node.name), methods, static, fields))
  self.class, self.private = outer, outer_private
end

function statements.block(self, node)
  self:add("do")
  emit_block(self, node)
  self:add("end")
end

-- Temporaries end with their statement, so that no jump goes into their scope.
function emit_statement(self, node)
  local outer = self.has_temps
  self.has_temps, self.keeps = false, false
  self:push()
  clear(self, node.clears)
  statements[node.t](self, node)
  local code = self:pop()
  if self.has_temps then code = "do " .. code .. " end" end
  self.has_temps, self.keeps = outer, false
  if node.lifted then    -- its own lines come later than those of what it stood in
    self:add(self:mark { line = node.lifted } .. code:gsub("\1%d+\2", ""))
  else
    self:add(self:mark(node) .. code)
  end
end

function emit_block(self, block)
  for _, statement in ipairs(block.body) do emit_statement(self, statement) end
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
    for _, statement in ipairs(segment) do emit_statement(self, statement) end
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
