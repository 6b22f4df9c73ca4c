-- Looks at the layers: a file includes headers of its own folder and of lower
-- rows only. Prints each breach and exits 1 if there was one.
local rows = {
  base = 0, tape = 0.5, mail = 1, crypto = 1, net = 1, dns = 2, auth = 3, http = 3, state = 3,
  engine = 4, policy = 5, smtp = 6, milter = 6, queue = 7, admin = 7, daemon = 8, cmd = 9,
}
-- What a row needs of another of its own height.
local also = {
  ["mail net"] = true, ["net mail"] = true, ["crypto net"] = true, ["mail crypto"] = true,
  ["net crypto"] = true, ["dns mail"] = true, ["milter smtp"] = true,
}
local breaches = 0
for path in io.popen("ls core/*/*.c core/*/*.h"):lines() do
  local folder, name = path:match("^core/(%w+)/(.+)$")
  if not name:find("_test%.c$") then
    for include in io.lines(path) do
      local target = include:match('^#include "%.%./(%w+)/')
      if target and rows[target] and rows[target] >= rows[folder] and target ~= folder and
          not also[folder .. " " .. target] then
        print(path .. ": includes core/" .. target .. ", which isn't below core/" .. folder)
        breaches = breaches + 1
      end
    end
  end
end
os.exit(breaches == 0)
