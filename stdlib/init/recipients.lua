-- Who gets mail here: data/recipients.txt has an address a line.
for _, address in ipairs(data "recipients.txt") do
  if address == recipient then Accept() end
end
Reject("No such user here")
