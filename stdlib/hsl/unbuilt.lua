-- Names of the product family's builtins that sluice doesn't have, and what to do instead. The
-- HSL compiler refuses a script that calls one, with file and line; doc/builtins.md has the same
-- names in its table. A script's own function of such a name is fine.
local http = "ask by HTTP: http() or api_call()"
local scanner = "a commercial scanner; ask one that has an HTTP interface with http()"
local objects = "no object of this kind is built"
local queue = "the queue's policies are transports, retry and limits of sluice.lua"
local keys = "keys are used by DKIMSign, DKIMSignFor and ARCSeal only"
local api = "the API has no scripts"

return {
  -- phases
  Authenticate = api, Deny = api,
  Pass = "proxying isn't built", Reply = "Accept, Reject and Defer take code and enhanced",
  CurrentConnections = queue,
  GetMailMessage = 'it is arguments["mail"] of eod', GetTLS = "its parts are variables: tlsprotocol, tlscipher, tlskeysize",
  SetSenderHELO = "what the client said stays", SetSenderIP = "the client's address stays",
  SetDSN = "notifications are the server's; GenerateDSN sends one", History = "use memory_store and memory_fetch, or context",
  GetDSN = "parsed notifications aren't built", GetDSNHeader = "parsed notifications aren't built",
  GetRoute = 'use GetHeaders("Received")',
  GetMailQueueMetric = "the queue's counters are in /metrics",
  DKIMADSP = "ADSP (RFC 5617) is historic: use ScanDMARC",
  -- scanners
  ScanCLAM = scanner, ScanDLP = scanner, ScanKAV = scanner, ScanRPD = scanner, ScanRPDAV = scanner,
  ScanSA = scanner, globalview = scanner,
  -- other directories
  LDAP = http, LDAPResult = http, dovecot_lookup_auth = http, ident_lookup = http, ldap_bind = http, ldap_search = http,
  radius_authen = http, tacplus_authen = http, tacplus_author = http,
  smtp_lookup_auth = "the users file or an auth script with http() decides",
  smtp_lookup_rcpt = "keep the addresses in data/ or behind HTTP, or let the relay's transport refuse",
  -- cryptography
  aes_decrypt = keys, aes_encrypt = keys, cms_decrypt = keys, cms_encrypt = keys, cms_sign = keys,
  cms_verify = keys, pkcs7_sign = keys, rsa_privatekey = keys, is_rsa_privatekey = keys,
  rsa_sign = keys, rsa_verify = keys, ec_privatekey = keys, is_ec_privatekey = keys,
  ed25519_privatekey = keys, is_ed25519_privatekey = keys, ed25519_sign = keys, ed25519_verify = keys,
  crypt = "use password_verify, which computes beside the other sessions",
  -- the server
  queue_policy = queue, queue_policy_delete = queue, queue_quota = queue, queue_suspend = queue,
  server_concurrency = "use connections of sluice.lua",
  metrics_get = "what it gives is nowhere said; memory_inc keeps numbers that scripts read",
  memory_update = "use memory_inc, or memory_add as a lock",
  -- formats
  csv_encode = "use array_join", url_parse = "use pcre_match",
  header_addresslist_compile = "write the value as text, names with mimeword_encode",
  strpduration = "its format is nowhere said: write seconds",
  yaml_decode = "use JSON: json_decode, data files",
  zlib_compress = "compression isn't built", zlib_uncompress = "compression isn't built",
  -- objects
  ["MailMessage::File"] = "there are no File objects: MailMessage::String takes the text",
  EODMailMessage = '$arguments["mail"] and MIME("0") are the message, objects of the class MailMessage',
  FFI = "other programs' code isn't called", FFIFunction = "other programs' code isn't called",
  File = "use file, file_get_contents and in_file", Iconv = "header fields are decoded by GetHeader",
  Map = "use an array", Set = "use an array and array_includes",
  X509 = objects, X509CRL = objects,
}
