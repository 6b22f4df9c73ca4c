-- Lua code of HSL's statements. 'self' is the emitter: text (emitter.lua), variables and assignments
-- (assignments.lua).
local assignments = require "hsl.assignments"
local expressions = require "hsl.expressions"
local lua = require "hsl.lua_code"
local operators = require "hsl.operators"
local types = require "hsl.types"

local statements = {}

local place, token, owns = assignments.place, assignments.token, assignments.owns
local path_of, path_codes, is_slice = assignments.path_of, assignments.path_codes,
  assignments.is_slice
local write_element, write_slice = assignments.write_element, assignments.write_slice
local write_target, write_pattern = assignments.write_target, assignments.write_pattern

local quote = lua.quote

local by_node = {}

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

function by_node.expression(self, node)
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

function by_node.echo(self, node)
  local code = lua.argument(self, node.value, { clean = true })
  self:add(self:original("echo") .. "(" .. code .. ");")
end

by_node["if"] = function(self, node)
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
    statements.block(self, arm.body)
  end
  if node.otherwise then
    self:add("else")
    statements.block(self, node.otherwise)
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
  statements.block(self, node.body)
  self:add(("end ::_c%d::"):format(level.id))
  leave(self)
end

-- The condition of a while or for; what has to run before it runs each time.
local function while_head(self, node)
  self:push()
  clear(self, node.cond_clears)
  local c = node.cond and operators.condition(self, node.cond, { clean = true }) or "true"
  local before = self:pop()
  if before == "" then
    self:add("while " .. c .. " do")
  else
    self:add("while true do " .. before .. " if not (" .. c .. ") then break end")
  end
end

by_node["while"] = function(self, node)
  while_head(self, node)
  loop_body(self, node)
  self:add("end")
end

local function emit_list(self, list)
  for _, e in ipairs(list) do
    statements.emit(self, { t = "expression", value = e, line = e.line, col = e.col })
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

by_node["for"] = function(self, node)
  emit_list(self, node.init)
  local counted = counted_loop(node)
  if counted then
    self:add(counted)
    loop_body(self, node)
    emit_list(self, node.step)
    self:add("end")
    return
  end
  while_head(self, node)
  loop_body(self, node)
  emit_list(self, node.step)
  self:add("end")
end

function by_node.foreach(self, node)
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
function by_node.switch(self, node)
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
    statements.block(self, case.body)
    self:add("end")
  end
  self:add(("::_b%d::"):format(level.id))
  leave(self)
end

-- Inside the function of a try or barrier, what leaves it is told by a number: 1 return, 2 break,
-- 3 continue.
by_node["break"] = function(self)
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

by_node["continue"] = function(self)
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

by_node["return"] = function(self, node)
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
  statements.block(self, body)
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
      by_node[leaving[2]](self)
      self:add("end")
    end
  end
end

function by_node.try(self, node)
  protected(self, node.body, self:use("try") .. "(", function(code, value)
    self:add(("if %s == false then"):format(code))
    if node.var then self:store(node.var.var, value) end
    statements.block(self, node.handler)
    self:add("end")
  end)
end

-- The lock is given back however the body is left; the engine does it when the script ends there.
function by_node.barrier(self, node)
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
    local failed, why
    if node.var then        -- what can't be stored doesn't keep the lock
      failed, why = self:temp(), self:temp()
      self:add(("local %s, %s = %s(function() B.__barrier_store(%s, %s) end);"):format(failed, why,
        self:use("try"), name, self:read { var = node.var.var, quiet = true }))
    end
    self:add(("B.__barrier_leave(%s);"):format(name))
    self:add(("if %s == false then %s(%s) end"):format(code, self:use("throw"), value))
    if failed then
      self:add(("if %s == false then %s(%s) end"):format(failed, self:use("throw"), why))
    end
  end)
end

function by_node.throw(self, node)
  self:add(("%s(%s);"):format(self:use("throw"), lua.argument(self, node.value,
    { clean = true })))
end

function by_node.global() end

function by_node.unset(self, node)
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

function by_node.include(self, node)
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

function by_node.import(self, node)
  if node.data then
    self:store(node.data.var, ("%s(%s)"):format(self:use("data"), quote(node.path)))
    return
  end
  self:add(("do local _m = %s(%s);"):format(self:use("module"), quote(node.path)))
  for _, name in ipairs(node.names) do import_name(self, name) end
  self:add("end")
end

by_node["function"] = function(self, node)
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

function by_node.class(self, node)
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

function by_node.block(self, node)
  self:add("do")
  statements.block(self, node)
  self:add("end")
end

--- The code of a statement. Temporaries end with it, so that no jump goes into their scope.
function statements.emit(self, node)
  local outer = self.has_temps
  self.has_temps, self.keeps = false, false
  self:push()
  clear(self, node.clears)
  by_node[node.t](self, node)
  local code = self:pop()
  if self.has_temps then code = "do " .. code .. " end" end
  self.has_temps, self.keeps = outer, false
  if node.lifted then    -- its own lines come later than those of what it stood in
    self:add(self:mark { line = node.lifted } .. code:gsub("\1%d+\2", ""))
  else
    self:add(self:mark(node) .. code)
  end
end

function statements.block(self, block)
  for _, statement in ipairs(block.body) do statements.emit(self, statement) end
end

return statements
