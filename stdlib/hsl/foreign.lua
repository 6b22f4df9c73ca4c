-- What people write who know another language better, and what it is called here.
local foreign = {}

--- Words that stand before a value or a statement there. What is read behind them is read as if they
--- weren't there.
foreign.words = {
  new = "an object is made by calling its class: Foo(1)",
  var = "variables need no word: $x = 1", let = "variables need no word: $x = 1",
  const = "variables need no word: $x = 1",
  require = "write 'include' or 'import'", require_once = "write 'include_once' or 'import'",
  use = "write 'import'", print = "write 'echo'",
  ["goto"] = "loops are while, for, foreach and forever", ["do"] = "loops are while, for, foreach and forever",
  finally = "what has to be done in any case stands behind the try",
}

--- Words before the members of classes there.
foreign.access = {
  public = "members are public unless they are private", protected = "write 'private'",
  var = "members need no word: $x = 1;", final = "classes have no heirs", abstract = "classes have no heirs",
}

--- Names of functions and constants there.
foreign.names = {
  null = "none", NULL = "none", Null = "none", ["nil"] = "none", undefined = "none", None = "none",
  TRUE = "true", True = "true", FALSE = "false", False = "false",
  empty = "!$x: what is empty is false", isempty = "!$x: what is empty is false",
  is_null = "$x === none", is_bool = "is_boolean", is_int = "is_number", is_numeric = "is_number",
  is_callable = "is_function", intval = "number", floatval = "number", strval = "string",
  sizeof = "count", len = "length", print = "echo", printf = "echo \"%s\" % [$x]", sprintf = "\"%s\" % [$x]",
  print_r = "echo", var_dump = "echo", var_export = "echo", die = "a final action: Reject(), Defer(), ...",
  exit = "a final action: Reject(), Defer(), ...", preg_match = "pcre_match",
  preg_replace = "pcre_replace", preg_quote = "pcre_quote", preg_match_all = "pcre_match_all",
  preg_split = "explode, or pcre_match_all", split = "explode", join = "implode",
  array_push = "$a[] = $x", array_pop = "$x = $a[-1:][0]; unset($a[-1:])",
  array_merge = "$a + $b", array_slice = "$a[from:to]", array_key_exists = "isset($a[$key])",
  array_values = "$a[:]", array_search = "array_find", usort = "array_sort", sort = "array_sort",
  strstr = "strpos", stripos = "strpos(strtolower($a), $b)",
  str_contains = "strpos($a, $b) >= 0", strrev = "$s[::-1]", gethostbyname = "dns4",
  gethostbyaddr = "dnsptr", date = "strftime", microtime = "time", mt_rand = "rand", uniqid = "uuid",
  header = "AddHeader", define = "$x = 1", array_splice = "$a[from:to] = [...]",
}

return foreign
