require "judge"(senderhelo)
