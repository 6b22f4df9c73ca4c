-- Functions and classes are there whatever block they stand in: they are taken out of the blocks of a
-- body (of a function, or the file's main code), to stand before the statement that they stood in.
local lift = {}

local defines = { ["function"] = true, class = true }

-- Calls 'visit' for the blocks of a statement.
local function each_block(statement, visit)
  if statement.t == "block" then
    visit(statement)
  elseif not defines[statement.t] then
    for _, part in ipairs(statement.arms or statement.cases or {}) do visit(part.body) end
    for _, part in ipairs { "body", "handler", "otherwise" } do
      if statement[part] then visit(statement[part]) end
    end
  end
end

-- Moves what a block defines to the end of 'out'; 'outer' is the statement that the block is in.
local function empty(block, outer, out)
  local kept = {}
  for _, statement in ipairs(block.body) do
    if defines[statement.t] then
      statement.lifted = outer.line
      out[#out + 1] = statement
    else
      each_block(statement, function(inner) empty(inner, outer, out) end)
      kept[#kept + 1] = statement
    end
  end
  block.body = kept
end

--- The statements of a body, with what their blocks define before them: nodes with "lifted", the line
--- of the statement they stood in.
function lift.body(list)
  local out = {}
  for _, statement in ipairs(list) do
    each_block(statement, function(block) empty(block, statement, out) end)
    out[#out + 1] = statement
  end
  return out
end

return lift
