if senderhelo == "later.example" then Defer("come back") end
