-- What is known of a whole file before its names are resolved: which names its main code assigns,
-- and which of its variables functions share.
local survey = {}

--- What is at the root of $x["a"]["b"], and how many keys lead from it.
function survey.root(target)
  local keys = 0
  while (target.t == "index" or target.t == "prop" or target.t == "slice") and not target.static do
    target, keys = target.base, keys + 1
  end
  return target, keys
end

--- Calls 'visit' for every node of a tree; what the resolver adds leads back to the tree.
function survey.each_node(node, visit)
  if node.t then visit(node) end
  for key, child in pairs(node) do
    if type(child) == "table" and key ~= "var" and key ~= "scope" then survey.each_node(child, visit) end
  end
end

-- The include statements below a node, in order; 'deep': those in functions too.
local function includes_below(top, deep)
  local list = {}
  if top.t == "file" and not top.has_includes then return list end
  local function go(node)
    if node.t == "func" and not deep then return end
    if node.t == "include" then list[#list + 1] = node end
    for key, child in pairs(node) do
      if type(child) == "table" and key ~= "var" and key ~= "scope" then go(child) end
    end
  end
  go(top)
  table.sort(list, function(a, b) return a.line < b.line or a.line == b.line and a.col < b.col end)
  return list
end

--- Those of a file's main code, or of a function's body; and all of a file.
function survey.includes(node) return includes_below(node, false) end
function survey.all_includes(file) return includes_below(file, true) end

--- Names that functions import, and that the main code assigns.
function survey.names(file)
  local shared, assigns = {}, {}
  local function targets(node)
    if node.t == "var" then assigns[node.name] = true end
    if node.t == "pattern" then
      for _, item in ipairs(node.targets) do targets(item.target) end
    elseif node.t ~= "var" then
      local root = survey.root(node)
      if root.t == "var" then assigns[root.name] = assigns[root.name] or "elements" end
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

return survey
