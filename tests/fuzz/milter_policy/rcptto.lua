require "judge"(recipient)
