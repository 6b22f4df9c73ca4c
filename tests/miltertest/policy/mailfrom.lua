if sender == "spam@example.com" then Reject({ "5.7.1 first line", "second line" }) end
