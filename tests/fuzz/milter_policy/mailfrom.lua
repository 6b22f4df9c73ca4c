require "judge"(sender .. (saslusername or ""))
