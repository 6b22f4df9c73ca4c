-- Lua that calls builtins of the product family which sluice doesn't have: told when the policy is
-- loaded, as HSL's compiler tells it. A name that the policy, or the host program, gives something of
-- its own is theirs.
local diagnostics = require "hsl.diagnostics"
local unbuilt = require "hsl.unbuilt"

local function mentions(source)
  for word in source:gmatch("[%a_][%w_]*") do
    if unbuilt[word] then return true end
  end
  return false
end

local nothing = function() end
local silent = { assign = nothing, read = nothing, call = nothing, unreachable = nothing, ends = nothing }

local function listen(what) return setmetatable(what, { __index = silent }) end

-- Who gets at the environment as a table may define anything by it.
local function is_open(source) return source:find("%f[%w_]_ENV%f[^%w_]") or source:find("%f[%w_]_G%f[^%w_]") end

-- Of HSL, names behind these words; a word in a text or comment does no harm.
local function add_hsl(source, own)
  for _, pattern in ipairs { "function%s+([%a_][%w_]*)", "class%s+([%a_][%w_]*)" } do
    for name in source:gmatch(pattern) do own[name] = true end
  end
end

-- 'files': list of { path, source }; 'builtins': what the program has. The errors, as texts.
return function(files, builtins)
  local suspects, own = {}, {}
  for _, file in ipairs(files) do
    if file.path:find("%.lua$") and mentions(file.source) then suspects[#suspects + 1] = file end
  end
  if #suspects == 0 then return {} end
  local parse, out = require "check.parser", {}
  for _, file in ipairs(files) do
    if not file.path:find("%.lua$") then
      add_hsl(file.source, own)
    elseif is_open(file.source) then
      return {}
    else
      parse(file.source, listen { assign = function(name) own[name] = true end })
    end
  end
  for _, file in ipairs(suspects) do
    local diag = diagnostics.new(file.path, file.source)
    parse(file.source, listen { call = function(call)
      if unbuilt[call.name] and not own[call.name] and not builtins[call.name] then
        diag:error({ line = call.line, col = call.column },
          call.name .. " isn't built in this version", unbuilt[call.name])
      end
    end })
    for _, text in ipairs(diag:error_texts()) do out[#out + 1] = text end
  end
  return out
end
