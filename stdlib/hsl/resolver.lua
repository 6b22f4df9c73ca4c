-- What the names of a tree mean, and what has to be known of variables before code is made:
-- which are Lua's locals, which are read before they are surely assigned, which hold the only
-- reference to their array (doc/design.md, "HSL").
--
-- Nodes get var (of "var"), check (the read may find it unset), scope (of "func" and "file").
-- Statements get clears: variables whose array somebody else may hold afterwards.
local access = require "hsl.access"
local callees = require "hsl.callees"
local modules = require "hsl.modules"
local survey = require "hsl.survey"
local types = require "hsl.types"
local variables = require "hsl.variables"

local resolver = {}

-- Builtins that keep nothing of what they are given and give none of it back.
local only_look = {}
for name in ([[count length strlen in_array array_includes implode array_join json_encode is_array
  is_string is_number is_object is_function is_boolean md5 sha1 strpos str_find
  array_key_exists]]):gmatch("%S+") do only_look[name] = true end

local walk, walk_function, walk_block, walk_statement

local function walk_list(self, list, use)
  for _, item in ipairs(list) do walk(self, item.t == "spread" and item.value or item, use) end
end

local function walk_keys(self, target)
  while (target.t == "index" or target.t == "prop" or target.t == "slice") and not target.static do
    if target.key then walk(self, target.key, "value") end
    if target.from then walk(self, target.from, "look") end
    if target.to then walk(self, target.to, "look") end
    target = target.base
  end
end

local an_array = { t = "array", element = true }    -- is written to, as one

-- The step that leads from the variable: $x->name of $x->name["a"]["b"].
local function first_step(target)
  while target.base.t ~= "var" do target = target.base end
  return target
end

local function note_access(self, node, writes)
  local name = node.t == "prop" and node.name or node.key and node.key.t == "str" and node.key.value
  if name then access.note(self, node.base, name, node, writes) end
end

-- Class::$name, or an element of it, is written.
local function note_static(self, target)
  local class = self.classes[target.base.name]
  if class then access.check(self, class, target.name, target, true, self.class) end
end

-- An element is written: the variable is one then, whatever it was; or unset, where it may not be one.
local function assign_element(self, target, as_statement, unsets)
  local root, keys = survey.root(target)
  walk_keys(self, target)
  if root.t ~= "var" then
    walk(self, root, "look")
    if root.static then note_static(self, root) end
    return
  end
  local var = variables.find(self, root.name, root)
  root.var = var
  if var.kind == "fact" then return end
  note_access(self, first_step(target), true)
  if not variables.is_assigned(self, var) and var.kind == "local" then var.unset = true end
  var.assigned = true
  var.values[#var.values + 1] = an_array
  if as_statement then
    var.elements = true
    if keys > 1 then var.nested = true end
  else
    self.clears[#self.clears + 1] = { var = var }
    var.elements = true
  end
  if not unsets then self.frame[var] = true end
end

local function assign_target(self, target, value, as_statement)
  if target.t == "var" then
    variables.assign(self, target, value)
  elseif target.t == "pattern" then
    for _, item in ipairs(target.targets) do
      if item.key then walk(self, item.key, "value") end
      if item.default then
        variables.branch(self, function() walk(self, item.default, "value") end)
      end
      assign_target(self, item.target, nil, false)
    end
  else
    assign_element(self, target, as_statement)
  end
end

-- ---- expressions -------------------------------------------------------------------------

local expressions = {}

function expressions.num() end
expressions.str, expressions.const, expressions.regex = expressions.num, expressions.num,
  expressions.num

function expressions.interp(self, node)
  for i, part in ipairs(node.parts) do
    if type(part) == "table" then
      part.t = "var"
      variables.read(self, part, "look")
    end
  end
end

function expressions.var(self, node, use) variables.read(self, node, use) end
function expressions.paren(self, node, use) walk(self, node.value, use) end
function expressions.spread(self, node, use) walk(self, node.value, use) end

expressions["not"] = function(self, node) walk(self, node.value, "look") end

function expressions.unary(self, node) walk(self, node.value, "look") end

-- What an operator makes of arrays has their elements, and who made it sees to that (sl_hsl_share).
function expressions.binary(self, node)
  walk(self, node.a, "look")
  walk(self, node.b, "look")
end

function expressions.logic(self, node)
  walk(self, node.a, "look")
  variables.branch(self, function() walk(self, node.b, "look") end)
end

function expressions.ternary(self, node, use)
  walk(self, node.c, node.a and "look" or use)
  local frames = {}
  if node.a then
    frames[1] = variables.branch(self, function() walk(self, node.a, use) end)
  else
    frames[1] = {}
  end
  frames[2] = variables.branch(self, function() walk(self, node.b, use) end)
  variables.join(self, frames)
end

local function refuse_append(self, node)
  self.diag:error(node, "[] without an index can only be assigned to")
end

-- Which element, or which ones, of a base.
local function walk_places(self, node)
  if node.key then walk(self, node.key, "value") end
  if node.keys then walk(self, node.keys, "look") end
  for _, part in ipairs { node.from or false, node.to or false, node.step or false } do
    if part then walk(self, part, "look") end
  end
end

local leads = { index = true, index_all = true, slice = true, prop = true, paren = true }

-- The left side of ?? may be unset, or lie in what isn't there.
local function walk_quietly(self, node, use)
  local root, step = node, nil
  while leads[root.t] do
    if root.append then
      refuse_append(self, root)
      return
    end
    walk_places(self, root)
    step, root = root, root.t == "paren" and root.value or root.base
  end
  if root.t ~= "var" then
    walk(self, root, use)
    return
  end
  local var = variables.find(self, root.name, root)
  root.var, root.quiet, var.read = var, true, true
  if var.kind == "local" and not variables.is_assigned(self, var) then var.unset, root.maybe = true, true end
  variables.note_use(self, var, root == node and use or use == "value" and "part" or use)
  if step then note_access(self, step, false) end
end

function expressions.coalesce(self, node, use)
  walk_quietly(self, node.a, use)
  variables.branch(self, function() walk(self, node.b, use) end)
end

function expressions.isset(self, node)
  for _, target in ipairs(node.targets) do walk_quietly(self, target, "look") end
end

function expressions.array(self, node)
  for _, item in ipairs(node.items) do
    if item.key then walk(self, item.key, "value") end
    walk(self, item.value, item.spread and "part" or "value")
  end
end

expressions.object = expressions.array

function expressions.index(self, node, use)
  if node.append then
    refuse_append(self, node)
    return
  end
  walk(self, node.base, use == "value" and "part" or use)
  walk_places(self, node)
  note_access(self, node, false)
end

function expressions.slice(self, node, use)
  walk(self, node.base, use == "value" and "part" or use)
  walk_places(self, node)
end
expressions.index_all = expressions.slice

function expressions.prop(self, node, use)
  if node.base.t == "name" then
    callees.check_static(self, node)
    return
  end
  walk(self, node.base, use == "value" and "part" or use)
  note_access(self, node, false)
end

function expressions.name(self, node) callees.check_name(self, node, node.name) end

function expressions.builtin(self, node)
  if not self.host.builtins[node.name] then
    self.diag:error(node, "there is no builtin " .. node.name, self.host.near(node.name))
  end
  if self.scope.func then self.calls_builtin[node.name] = true end
end

function expressions.call(self, node, use)
  local callee = node.callee
  while callee.t == "paren" do callee = callee.value end
  local keep = "value"
  if callee.t == "name" then
    local func = callees.check_name(self, callee, callee.name)
    if func then callees.note_call(self, node, func) end
    local class = not func and self.classes[callee.name]
    if func or class then
      callees.check_arity(self, node, func or callees.constructor(class), callee.name)
    end
    if not func and only_look[callee.name] and self.host.builtins[callee.name] then keep = "look" end
  elseif callee.t == "builtin" then
    walk(self, callee, "look")
    if only_look[callee.name] then keep = "look" end
  elseif callee.t == "prop" then
    if callee.base.t ~= "name" then walk(self, callee.base, "value") end
    if callee.static then callees.check_static(self, callee) else note_access(self, callee, false) end
  else
    walk(self, callee, "look")
    if callee.t == "func" then callees.check_arity(self, node, callee, "this function") end
  end
  walk_list(self, node.args, keep)
end

function expressions.cache(self, node)
  if node.options then walk(self, node.options, "value") end
  walk(self, node.call, "value")
  local callee = node.call.callee
  if callee.t == "name" then
    node.entries = self.cache_names[callee.name] or
      self.role and self.functions[callee.name] and self.diag.path .. "::" .. callee.name
  end
end

function expressions.assign(self, node, use, as_statement)
  if node.op == "??=" then
    walk_quietly(self, node.target, "look")
  elseif node.op ~= "=" then
    walk(self, node.target, "look")
  end
  walk(self, node.value, "value")
  assign_target(self, node.target, node.op == "=" and node.value or node, as_statement)
end

function expressions.incdec(self, node, _, as_statement)
  walk(self, node.target, "look")
  assign_target(self, node.target, node, as_statement)
end

function expressions.func(self, node) walk_function(self, node) end

function expressions.match(self, node, use)
  walk(self, node.subject, "look")
  for _, arm in ipairs(node.arms) do
    variables.branch(self, function()
      walk_list(self, arm.values, "look")
      walk(self, arm.value, use)
    end)
  end
end

function expressions.yield(self, node)
  if node.key then walk(self, node.key, "value") end
  if node.value then walk(self, node.value, "value") end
end

function walk(self, node, use, as_statement)
  expressions[node.t](self, node, use or "value", as_statement)
end

-- ---- functions ----------------------------------------------------------------------------

local function bind_captures(self, node, outer_scope)
  local created = {}
  for _, capture in ipairs(node.captures) do
    -- Not through variable(): the name belongs to the scope around the function.
    self.scope = outer_scope
    local var = variables.find(self, capture.name, capture)
    if var.kind == "fact" then
      self.diag:error(capture, "$" .. capture.name .. " isn't assigned here",
        "functions see facts by: global $" .. capture.name .. ";")
    end
    var.captured, var.read, var.opaque = true, true, true
    if not variables.is_assigned(self, var) then
      var.unset = true
    else
      created[var] = true
    end
    self.scope = node.scope
    node.scope.vars[capture.name] = var
  end
  local this = outer_scope.vars.this      -- anonymous functions of a class's functions keep it
  if not node.name and not node.method and this and this.object then
    this.captured, created[this], node.scope.vars.this = true, true, this
  end
  return created
end

function walk_function(self, node)
  local outer, frame, clears = self.scope, self.frame, self.clears
  node.scope = variables.scope(self, node)
  local known = bind_captures(self, node, outer)
  self.scope = node.scope
  self.frame = known
  node.scope.pasted = self.file.has_includes and modules.shared_names(self, node.body)
  if node.method then
    local this = variables.declare(self, "this", "local", node)
    this.param, this.assigned, this.opaque, this.read = true, true, true, true
    this.object = true
    self.frame[this] = true
  end
  for _, param in ipairs(node.params) do
    if self.scope.vars[param.name] then
      self.diag:error(param, "$" .. param.name .. " is a parameter twice")
    end
    local var = variables.declare(self, param.name, "local", param)
    var.param, var.assigned, var.opaque = true, true, true
    param.var = var
    self.frame[var] = true
    if param.default then
      self.clears = {}
      walk(self, param.default, "value")
    end
  end
  walk_block(self, node.body)
  self.scope, self.frame, self.clears = outer, frame, clears
  types.infer(node.scope)
  for _, var in ipairs(node.scope.order) do variables.judge(self, var) end
end

-- ---- statements -----------------------------------------------------------------------------

local statements = {}

local literals = { num = true, str = true, const = true }

-- "if ($a = 1)" is seldom meant.
local function judge_condition(self, node)
  if node.t == "assign" and node.op == "=" and literals[node.value.t] then
    self.diag:warn(node, "this assigns: '==' compares")
  end
end

local idle = { var = true, index = true, slice = true, array = true, interp = true, isset = true,
  num = true, str = true, const = true }
local compares = {}
for op in ("== != === !== < > <= >= . "):gmatch("%S+") do compares[op] = true end

-- A statement that only looks at a value.
local function judge_statement(self, node)
  if node.t == "name" then
    self.diag:warn(node, "this does nothing", "a call is " .. node.name .. "()")
  elseif node.t == "binary" and (node.op == "==" or node.op == "===") then
    self.diag:warn(node, "this does nothing", "'=' assigns")
  elseif idle[node.t] or node.t == "binary" and compares[node.op] then
    self.diag:warn(node, "this does nothing")
  end
end

function statements.expression(self, node)
  walk(self, node.value, "look", true)
  judge_statement(self, node.value)
  local call = node.value
  if call.t == "call" and (call.callee.t == "name" or call.callee.t == "builtin") and
      self.host.builtins[call.callee.name] == "final" and
      not (call.args[1] and call.args[1].t == "array") then
    self.frame.dead, self.frame.final = true, call.callee.name
  end
end

function statements.echo(self, node) walk(self, node.value, "look") end

statements["if"] = function(self, node)
  local frames = {}
  for i, arm in ipairs(node.arms) do
    judge_condition(self, arm.cond)
    if i == 1 then
      walk(self, arm.cond, "look")
    else
      variables.branch(self, function() walk(self, arm.cond, "look") end)
    end
  end
  for i, arm in ipairs(node.arms) do
    frames[i] = variables.branch(self, function() walk_block(self, arm.body) end)
  end
  frames[#frames + 1] = variables.branch(self, function()
    if node.otherwise then walk_block(self, node.otherwise) end
  end)
  variables.join(self, frames)
end

local function loop(self, walk_body)
  variables.branch(self, walk_body)
end

statements["while"] = function(self, node)
  if node.cond then judge_condition(self, node.cond) end
  node.cond_clears = {}
  self.clears = node.cond_clears
  if node.cond then walk(self, node.cond, "look") end
  loop(self, function() walk_block(self, node.body) end)
end

statements["for"] = function(self, node)
  for _, e in ipairs(node.init) do walk(self, e, "look", true) end
  node.cond_clears = {}
  self.clears = node.cond_clears
  if node.cond then walk(self, node.cond, "look") end
  loop(self, function()
    walk_block(self, node.body)
    self.clears = node.cond_clears
    for _, e in ipairs(node.step) do walk(self, e, "look", true) end
  end)
end

function statements.foreach(self, node)
  walk(self, node.over, "value")
  loop(self, function()
    if node.key then assign_target(self, node.key) end
    assign_target(self, node.value)
    walk_block(self, node.body)
  end)
end

function statements.switch(self, node)
  walk(self, node.subject, "look")
  for _, case in ipairs(node.cases) do
    if case.value then walk(self, case.value, "look") end
  end
  for _, case in ipairs(node.cases) do
    variables.branch(self, function() walk_block(self, case.body) end)
  end
end

statements["return"] = function(self, node)
  if node.value then walk(self, node.value, "value") end
  self.frame.dead = true
end

statements["break"] = function(self) self.frame.dead = true end
statements["continue"] = statements["break"]

-- Builtins here that are functions of scripts there: nobody there redefines them.
local own = { api_call = true }

statements["function"] = function(self, node)
  walk_function(self, node.func)
  if self.host.builtins[node.name] and not self.calls_builtin[node.name] and not own[node.name] then
    self.diag:warn(node, node.name .. " is redefined and never calls builtin " .. node.name)
  end
end

function statements.global(self, node)
  for _, name in ipairs(node.names) do
    local var = self.scope.vars[name.name]
    if var and var.kind ~= "global" then
      self.diag:error(name, "$" .. name.name .. " is a variable of this function already")
    else
      variables.declare(self, name.name, "global", name)
    end
  end
end

function statements.unset(self, node)
  for _, target in ipairs(node.targets) do
    if target.t == "var" then
      local var = variables.find(self, target.name, target)
      target.var, var.assigned, var.unset, var.opaque = var, true, true, true
      var.forgotten = true
    else
      assign_element(self, target, true, true)
    end
  end
end

function statements.include(self, node)
  self.includes[#self.includes + 1] = node
end

function statements.barrier(self, node)
  walk(self, node.name, "look")
  if node.var then
    variables.assign(self, node.var)
    node.var.var.read = true      -- it is kept
  end
  variables.branch(self, function() walk_block(self, node.body) end)
end

function statements.throw(self, node)
  walk(self, node.value, "value")
  self.frame.dead = true
end

function statements.try(self, node)
  variables.branch(self, function() walk_block(self, node.body) end)
  variables.branch(self, function()
    if node.var then variables.assign(self, node.var) end
    walk_block(self, node.handler)
  end)
end

function statements.class(self, node)
  callees.check_members(self, node)
  local outer = self.class
  self.class = node
  for _, m in ipairs(node.members) do
    if m.value then walk(self, m.value, "value") end
    if m.func then walk_function(self, m.func) end
  end
  self.class = outer
end

function statements.import(self, node)
  if node.data then
    variables.assign(self, node.data)
    return
  end
  for _, name in ipairs(node.names) do
    if name.var then self.frame[variables.find(self, name.as, name)] = true end
  end
end

function statements.block(self, node) walk_block(self, node) end

local without_order = { ["function"] = true, class = true, import = true }

function walk_statement(self, node)
  -- "Reject(); break;" is how cases of a switch are written.
  if self.frame.dead and not self.frame.told and not without_order[node.t] and node.t ~= "break" then
    self.frame.told = true
    self.diag:warn(node, self.frame.final and
      ("this is never reached: %s ends the script"):format(self.frame.final) or
      "this is never reached")
  end
  if node.lifted then
    self.diag:warn(node, ("this %s is there wherever it stands, whether its block is run or not"):format(
      node.t))
  end
  node.clears = {}
  self.clears = node.clears
  statements[node.t](self, node)
end

function walk_block(self, block)
  if self.scope.func then callees.hoist(self, block.body, self.scope.functions) end
  for _, statement in ipairs(block.body) do walk_statement(self, statement) end
end

-- ---- the file ---------------------------------------------------------------------------------

--- Resolves the names of a file. 'host': builtins (name -> true or "final"), facts (name ->
--- true), near(name), near_fact(name), parse(path) -> tree or nil. 'role': as the compiler's; unless it is
--- nil, variables are shared with others.
function resolver.resolve(file, diag, host, role)
  local self = { file = file, diag = diag, host = host, role = role, functions = {},
    classes = {}, includes = {}, included_functions = {}, calls_builtin = {},
    exports = {}, cache_names = {}, accesses = {}, calls = {}, callers = {}, frame = {}, clears = {} }
  self.shared, self.main_assigns = survey.names(file)
  modules.look_into(self, file, { [diag.path] = "open" })
  for name in pairs(#diag.errors == 0 and modules.shared_names(self, file) or {}) do
    self.shared[name] = true
  end
  callees.hoist(self, file.body, self.functions)
  if #diag.errors == 0 then modules.check_cycles(self, file) end
  modules.open_namespaces(self, file)
  modules.take(self, file, self.functions, true)
  for name, func in pairs(self.included_functions) do
    self.functions[name] = self.functions[name] or func
  end
  self.scope = variables.scope(self, nil)
  file.scope = self.scope
  for _, statement in ipairs(file.body) do
    if statement.t == "import" then walk_statement(self, statement) end
  end
  for _, statement in ipairs(file.body) do
    if statement.t ~= "import" then walk_statement(self, statement) end
  end
  access.judge(self)
  if diag.level == 2016 then callees.judge_recursion(self) end
  types.infer(file.scope)
  for _, var in ipairs(file.scope.order) do
    if var.kind == "fact" then
      if not variables.is_of_phase(self, var.name) and not var.absent then
        diag:warn(var, "$" .. var.name .. " is never assigned, and no fact of that name is known",
          host.near_fact(var.name))
      end
    else
      variables.judge(self, var)
    end
  end
  return self
end

return resolver
