-- What files import from each other: the names that a module has to give, and what they mean in
-- the file that takes them.
local callees = require "hsl.callees"
local survey = require "hsl.survey"

local modules = {}

local function imports_names(statement) return statement.t == "import" and not statement.data end

local function add_missing(into, from)
  for name, value in pairs(from) do
    if into[name] == nil then into[name] = value end
  end
end

local exports_of

local function add_exports(self, statement, out)
  if statement.t == "function" then
    out.functions[statement.name] = statement.func
  elseif statement.t == "class" then
    out.classes[statement.name] = statement
  elseif imports_names(statement) then
    local its = exports_of(self, statement.path) or { functions = {}, classes = {} }
    for _, name in ipairs(statement.names) do
      if not name.var then
        out.functions[name.as] = out.functions[name.as] or its.functions[name.name]
        out.classes[name.as] = out.classes[name.as] or its.classes[name.name]
      end
    end
  end
end

-- functions, classes (name -> node) and variables (name -> true) of a file, with those of what
-- it includes or imports; nil if it doesn't compile, which is told where that is done.
function exports_of(self, path)
  if self.exports[path] then return self.exports[path] end
  local file = self.host.parse(path)
  if not file then return nil end
  local out = { functions = {}, classes = {}, variables = {} }
  self.exports[path] = out
  for _, names in ipairs { survey.names(file) } do
    for name in pairs(names) do out.variables[name] = true end
  end
  for _, statement in ipairs(file.body) do add_exports(self, statement, out) end
  for _, statement in ipairs(survey.includes(file)) do
    local its = exports_of(self, statement.path)
    for kind, names in pairs(its or {}) do add_missing(out[kind], names) end
  end
  return out
end

local function missing(self, at, import, sign, name)
  self.diag:error(at, ("%s has no %s%s"):format(import.path, sign, name))
end

-- ns::name is a name of its own; those in use are imported.
local function use_member(self, node, import, used)
  local exports = exports_of(self, import.path)
  local as = node.base.name .. "::" .. node.name
  if exports and node.variable and not exports.variables[node.name] then
    missing(self, node, import, "$", node.name)
  elseif exports and not node.variable and not exports.functions[node.name] and
      not exports.classes[node.name] then
    missing(self, node, import, "", node.name)
  end
  local key = (node.variable and "$" or "") .. as
  if not used[key] then
    used[key] = true
    import.names[#import.names + 1] = { name = node.name, as = as, var = node.variable or false,
      line = import.line, col = import.col }
    if node.variable then self.shared[as] = true end
  end
  node.t, node.name, node.base, node.static = node.variable and "var" or "name", as, nil, nil
end

--- import * as ns: what the file says of ns::name and ns::$name becomes names of their own.
function modules.open_namespaces(self, file)
  local namespaces, used = {}, {}
  for _, statement in ipairs(file.body) do
    if imports_names(statement) and statement.all then
      if namespaces[statement.all] then
        self.diag:error(statement, statement.all .. " is imported twice")
      end
      namespaces[statement.all] = statement
    end
  end
  if next(namespaces) == nil then return end
  survey.each_node(file, function(node)
    local import = node.t == "prop" and node.static and node.base.t == "name" and
      namespaces[node.base.name]
    if import then use_member(self, node, import, used) end
  end)
end

-- One name that is imported; 'report': it stands in the file that is compiled.
local function take_name(self, import, name, into, report)
  local exports = exports_of(self, import.path)
  if name.var then
    self.shared[name.as] = true
    if exports and report and not exports.variables[name.name] then
      missing(self, name, import, "$", name.name)
    end
    return
  end
  local known = self.cache_names[name.as] == import.path .. "::" .. name.name   -- taken twice
  if report and not known and (into[name.as] or self.classes[name.as]) then
    self.diag:error(name, name.as .. " is defined twice")
    return
  end
  local func = exports and exports.functions[name.name]
  local class = exports and exports.classes[name.name]
  into[name.as] = func
  self.cache_names[name.as] = import.path .. "::" .. name.name
  self.classes[name.as] = not func and class or self.classes[name.as]
  if exports and not func and not class and report then missing(self, name, import, "", name.name) end
end

--- Enters what a file imports: functions into 'into', classes and variables where they are known.
function modules.take(self, file, into, report)
  for _, statement in ipairs(file.body) do
    if imports_names(statement) then
      for _, name in ipairs(statement.names) do take_name(self, statement, name, into, report) end
    end
  end
end

-- The statements by which a file needs others.
local function needs_of(file)
  local list = survey.all_includes(file)
  for _, statement in ipairs(file.body) do
    if imports_names(statement) then list[#list + 1] = statement end
  end
  return list
end

-- Whether 'path' leads back to a file that is open.
local function leads_back(self, path, state)
  if state[path] == "open" then return true end
  if state[path] then return false end
  local file = self.host.parse(path)
  state[path] = "open"
  for _, statement in ipairs(file and needs_of(file) or {}) do
    if leads_back(self, statement.path, state) then return true end
  end
  state[path] = "done"
  return false
end

--- A module runs before the file that imports it: they can't need each other.
function modules.check_cycles(self, file)
  local state = { [self.diag.path] = "open" }
  for _, statement in ipairs(needs_of(file)) do
    if leads_back(self, statement.path, state) then
      self.diag:error(statement, "what " .. statement.path .. " imports leads back to itself")
      return
    end
  end
end

-- Names of variables in a file and in what its main code includes.
local function add_names(self, path, names, seen)
  local file = not seen[path] and self.host.parse(path)
  seen[path] = true
  if not file then return end
  for _, some in ipairs { survey.names(file) } do
    for name in pairs(some) do names[name] = true end
  end
  survey.each_node({ body = file.body }, function(node)
    if node.t == "var" then names[node.name] = true end
    for _, part in ipairs(node.t == "interp" and node.parts or {}) do
      if type(part) == "table" then names[part.name] = true end
    end
  end)
  for _, statement in ipairs(survey.includes(file)) do
    add_names(self, statement.path, names, seen)
  end
end

--- Names of the variables that files share with the code that includes them, a file's or a function's
--- body; nil if it includes none.
function modules.shared_names(self, body)
  local names, seen = nil, {}
  for _, statement in ipairs(survey.includes(body)) do
    names = names or {}
    add_names(self, statement.path, names, seen)
  end
  return names
end

--- What included files bring along: functions and classes, wherever the statement stands. 'at': the
--- statement of the file that is compiled which leads there.
function modules.look_into(self, file, seen, at)
  for _, statement in ipairs(survey.all_includes(file)) do
    local path = statement.path
    local included = self.host.parse(path)
    if included and seen[path] == "open" then
      self.diag:error(at or statement, path .. " includes itself")
    elseif included and not seen[path] then
      seen[path] = "open"
      modules.look_into(self, included, seen, at or statement)
      callees.hoist(self, included.body, self.included_functions, path, at or statement)
      modules.take(self, included, self.included_functions)
      for name in pairs((survey.names(included))) do self.shared[name] = true end
      seen[path] = "done"
    end
  end
end

return modules
