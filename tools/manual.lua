-- Writes sluice.lua(5) from the program's schema: manual.lua SLUICE
local function escape(s) return (s:gsub("\\", "\\e"):gsub('"', "\\(dq"):gsub("^%.", "\\&.")) end
io.write([[
.Dd November 28, 2026
.Dt SLUICE.LUA 5
.Os
.Sh NAME
.Nm sluice.lua
.Nd configuration of a sluice policy
.Sh DESCRIPTION
.Nm
returns one table.
.Xr sluice-policy 7
says which functions it has, csv, json, lines, secret, env and merge, and what else is in the folder.
An unknown key, a wrong type or a missing file is an error that names line and column.
.Pp
The keys, with their types and defaults:
.Bl -tag -width Ds
]])
for line in io.popen(arg[1] .. " --schema"):lines() do
  local key, type, default, text = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
  io.write(".It ", escape(key), "\n", escape(text), ".\n")
  io.write("(", escape(type), default ~= "" and "; default " .. escape(default) or "", ")\n")
end
io.write(".El\n.Sh SEE ALSO\n.Xr sluice 1 ,\n.Xr sluice-policy 7\n")
