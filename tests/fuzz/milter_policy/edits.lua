-- Fields X-Do: letters, each an edit.
local edits = {
  a = function() AddHeader("X-A", "1\r\n folded") end, s = function() SetHeader("Subject", "changed") end,
  p = function() PrependHeader("X-A", "first ") end, d = function() DelHeader("X-A") end,
  f = function() SetSender("new@example.net") end,
  b = function() MIME("0"):appendPart(MIME():setBody("Disclaimer\n")) end,
  v = function() AddHeader("X-DMARC", json_encode(ScanDMARC() or false)) end,
}
for _, field in ipairs(GetHeaders(true)) do
  local name, value = field[1], field[2]
  if name:lower() == "x-do" then
    for letter in value:sub(1, 20):gmatch("%l") do
      if edits[letter] then edits[letter]() end
    end
  end
end
