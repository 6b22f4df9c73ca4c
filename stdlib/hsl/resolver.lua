-- What the names of a tree mean, and what has to be known of variables before code is made:
-- which are Lua's locals, which are read before they are surely assigned, which hold the only
-- reference to their array (doc/design.md, "HSL").
--
-- A variable's record:
--   name, kind: "local" | "global" (in the main scope's table) | "fact"
--   assigned, read: whether it ever is;  unset: it may be read while it isn't assigned
--   captured: a closure sees it;  elements: $x[..] = is a statement somewhere;  nested: with
--   several keys;  values: what is assigned, for its type;  opaque: other things are, too;
--   forgotten: unset() somewhere, so that every read has to look
-- Nodes get var (of "var"), check (the read may find it unset), scope (of "func" and "file").
-- Statements get clears: variables whose array somebody else may hold afterwards.
local modules = require "hsl.modules"
local types = require "hsl.types"
local unbuilt = require "hsl.unbuilt"

local resolver = {}

local R = {}
R.__index = R

-- Builtins that keep nothing of what they are given and give none of it back.
local only_look = {}
for name in ([[count length strlen in_array array_includes implode array_join json_encode is_array
  is_string is_number is_none is_object is_function is_boolean md5 sha1 strpos str_find
  array_key_exists]]):gmatch("%S+") do only_look[name] = true end

-- ---- scopes ---------------------------------------------------------------------

local function new_scope(self, func)
  return { func = func, outer = self.scope, vars = {}, order = {}, functions = {},
    count = 0 }
end

local function declare(self, name, kind, at)
  local scope = self.scope
  local var = scope.vars[name]
  if var then return var end
  var = { name = name, kind = kind, values = {}, line = at.line, col = at.col, scope = scope }
  scope.vars[name] = var
  scope.order[#scope.order + 1] = var
  return var
end

-- Variables of the main code that functions import, or that included files share, live in a
-- table; the others are Lua's locals. What nobody assigns is a fact of the phase.
local function variable(self, name, at)
  local scope = self.scope
  local var = scope.vars[name]
  if var then return var end
  if scope.func then return declare(self, name, "local", at) end
  if self.shared[name] or self.included then return declare(self, name, "global", at) end
  local assigns = self.main_assigns[name]
  local is_fact = not assigns or assigns == "elements" and self.host.facts[name]   -- $context
  return declare(self, name, is_fact and "fact" or "local", at)
end

-- ---- what is surely assigned -------------------------------------------------------

-- Frames follow the nesting of statements: a branch has its own, what all branches assign
-- goes to the one around them.

local function is_assigned(self, var)
  local frame = self.frame
  while frame do
    if frame[var] then return true end
    frame = frame.outer
  end
  return false
end

local function branch(self, walk)
  local outer = self.frame
  local frame = { outer = outer }
  self.frame = frame
  walk()
  self.frame = outer
  return frame
end

local function join(self, frames)
  local least
  for _, frame in ipairs(frames) do
    if not frame.dead then
      if not least then
        least = {}
        for var in pairs(frame) do
          if type(var) == "table" and var.values then least[#least + 1] = var end
        end
      else
        local kept = {}
        for _, var in ipairs(least) do
          if frame[var] then kept[#kept + 1] = var end
        end
        least = kept
      end
    end
  end
  if not least then
    self.frame.dead = true
  else
    for _, var in ipairs(least) do self.frame[var] = true end
  end
end

-- ---- variables in expressions -----------------------------------------------------------

-- How a value is used: "look" (nothing of it is kept), "part" (elements of it may be), "value"
-- (it may itself).
local function note_use(self, var, use)
  if use == "look" or not self.clears then return end
  self.clears[#self.clears + 1] = { var = var, part = use == "part" }
end

local function read(self, node, use)
  local var = variable(self, node.name, node)
  node.var = var
  var.read = true
  if var.kind == "local" and not is_assigned(self, var) then
    node.check = true
    var.unset = true
    var.unsure = var.unsure or node
  end
  note_use(self, var, use)
end

local function assign(self, node, value)
  local var = variable(self, node.name, node)
  node.var = var
  var.assigned = true
  if value then var.values[#var.values + 1] = value else var.opaque = true end
  self.frame[var] = true
end

local walk, walk_function, walk_block, walk_statement

local function walk_list(self, list, use)
  for _, item in ipairs(list) do walk(self, item.t == "spread" and item.value or item, use) end
end

-- The variable at the root of $x["a"]["b"], and how many keys lead from it.
local function root_of(target)
  local keys = 0
  while target.t == "index" or target.t == "prop" or target.t == "slice" do
    if target.t == "prop" and target.static then return nil end
    target, keys = target.base, keys + 1
  end
  return target, keys
end

local function walk_keys(self, target)
  while target.t == "index" or target.t == "prop" or target.t == "slice" do
    if target.key then walk(self, target.key, "value") end
    if target.from then walk(self, target.from, "look") end
    if target.to then walk(self, target.to, "look") end
    target = target.base
  end
end

local an_array = { t = "array" }

-- An element is written: the variable is one then, whatever it was.
local function assign_element(self, target, as_statement)
  local root, keys = root_of(target)
  walk_keys(self, target)
  if not root or root.t ~= "var" then
    if root then walk(self, root, "look") else walk(self, target, "look") end
    return
  end
  local var = variable(self, root.name, root)
  root.var = var
  if var.kind == "fact" then return end
  if not is_assigned(self, var) and var.kind == "local" then var.unset = true end
  var.assigned = true
  var.values[#var.values + 1] = an_array
  if as_statement then
    var.elements = true
    if keys > 1 then var.nested = true end
  else
    self.clears[#self.clears + 1] = { var = var }
    var.elements = true
  end
  self.frame[var] = true
end

local function assign_target(self, target, value, as_statement)
  if target.t == "var" then
    assign(self, target, value)
  elseif target.t == "pattern" then
    for _, item in ipairs(target.targets) do
      if item.key then walk(self, item.key, "value") end
      if item.default then
        branch(self, function() walk(self, item.default, "value") end)
      end
      assign_target(self, item.target, nil, false)
    end
  else
    assign_element(self, target, as_statement)
  end
end

-- ---- functions that are called --------------------------------------------------------

local function known_function(self, name)
  local scope = self.scope
  while scope do
    if scope.functions[name] then return scope.functions[name], true end
    scope = scope.outer
  end
  return self.functions[name], false
end

local function counts(func)
  local least, most = 0, 0
  for _, param in ipairs(func.params) do
    if param.rest then return least, math.huge end
    most = most + 1
    if not param.default then least = most end
  end
  return least, most
end

local function check_arity(self, node, func, name)
  local least, most = counts(func)
  local given = #node.args
  local wanted = least == most and tostring(least) or
    most == math.huge and "at least " .. least or least .. " to " .. most
  local words = ("%s takes %s argument%s"):format(name, wanted, wanted == "1" and "" or "s")
  for _, arg in ipairs(node.args) do
    if arg.t == "spread" then       -- how many there are is known when it runs
      node.arity = { words = words, least = least, most = most == math.huge and -1 or most }
      return
    end
  end
  if given >= least and given <= most then return end
  self.diag:error(node, ("%s, %d given"):format(words, given))
end

local function check_name(self, node, name)
  local func, is_local = known_function(self, name)
  if func then
    node.nested = is_local
    return func
  end
  if self.host.builtins[name] or self.classes[name] then return nil end
  if unbuilt[name] then
    self.diag:error(node, name .. " isn't built in this version", unbuilt[name])
    return nil
  end
  self.diag:warn(node, "there is no function " .. name .. " here", self.host.near(name))
end

-- Class::name: of a script's class; of a builtin one it is the builtin "Class.name".
local function check_static(self, node)
  local class = node.base.name
  if class == "static" or self.classes[class] then return end
  local builtin, name = class .. "." .. node.name, class .. "::" .. node.name
  if self.host.builtins[builtin] then
    node.t, node.name, node.base, node.static = "builtin", builtin, nil, nil
  elseif unbuilt[class] then
    self.diag:error(node.base, class .. " isn't built in this version", unbuilt[class])
  elseif self.host.builtins[class] or self.host.classes[class] then
    self.diag:error(node.base, name .. " isn't built in this version", unbuilt[name])
  else
    self.diag:warn(node.base, "there is no class " .. class .. " here")
  end
end

-- What calling a class needs: its constructor's arguments.
local function constructor_of(class)
  for _, member in ipairs(class.members) do
    if member.constructor then return member.func end
  end
  return { params = {} }
end

local function walk_call(self, node, use)
  local callee = node.callee
  local keep = "value"
  if callee.t == "name" then
    local func = check_name(self, callee, callee.name)
    local class = not func and self.classes[callee.name]
    if func or class then
      check_arity(self, node, func or constructor_of(class), callee.name)
    end
    if not func and only_look[callee.name] and self.host.builtins[callee.name] then keep = "look" end
  elseif callee.t == "builtin" then
    walk(self, callee, "look")
    if only_look[callee.name] then keep = "look" end
  elseif callee.t == "prop" then
    if callee.base.t ~= "name" then walk(self, callee.base, "value") end
    if callee.static then check_static(self, callee) end
  else
    walk(self, callee, "look")
    if callee.t == "func" then check_arity(self, node, callee, "this function") end
  end
  walk_list(self, node.args, keep)
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
      read(self, part, "look")
    end
  end
end

function expressions.var(self, node, use) read(self, node, use) end
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
  branch(self, function() walk(self, node.b, "look") end)
end

function expressions.ternary(self, node, use)
  walk(self, node.c, node.a and "look" or use)
  local frames = {}
  if node.a then
    frames[1] = branch(self, function() walk(self, node.a, use) end)
  else
    frames[1] = {}
  end
  frames[2] = branch(self, function() walk(self, node.b, use) end)
  join(self, frames)
end

-- The left side of ?? may be unset, or lie in what isn't there.
local function walk_quietly(self, node, use)
  local root = node
  while root.t == "index" or root.t == "prop" or root.t == "paren" do
    if root.key then walk(self, root.key, "value") end
    root = root.t == "paren" and root.value or root.base
  end
  if root.t ~= "var" then
    walk(self, root, use)
    return
  end
  local var = variable(self, root.name, root)
  root.var, root.quiet, var.read = var, true, true
  if var.kind == "local" and not is_assigned(self, var) then var.unset, root.maybe = true, true end
  note_use(self, var, root == node and use or use == "value" and "part" or use)
end

function expressions.coalesce(self, node, use)
  walk_quietly(self, node.a, use)
  branch(self, function() walk(self, node.b, use) end)
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

function expressions.index(self, node, use)
  if node.append then
    self.diag:error(node, "[] without an index can only be assigned to")
    return
  end
  walk(self, node.base, use == "value" and "part" or use)
  walk(self, node.key, "value")
end

function expressions.index_all(self, node, use)
  walk(self, node.base, use == "value" and "part" or use)
  walk(self, node.keys, "look")
end

function expressions.slice(self, node, use)
  walk(self, node.base, use == "value" and "part" or use)
  for _, part in ipairs { node.from or false, node.to or false, node.step or false } do
    if part then walk(self, part, "look") end
  end
end

function expressions.prop(self, node, use)
  if node.base.t == "name" then
    check_static(self, node)
    return
  end
  walk(self, node.base, use == "value" and "part" or use)
end

function expressions.name(self, node) check_name(self, node, node.name) end

function expressions.builtin(self, node)
  if not self.host.builtins[node.name] then
    self.diag:error(node, "there is no builtin " .. node.name, self.host.near(node.name))
  end
  if self.scope.func then self.calls_builtin[node.name] = true end
end

expressions.call = walk_call

function expressions.cache(self, node)
  if node.options then walk(self, node.options, "value") end
  walk(self, node.call, "value")
  local callee = node.call.callee
  if callee.t == "name" then
    node.entries = self.cache_names[callee.name] or
      self.included and self.functions[callee.name] and self.diag.path .. "::" .. callee.name
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
    branch(self, function()
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

local function hoist_functions(self, body, into)
  for _, statement in ipairs(body) do
    if statement.t == "function" then
      if into[statement.name] then
        self.diag:error(statement, "function " .. statement.name .. " is defined twice",
          "first at line " .. into[statement.name].line)
      end
      into[statement.name] = statement.func
    elseif statement.t == "class" then
      self.classes[statement.name] = statement
    end
  end
end

local function bind_captures(self, node, outer_scope)
  local created = {}
  for _, capture in ipairs(node.captures) do
    -- Not through variable(): the name belongs to the scope around the function.
    self.scope = outer_scope
    local var = variable(self, capture.name, capture)
    if var.kind == "fact" then
      self.diag:error(capture, "$" .. capture.name .. " isn't assigned here",
        "functions see facts by: global $" .. capture.name .. ";")
    end
    var.captured, var.read, var.opaque = true, true, true
    if not is_assigned(self, var) then
      var.unset = true
    else
      created[var] = true
    end
    self.scope = node.scope
    node.scope.vars[capture.name] = var
  end
  return created
end

function walk_function(self, node)
  local outer, frame, clears = self.scope, self.frame, self.clears
  node.scope = new_scope(self, node)
  local known = bind_captures(self, node, outer)
  self.scope = node.scope
  self.frame = known
  if node.method then
    local this = declare(self, "this", "local", node)
    this.param, this.assigned, this.opaque, this.read = true, true, true, true
    self.frame[this] = true
  end
  for _, param in ipairs(node.params) do
    if self.scope.vars[param.name] then
      self.diag:error(param, "$" .. param.name .. " is a parameter twice")
    end
    local var = declare(self, param.name, "local", param)
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
  for _, var in ipairs(node.scope.order) do resolver.judge(self, var) end
end

-- What is odd about a variable, once everything is known of it.
function resolver.judge(self, var)
  if var.kind ~= "local" then return end
  if not var.assigned then
    local hint = self.host.facts[var.name] and
      "functions see facts by: global $" .. var.name .. ";" or nil
    self.diag:warn(var, "$" .. var.name .. " is never assigned", hint)
  elseif not var.read and not var.param and var.name:sub(1, 1) ~= "_" then
    self.diag:warn(var, "$" .. var.name .. " is assigned and never used")
  elseif var.unsure then
    self.diag:warn(var.unsure, "$" .. var.name .. " may not be assigned here")
  end
end

-- ---- statements -----------------------------------------------------------------------------

local statements = {}

function statements.expression(self, node)
  walk(self, node.value, "look", true)
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
    if i == 1 then
      walk(self, arm.cond, "look")
    else
      branch(self, function() walk(self, arm.cond, "look") end)
    end
  end
  for i, arm in ipairs(node.arms) do
    frames[i] = branch(self, function() walk_block(self, arm.body) end)
  end
  frames[#frames + 1] = branch(self, function()
    if node.otherwise then walk_block(self, node.otherwise) end
  end)
  join(self, frames)
end

local function loop(self, walk_body)
  branch(self, walk_body)
end

statements["while"] = function(self, node)
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
    branch(self, function() walk_block(self, case.body) end)
  end
end

statements["return"] = function(self, node)
  if node.value then walk(self, node.value, "value") end
  self.frame.dead = true
end

statements["break"] = function(self) self.frame.dead = true end
statements["continue"] = statements["break"]

statements["function"] = function(self, node)
  walk_function(self, node.func)
  if self.host.builtins[node.name] and not self.calls_builtin[node.name] then
    self.diag:warn(node, node.name .. " is redefined and never calls builtin " .. node.name)
  end
end

function statements.global(self, node)
  for _, name in ipairs(node.names) do
    local var = self.scope.vars[name.name]
    if var and var.kind ~= "global" then
      self.diag:error(name, "$" .. name.name .. " is a variable of this function already")
    else
      declare(self, name.name, "global", name)
    end
  end
end

function statements.unset(self, node)
  for _, target in ipairs(node.targets) do
    if target.t == "var" then
      local var = variable(self, target.name, target)
      target.var, var.assigned, var.unset, var.opaque = var, true, true, true
      var.forgotten = true
    else
      assign_element(self, target, true)
    end
  end
end

function statements.include(self, node)
  self.includes[#self.includes + 1] = node
end

function statements.barrier(self, node)
  walk(self, node.name, "look")
  if node.var then assign(self, node.var) end
  branch(self, function() walk_block(self, node.body) end)
end

function statements.throw(self, node)
  walk(self, node.value, "value")
  self.frame.dead = true
end

function statements.try(self, node)
  branch(self, function() walk_block(self, node.body) end)
  branch(self, function()
    if node.var then assign(self, node.var) end
    walk_block(self, node.handler)
  end)
end

function statements.class(self, node)
  for _, m in ipairs(node.members) do
    if m.value then walk(self, m.value, "value") end
    if m.func then walk_function(self, m.func) end
  end
end

function statements.import(self, node)
  if node.data then
    assign(self, node.data)
    return
  end
  for _, name in ipairs(node.names) do
    if name.var then self.frame[variable(self, name.as, name)] = true end
  end
end

function statements.block(self, node) walk_block(self, node) end

local without_order = { ["function"] = true, class = true, import = true }

function walk_statement(self, node)
  if self.frame.dead and not self.frame.told and not without_order[node.t] then
    self.frame.told = true
    self.diag:warn(node, self.frame.final and
      ("this is never reached: %s ends the script"):format(self.frame.final) or
      "this is never reached")
  end
  node.clears = {}
  self.clears = node.clears
  statements[node.t](self, node)
end

function walk_block(self, block)
  if self.scope.func then hoist_functions(self, block.body, self.scope.functions) end
  for _, statement in ipairs(block.body) do walk_statement(self, statement) end
end

-- ---- the file ---------------------------------------------------------------------------------

-- Calls 'visit' for every node of a tree.
local function each_node(node, visit)
  if node.t then visit(node) end
  for key, child in pairs(node) do
    if type(child) == "table" and key ~= "var" and key ~= "scope" then each_node(child, visit) end
  end
end

-- Names that functions import, and that the main code assigns.
local function survey(file)
  local shared, assigns = {}, {}
  local function targets(node)
    if node.t == "var" then assigns[node.name] = true end
    if node.t == "pattern" then
      for _, item in ipairs(node.targets) do targets(item.target) end
    elseif node.t ~= "var" then
      local root = root_of(node)
      if root and root.t == "var" then assigns[root.name] = assigns[root.name] or "elements" end
    end
  end
  local in_function = 0
  local function visit(node)
    if node.t == "global" then
      for _, name in ipairs(node.names) do shared[name.name] = true end
    elseif node.t == "import" then
      if node.data then targets(node.data) end
      for _, name in ipairs(node.names) do
        if name.var then shared[name.as] = true end
      end
    end
    if in_function == 0 then
      if node.t == "assign" or node.t == "incdec" then targets(node.target) end
      if node.t == "foreach" then
        targets(node.value)
        if node.key then targets(node.key) end
      elseif (node.t == "try" or node.t == "barrier") and node.var then
        targets(node.var)
      elseif node.t == "unset" then
        for _, target in ipairs(node.targets) do targets(target) end
      end
    end
  end
  local function go(node)
    if node.t then visit(node) end
    local entered = node.t == "func"
    if entered then in_function = in_function + 1 end
    for key, child in pairs(node) do
      if type(child) == "table" then go(child) end
    end
    if entered then in_function = in_function - 1 end
  end
  go(file)
  return shared, assigns
end

modules.survey = survey

-- What an included file brings along: functions, and names it shares with the main code.
local function look_into(self, file, seen)
  for _, statement in ipairs(file.body) do
    if statement.t == "include" then
      local included = self.host.parse(statement.path)
      if included and seen[statement.path] == "open" then
        self.diag:error(statement, statement.path .. " includes itself")
      elseif included and not seen[statement.path] then
        seen[statement.path] = "open"
        look_into(self, included, seen)
        hoist_functions(self, included.body, self.included_functions)
        modules.take(self, included, self.included_functions)
        local shared, assigns = survey(included)
        for name in pairs(shared) do self.shared[name] = true end
        for name in pairs(assigns) do self.shared[name] = true end
        each_node({ body = included.body }, function(node)
          if node.t == "var" then self.shared[node.name] = true end
          if node.t == "interp" then
            for _, part in ipairs(node.parts) do
              if type(part) == "table" then self.shared[part.name] = true end
            end
          end
        end)
        seen[statement.path] = "done"
      end
    end
  end
end

--- Resolves the names of a file. 'host': builtins (name -> true or "final"), facts (name ->
--- true), near(name), near_fact(name), parse(path) -> tree or nil. 'included': its variables are
--- shared with whoever includes it.
function resolver.resolve(file, diag, host, included)
  local self = setmetatable({ diag = diag, host = host, included = included, functions = {},
    classes = {}, includes = {}, included_functions = {}, calls_builtin = {},
    exports = {}, cache_names = {}, frame = {}, clears = {} }, R)
  self.shared, self.main_assigns = survey(file)
  look_into(self, file, { [diag.path] = "open" })
  hoist_functions(self, file.body, self.functions)
  if #diag.errors == 0 then modules.check_cycles(self, file) end
  modules.open_namespaces(self, file)
  modules.take(self, file, self.functions, true)
  for name, func in pairs(self.included_functions) do
    self.functions[name] = self.functions[name] or func
  end
  self.scope = new_scope(self, nil)
  file.scope = self.scope
  for _, statement in ipairs(file.body) do
    if statement.t == "import" then walk_statement(self, statement) end
  end
  for _, statement in ipairs(file.body) do
    if statement.t ~= "import" then walk_statement(self, statement) end
  end
  types.infer(file.scope)
  for _, var in ipairs(file.scope.order) do
    if var.kind == "fact" then
      if not host.facts[var.name] then
        diag:warn(var, "$" .. var.name .. " is never assigned, and no fact of that name is known",
          host.near_fact(var.name))
      end
    else
      resolver.judge(self, var)
    end
  end
  return self
end

return resolver
