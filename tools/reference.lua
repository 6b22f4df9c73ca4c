-- Writes the reference of the builtins from their doc comments, to standard
-- output. With "check": says which row has no comment and which comment no row.
local files = {}
for path in io.popen("ls lua/*/*.c"):lines() do files[#files + 1] = path end

-- Each comment belongs to the C function that follows it; rows name it.
local function read(path)
  local text = io.open(path):read("a")
  local comments, rows = {}, {}
  for comment, fn in text:gmatch("/%*lua\n(.-)%*/\nstatic int\n([%w_]+)%(") do
    comments[fn] = comment
  end
  text = text:match('struct sl_builtin sl_module_.*') or ''
  for name, fn, flags in text:gmatch('{ "([%w_]+)", ([%w_]+),%s*(.-) },\n') do
    rows[#rows + 1] = { name = name, fn = fn, flags = flags }
  end
  return comments, rows
end

local problems = {}
local out = { "# Builtins", "", "Generated from the doc comments in `lua/` by `make docs`.", "" }
for _, path in ipairs(files) do
  local comments, rows = read(path)
  out[#out + 1] = "## " .. path:match("lua/(%w+)/")
  out[#out + 1] = ""
  local used = {}
  for _, row in ipairs(rows) do
    local comment = comments[row.fn]
    used[row.fn] = true
    if not comment then
      problems[#problems + 1] = path .. ": " .. row.name .. " has no doc comment"
    else
      local params, names, text = {}, {}, {}
      for line in comment:gmatch("([^\n]*)\n") do
        local tag, rest = line:match("^@(%w+) (.*)$")
        if tag == "param" then names[#names + 1] = rest:match("^(%S+)") end
        if tag then params[#params + 1] = "- `" .. tag .. "` " .. rest
        else text[#text + 1] = line end
      end
      out[#out + 1] = "### " .. row.name .. "(" .. table.concat(names, ", "):gsub("%?", "") .. ")"
      out[#out + 1] = ""
      local prose, example = table.concat(text, "\n"):match("^(.-)(\n\n    .*)$")
      out[#out + 1] = (prose or table.concat(text, "\n")):gsub("\n+$", "")
      out[#out + 1] = ""
      if #params > 0 then out[#out + 1] = table.concat(params, "\n") .. "\n" end
      if row.flags:find("SL_WAITS") then out[#out + 1] = "Waits.\n" end
      if example then
        out[#out + 1] = "```lua" .. example:gsub("^\n", ""):gsub("\n    ", "\n"):gsub("\n+$", "") .. "\n```\n"
      else
        problems[#problems + 1] = path .. ": " .. row.name .. " has no example"
      end
    end
  end
  for fn in pairs(comments) do
    if not used[fn] then problems[#problems + 1] = path .. ": a comment of " .. fn .. " has no row" end
  end
end
table.sort(problems)
if arg[1] == "check" then
  for _, problem in ipairs(problems) do print(problem) end
  os.exit(#problems == 0)
end
io.write(table.concat(out, "\n"), "\n")
