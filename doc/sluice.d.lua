---@meta sluice
-- Written by make docs for lua-language-server: the builtins and variables of policies.

---@class MIME
local MIME_methods = {}

--- Add a header field behind those that are there.
---
--- Content-Type and the like are written by themselves, from setType and what the body is, unless
--- they are added here.
---
--- In every phase.
---@param name string
---@param value string without line breaks, other than folds
---@param options? { encode?: boolean } encode (encoded words for what isn't ASCII; true)
---@return MIME self
function MIME_methods:addHeader(name, value, options) end

--- Add a part behind those that are there. It isn't copied: what is changed later is changed in both.
---
--- In every phase.
---@param part MIME
---@return MIME self
function MIME_methods:appendPart(part) end

--- Put what was built into the queue, as a message of its own.
---
--- It shares the fate of the message that is being judged: if that gets a 2xx reply
--- both are stored before the reply is sent, else neither is. With `always`, which is so in HSL unless it says
--- otherwise, it is sent though the message is rejected or deferred, but not if a script failed. Date and Message-ID are
--- added if they are missing. At most 100 new messages for one received; not behind another mail
--- server (milter), which has the queue then. An address is a string, or a table with localpart and domain.
---
--- In eod, data.
---@param sender string|table reverse-path; "" for messages that nobody should answer
---@param recipient string|table an address, or a list of up to 100
---@param transportid? string a name of `transports`; that of the recipient's row in the relay table
---@param options? { metadata?: any, delay?: number, always?: boolean } metadata (strings by name), delay (seconds; 0), always (false; in HSL true)
---@return string id of the new message
function MIME_methods:queue(sender, recipient, transportid, options) end

--- The same as queue: its name in the dialect of 2016.
---
--- In eod, data.
---@param sender string|table
---@param recipient string|table
---@param transportid? string
---@param options? { metadata?: any, delay?: any, always?: any } metadata, delay, always
---@return string id
function MIME_methods:send(sender, recipient, transportid, options) end

--- Set the body. How it is encoded for transfer depends on what it is: text stays readable
--- (quoted-printable if it must be), other types are base64. With parts it stands before them.
---
--- In every phase.
---@param body string
---@return MIME self
function MIME_methods:setBody(body) end

--- Choose the boundary between parts; without that one is made by chance.
---
--- In every phase.
---@param boundary string 1 to 70 characters of RFC 2046 5.1.1
---@return MIME self
function MIME_methods:setBoundary(boundary) end

--- Add a Date field.
---
--- In every phase.
---@param timestamp? number seconds since 1970 (now)
---@return MIME self
function MIME_methods:setDate(timestamp) end

--- Say how it is shown: Content-Disposition.
---
--- In every phase.
---@param type string "inline" or "attachment"
---@return MIME self
function MIME_methods:setDisposition(type) end

--- Make it an attachment of that name (or what setDisposition says).
---
--- In every phase.
---@param filename string UTF-8, without control bytes
---@return MIME self
function MIME_methods:setFileName(filename) end

--- Say what the body is.
---
--- Text gets `charset=utf-8` if it has other bytes than ASCII and nothing is said here.
---
--- In every phase.
---@param type string "text/html", "multipart/alternative", with parameters if there are some
---@return MIME self
function MIME_methods:setType(type) end

--- Sign a message that was built, whenever it is written: when it is queued, or by toString.
---
--- Fields that queue adds (Date, Message-ID) are signed too.
---
--- In eod, data.
---@param selector string
---@param domain string
---@param key string "pki:NAME", a private key in PEM, or base64 of its DER
---@param options? { canonicalization_header?: any, canonicalization_body?: string, algorithm?: any, headers?: any, additional_headers?: any, oversign_headers?: any, timestamp?: any, expiration?: any, expiration_relative?: any, identity?: any } canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp, expiration, expiration_relative, identity
---@return MIME|false self
---@return string? err with false: why it can't be signed
function MIME_methods:signDKIM(selector, domain, key, options) end

--- The message as it would be sent.
---
--- In every phase.
---@return string text header, empty line, body; lines end by CRLF
function MIME_methods:toString() end

---@class MIMEPart
local MIMEPart_methods = {}

--- Add a header field on top of a part.
---
--- In every phase.
---@param name string
---@param value string without line breaks, other than folds
---@param options? { encode?: boolean } encode (encoded words for what isn't ASCII; true)
function MIMEPart_methods:addHeader(name, value, options) end

--- Put a new part behind those of a multipart. A message that is none ("0") becomes one, of what it
--- was and the new part.
---
--- In every phase.
---@param part MIME
---@param options? { type?: any } type (of the multipart that a message becomes; "multipart/mixed")
---@return MIMEPart? self none: it isn't a multipart, or has no last delimiter
function MIMEPart_methods:appendPart(part, options) end

--- Delete all header fields of a name, or the one of that index.
---
--- In every phase.
---@param name string
---@param options? { index?: any } index (1 is the first, in HSL 0)
---@return number|false deleted how many there were; false: none
function MIMEPart_methods:delHeader(name, options) end

--- The parts whose file is so called, this one and those in it at any depth.
---
--- In every phase.
---@param name string|userdata in any case, with a star at its front ("*.exe") or end; or a pattern as above
---@return MIMEPart[] parts in the order of the message
function MIMEPart_methods:findByFileName(name) end

--- The parts of a type, this one and those in it at any depth.
---
--- In every phase.
---@param type string|userdata "text/html"; "text/" is any text; "/.../i", "^...$" or what pcre_compile made: a pattern
---@return MIMEPart[] parts in the order of the message
function MIMEPart_methods:findByType(type) end

--- The body of a part without its transfer encoding: base64 and quoted-printable as most
--- readers take them, mistakes and all.
---
--- In every phase.
---@param options? { decode?: boolean, utf8?: boolean } decode (the transfer encoding; true), utf8 (convert the part's charset; false)
---@return string? body
---@return string? err with utf8: the charset isn't known, or the text not of it
---@return string? code "charset"
function MIMEPart_methods:getBody(options) end

--- The part of another number, anywhere in the message.
---
--- In every phase.
---@param id string
---@return MIMEPart? part
function MIMEPart_methods:getByID(id) end

--- What stands behind the last delimiter of a multipart; no reader shows it.
---
--- In every phase.
---@return string? text
function MIMEPart_methods:getEpilogue() end

--- What is wrong with a part, or may be read in another way by others.
---
--- In every phase.
---@return string[] errors in words; empty if nothing is
function MIMEPart_methods:getErrors() end

--- The name of a part's file: Content-Disposition's filename, else Content-Type's name.
---
--- It is what the sender wrote, decoded to UTF-8, with slashes and control bytes if there are some.
---
--- In every phase.
---@return string? name
function MIMEPart_methods:getFileName() end

--- The value of a header field of a part.
---
--- Of the message itself ("0") as the run has edited it, of other parts as received.
---
--- In every phase.
---@param name string
---@param options? { index?: any, decode?: boolean, field?: boolean } index (which of several: 1 is the first, in HSL 0; the first), decode (encoded words to UTF-8; true), field (the whole field as it stands; false)
---@return string? value unfolded
function MIMEPart_methods:getHeader(name, options) end

--- The names of a part's header fields, top down, as they are written.
---
--- In every phase.
---@return string[] names
function MIMEPart_methods:getHeaderNames() end

--- The values of all header fields of a name, top down.
---
--- In every phase.
---@param name string
---@param options? { decode?: boolean, field?: boolean } decode (encoded words to UTF-8; true), field (whole fields as they stand; false)
---@return string[] values
function MIMEPart_methods:getHeaders(name, options) end

--- The number of a part, as MIME takes it.
---
--- In every phase.
---@return string id
function MIMEPart_methods:getID() end

--- The parts in a part, not those in them.
---
--- In every phase.
---@return MIMEPart[] parts empty unless it is a multipart or a message
function MIMEPart_methods:getParts() end

--- What stands before the first part of a multipart; no reader shows it.
---
--- In every phase.
---@return string? text
function MIMEPart_methods:getPreamble() end

--- The size of a part's body as it stands in the message, in bytes.
---
--- In every phase.
---@return number bytes
function MIMEPart_methods:getSize() end

--- The media type of a part, in lower case.
---
--- In every phase.
---@return string type "text/plain" where the message doesn't say (RFC 2045 5.2)
function MIMEPart_methods:getType() end

--- A parameter of Content-Type, decoded (RFC 2231).
---
--- In every phase.
---@param name string
---@return string? value
function MIMEPart_methods:getTypeParameter(name) end

--- Put a new part in front of those of a multipart, see appendPart.
---
--- In every phase.
---@param part MIME
---@param options? { type?: any } type
---@return MIMEPart? self
function MIMEPart_methods:prependPart(part, options) end

--- Take a part out of its multipart.
---
--- In every phase.
function MIMEPart_methods:remove() end

--- Give all header fields of a name another one.
---
--- In every phase.
---@param name string
---@param newname string
---@return number|false renamed how many there were; false: none
function MIMEPart_methods:renameHeader(name, newname) end

--- Put a new part in the place of one.
---
--- In every phase.
---@param part MIME
function MIMEPart_methods:replacePart(part) end

--- Replace the body of a part. It is given without transfer encoding; base64 and quoted-printable
--- parts stay so, others become it if they must. The charset is what the header says.
---
--- In every phase.
---@param data string
---@return MIMEPart? self none: the part isn't in the message any more
function MIMEPart_methods:setBody(data) end

--- Replace what stands behind the last delimiter of a multipart; with "" it is removed.
---
--- In every phase.
---@param text string 7-bit
---@return MIMEPart? self none: it has no last delimiter
function MIMEPart_methods:setEpilogue(text) end

--- Give the first header field of a name a new value, drop the others of that name; add it on top
--- when there is none. With `index` only that one is changed.
---
--- In every phase.
---@param name string
---@param value string without line breaks, other than folds
---@param options? { index?: any, encode?: boolean } index (1 is the first, in HSL 0), encode (encoded words for what isn't ASCII; true)
---@return number|false changed fields that were there; false: none
function MIMEPart_methods:setHeader(name, value, options) end

--- Replace what stands before the first part of a multipart.
---
--- In every phase.
---@param text string 7-bit
---@return MIMEPart? self none: it has no parts
function MIMEPart_methods:setPreamble(text) end

---@class MailMessage: MIMEPart
local MailMessage_methods = {}

--- Replace bytes of the body by others, whatever they mean.
---
--- Places are those of the message as it was received, header included, from 0. Lines of `data` end
--- by CR LF.
---
--- In every phase.
---@param start number where, not in the header
---@param count number how many bytes are replaced; 0: `data` is put in
---@param data string
---@return MailMessage? self none: an earlier change replaced what is around
function MailMessage_methods:modifyContent(start, count, data) end

--- Queue the message as it is now, for a recipient: nothing is copied but its envelope.
---
--- In `eod` a recipient of the message that has it by this has got it: `data` doesn't run for that
--- one. So an `eod` that queues it for each of `transaction.recipients` and ends by Accept decides all
--- by itself; for recipients it leaves out, `data` decides, unless it ends by Delete. In `data` it is
--- what Deliver does with `done = false`: a copy, beside what becomes of the recipient.
---
--- As all deliveries it happens if the client hears 2xx. Signatures that were asked for are made of
--- this copy too. Behind another mail server (milter) recipients are added and taken away; what its
--- one message can't be, another sender or other edits for some, is deferred with an event.
---
--- One made of a text becomes a new message, as MIME:queue says, with nothing added to it: Date and
--- Message-ID are those it has.
---
--- In every phase.
---@param sender string|table reverse-path: a string, or a table with localpart and domain
---@param recipient string|table in the same way; one made of a text takes a list, too
---@param transportid? string a name of `transports`; the recipient's, or that of its row in the relay table
---@param options? { metadata?: any, delay?: number, always?: boolean } metadata (strings by name), delay (seconds; 0), always (of one made of a text, as MIME:queue: false; in HSL true)
---@return table id transaction: the engine's id; of a new message its own
function MailMessage_methods:queue(sender, recipient, transportid, options) end

--- Undo all changes of the message: it is what was received, without signatures. In `data` the
--- changes of `eod` are undone too. Sender, recipient and metadata stay.
---
--- What stays away is an Authentication-Results field in our name that a stranger wrote.
---
--- In every phase.
---@return number|false changes how many were undone; false: none
function MailMessage_methods:reset() end

--- Make the message again what it was when snapshot gave that number.
---
--- In every phase.
---@param id number
---@return boolean restored false: this run took no such snapshot
function MailMessage_methods:restore(id) end

--- Sign the message with DKIM as DKIMSign does: when it leaves, over the header it has then.
---
--- Copies that were queued before aren't signed by it. One made of a text is signed whenever it is
--- written, by toString or queue, four times at most; outside of a policy there are no keys "pki:NAME".
---
--- In every phase.
---@param selector string
---@param domain string
---@param key string "pki:NAME", a private key in PEM, or base64 of its DER
---@param options? { canonicalization_header?: any, canonicalization_body?: string, algorithm?: any, headers?: any, additional_headers?: any, oversign_headers?: any, timestamp?: any, expiration?: any, expiration_relative?: any, identity?: any, discard_changes?: boolean, return_header?: boolean } as of DKIMSign but preflight
---@return MailMessage|string|false self with return_header the value of the field; false: it can't be signed
---@return string? err with false: why
function MailMessage_methods:signDKIM(selector, domain, key, options) end

--- Keep the message as it is now: its header, its body and the signatures asked for.
---
--- The envelope isn't part of it. A run keeps up to 32; they cost no copy of the body.
---
--- In every phase.
---@return number id for restore, in the same run
function MailMessage_methods:snapshot() end

--- The message as it is now, with all edits. Of one made of a text with the signatures that were asked
--- for, of the one that is judged before signatures: those are made when it leaves.
---
--- In every phase.
---@return string text
function MailMessage_methods:toString() end

--- Verify the DKIM signatures of the message as received, as ScanDKIM does: all that are looked at,
--- or the one that a field is. Those of a message made of a text are its own.
---
--- In every phase.
---@param field? string a DKIM-Signature field as it stands, name included
---@param options? {} none is known
---@return table[]|table? result the list of ScanDKIM; with a field its result alone, none if it isn't one of them
function MailMessage_methods:verifyDKIM(field, options) end

---@class Socket
local Socket_methods = {}

--- Close.
---
--- In every phase.
---@return Socket this
function Socket_methods:close() end

--- Connect.
---
--- In every phase.
---@param address string an IP address of the socket's family, or the path of a unix socket
---@param port? number of an IP address
---@return Socket? this
---@return string? err
---@return string? code "refused": not allowed; "connect" "timeout" "syntax"
function Socket_methods:connect(address, port) end

--- Why the last call failed, as an errno of the system: 111 connect, 110 timeout, 13 not allowed,
--- 32 closed, 107 not connected, 11 nothing there, 22 no address, 5 anything else.
---
--- In every phase.
---@return number errno 0: nothing failed
function Socket_methods:errno() end

--- Receive.
---
--- In every phase.
---@param length number bytes at most, up to 1 MB
---@param flags? string|string[] "MSG_PEEK": they stay; "MSG_WAITALL": wait for all of them; "MSG_DONTWAIT": only what is there. Not with TLS
---@return string? data "" when the other side has ended
---@return string? err
---@return string? code "timeout" "again" (with MSG_DONTWAIT) "closed" "io"
function Socket_methods:recv(length, flags) end

--- Send all of it.
---
--- In every phase.
---@param data string 16 MB at most
---@return number? bytes
---@return string? err
---@return string? code "closed" "timeout" "io"
function Socket_methods:send(data) end

--- How long an operation of the socket may take; 30 seconds otherwise.
---
--- In every phase.
---@param timeout number seconds, 600 at most
---@return Socket this
function Socket_methods:settimeout(timeout) end

--- End one direction, or both.
---
--- In every phase.
---@param how string "SHUT_WR": the other side sees our end; "SHUT_RD": nothing; "SHUT_RDWR": closes
---@return Socket this
function Socket_methods:shutdown(how) end

---@class TLSSocket
local TLSSocket_methods = {}

--- Why the last call failed, as Socket:errno has it.
---
--- In every phase.
---@return number errno
function TLSSocket_methods:errno() end

--- Begin TLS.
---
--- In every phase.
---@return TLSSocket? this
---@return string? err what is wrong with the certificate, for one
---@return string? code
function TLSSocket_methods:handshake() end

--- Receive what was sent encrypted.
---
--- In every phase.
---@param length number bytes at most, up to 1 MB
---@return string? data "" when the other side has ended
---@return string? err
---@return string? code
function TLSSocket_methods:recv(length) end

--- Send all of it, encrypted. handshake comes first.
---
--- In every phase.
---@param data string 16 MB at most
---@return number? bytes
---@return string? err
---@return string? code
function TLSSocket_methods:send(data) end

--- End TLS, and the connection with it.
---
--- In every phase.
---@return number status 1
function TLSSocket_methods:shutdown() end

--- The socket below.
---
--- In every phase.
---@return Socket socket
function TLSSocket_methods:toSocket() end

--- Add an ARC set (RFC 8617) to the message as it will leave: what was found of it here, signed.
---
--- The chain is validated first, once per message. The set itself is made when the
--- message is accepted, over the final headers and after every DKIM signature; if
--- that fails, the client hears 451 and nothing is delivered. A chain that failed
--- is sealed with cv=fail over this set alone; one that had failed before it came
--- here, or has 50 sets, isn't sealed: false with "ended", no reason to stop the mail.
---
--- In eod, data.
---@param selector string
---@param domain string
---@param key string "pki:NAME", a private key in PEM, or base64 of its DER
---@param options? { results?: any, canonicalization_header?: any, canonicalization_body?: string, algorithm?: any, headers?: any, additional_headers?: any, oversign_headers?: any, timestamp?: any } results (the value of an Authentication-Results field; what the scans find), canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp
---@return boolean sealed
---@return string? err with false: why it isn't sealed
---@return string? code "temperror": the chain can't be validated now; "ended": nobody may seal it any more
function ARCSeal(selector, domain, key, options) end

--- Accept what the phase asks about, and end the flow.
---
--- In `rcptto` this accepts within the relay table and never extends it; who is accepted as another
--- recipient was allowed to be sent to as the one who was asked about. Addresses are texts, or tables
--- of localpart and domain.
---
--- In connect, helo, auth, mailfrom, rcptto, eod.
---@param options? { reason?: any, reply_codes?: any, username?: any, sender?: any, recipient?: any, transportid?: any } reason (text of the reply), reply_codes (code and enhanced of it), username (auth: who logged in), sender (mailfrom: what it is from now on), recipient and transportid (rcptto: whom it goes to, and by which transport)
function Accept(options) end

--- Put one Authentication-Results field (RFC 8601) of ours on top, with what was found of the message.
---
--- SPF of the reverse-path and of the HELO name apart, each DKIM signature, DMARC,
--- the account if there is one, the ARC chain if ScanARC looked at it. Every field
--- that claims our name, `authserv_id` of sluice.lua, is removed: in any case, with
--- comments, quotes or folds, however many. (From clients that aren't in `trusted`
--- such fields are removed anyhow, before the first script.) What comes from the
--- mail or from DNS is quoted.
---
--- In eod, data.
---@param options? { methods?: any, results?: any } methods (those wanted: "spf" "dkim" "dmarc" "arc" "auth"; nothing else is looked at), results (further ones, a list of { method =, result =, reason =, properties = { ["ptype.name"] = value } })
---@return string value of the field
function AddAuthenticationResults(options) end

--- Add a header field on top of the message.
---
--- In eod, data.
---@param name string
---@param value string without line breaks, other than folds
---@param refold? boolean fold to lines of 78 where there are blanks (true)
function AddHeader(name, value, refold) end

--- Accept what the phase asks about, and end the flow.
---
--- In `rcptto` this accepts within the relay table and never extends it; who is accepted as another
--- recipient was allowed to be sent to as the one who was asked about. Addresses are texts, or tables
--- of localpart and domain.
---
--- In connect.
---@param options? { reason?: any, reply_codes?: any, username?: any, sender?: any, recipient?: any, transportid?: any } reason (text of the reply), reply_codes (code and enhanced of it), username (auth: who logged in), sender (mailfrom: what it is from now on), recipient and transportid (rcptto: whom it goes to, and by which transport)
function Allow(options) end

--- Put a text behind the value of every header field of a name.
---
--- In eod, data.
---@param name string
---@param text string nothing is put between: begin it with a blank if one is wanted
---@param refold? boolean fold to lines of 78 where there are blanks (true)
---@return number|false changed how many fields; false: there is none
function AppendHeader(name, text, refold) end

--- Refuse for good (5xx), and end the flow.
---
--- A reply never fails for its text: control bytes become spaces and lines are cut
--- at 450 bytes.
---
--- In connect.
---@param reason? string|string[] text of the reply; a list gives several lines, in HSL line ends in it too
---@param options? { code?: number, enhanced?: string, disconnect?: boolean, reply_codes?: any } code (550), enhanced ("5.7.1", or { 5, 7, 1 }), disconnect (false), reply_codes (a table of code and enhanced)
function Block(reason, options) end

--- Give up and send the sender a delivery status notification, and end the flow.
---
--- In postdelivery.
---@param options? {} none is known
function Bounce(options) end

--- The domains that signed the message (DKIM's signing domain identifiers), each with the best of its results.
---
--- In eod, data.
---@param domains? string[] those that matter; the others are "skip"
---@param options? { signature_limit?: number } signature_limit (5): from the top so many count, at most 10
---@return table results { [domain] = "pass" | "fail" | "temperror" | "permerror" | "skip" }; ScanDKIM's "policy" and "neutral" are "permerror"
function DKIMSDID(domains, options) end

--- Sign the message with DKIM (RFC 6376, 8463) as it will leave.
---
--- What can fail for the caller's reasons is checked at once. The signature itself
--- is made when the message is accepted, over the final headers; equal deliveries
--- share it. If it fails then, the client hears 451 and nothing is delivered.
---
--- With `preflight` the key is compared with what DNS has before anything is signed:
--- one that isn't published gives false and "unpublished", and an event
--- `dkim_key_mismatch`. The script decides: sign without preflight, don't sign,
--- defer. What is found is kept for dkim_recheck seconds (a minute when it isn't
--- good); if DNS doesn't answer, what was known holds, and without that it is signed.
---
--- In eod, data.
---@param selector string
---@param domain string
---@param key string "pki:NAME", a private key in PEM, or base64 of its DER
---@param options? { canonicalization_header?: any, canonicalization_body?: string, algorithm?: any, headers?: any, additional_headers?: any, oversign_headers?: any, timestamp?: any, expiration?: any, expiration_relative?: any, identity?: any, discard_changes?: boolean, return_header?: boolean, preflight?: boolean } canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp, expiration, expiration_relative, identity, discard_changes (false), return_header (false), preflight (false)
---@return boolean|string signed true; with return_header the value of the field
---@return string? err with false: why it can't be signed
---@return string? code "unpublished": the key isn't what DNS has
function DKIMSign(selector, domain, key, options) end

--- Sign the message with DKIM as DKIMSign does, with the key that sluice.lua's dkim names for a domain.
---
--- Of several keys the first signs whose public half DNS has, looked at once in
--- dkim_recheck seconds at most: a new key goes live when it is published and not
--- before, and the old one can stay until then.
---
--- In eod, data.
---@param domain string
---@param options? { canonicalization_header?: any, canonicalization_body?: string, algorithm?: any, headers?: any, additional_headers?: any, oversign_headers?: any, timestamp?: any, expiration?: any, expiration_relative?: any, identity?: any, discard_changes?: boolean, return_header?: boolean } as of DKIMSign but preflight
---@return boolean|string signed true; with return_header the value of the field
---@return string? err with false: why it can't be signed
---@return string? code "absent": dkim doesn't have the domain; "unpublished": DNS has none of its keys; "temperror": DNS doesn't answer
function DKIMSignFor(domain, options) end

--- Leave to the server what becomes of the message, as at the end of a script without an action,
--- and end the flow.
---
--- In postdelivery.
function Default() end

--- Refuse for now (4xx), so that the client tries again, and end the flow.
---
--- In connect, helo, auth, mailfrom, rcptto, eod, data.
---@param reason? string|string[] text of the reply; a list gives several lines, in HSL line ends in it too
---@param options? { code?: number, enhanced?: string, disconnect?: boolean, reply_codes?: any } code (451), enhanced ("4.7.1", or { 4, 7, 1 }), disconnect (false), reply_codes (a table of code and enhanced)
function Defer(reason, options) end

--- Delete all header fields of a name.
---
--- In eod, data.
---@param name string
---@return number|false deleted how many there were; false: none
function DelHeader(name) end

--- Accept the message and drop it, and end the flow. The client hears success.
---
--- In eod, data, predelivery, postdelivery.
---@param options? {} none is known
function Delete(options) end

--- Deliver the message to the recipient of this run, and end the flow.
---
--- What is delivered is the message as this run edited it. With `done = false` the
--- script goes on: a copy. In `postdelivery`, `Deliver(recipient, transportid)`
--- sends the message on to another recipient.
---
--- In data, postdelivery.
---@param options? { recipient?: any, transportid?: any, metadata?: any, delay?: number, done?: boolean, queue?: boolean, reason?: any, reply_codes?: any } recipient, transportid, metadata, delay (seconds, 0), done (true), queue (true, and nothing else), reason (text of the reply), reply_codes (code and enhanced of it)
---@overload fun(recipient: string, transportid?: string)
function Deliver(options) end

--- Undo all changes of the message, as MailMessage's reset does: the name of 2016.
---
--- In eod, data.
---@return number|false changes how many were undone; false: none
function DiscardMailDataChanges() end

--- End the flow with what was decided by `done = false`; without any such delivery
--- the message is deferred.
---
--- In data.
function Done() end

--- Give up and send the sender a delivery status notification, and end the flow.
---
--- In postdelivery.
---@param options? {} none is known
function GenerateDSN(options) end

--- The addresses in the value of From, To, Cc and the like.
---
--- In every phase.
---@param value string? the value of a field; none gives an empty list
---@return string[] addresses empty when the value isn't an address list (RFC 5322 3.4)
function GetAddressList(value) end

--- The value of the first header field of a name, as the run has edited it.
---
--- In eod, data.
---@param name string the field's name, in any case
---@param decode? boolean decode RFC 2047 encoded words to UTF-8 (true)
---@return string? value unfolded, without blanks at its ends; none if there is no such field
function GetHeader(name, decode) end

--- The values of all header fields of a name, top down.
---
--- With `true` instead of a name: all fields, each as a list of name and value.
---
--- In eod, data.
---@param name string|boolean the field's name, or true
---@param decode? boolean decode RFC 2047 encoded words to UTF-8 (true)
---@return string[]|table[] values empty if there is none
function GetHeaders(name, decode) end

--- What SetMetaData attached to the message.
---
--- In eod, data, predelivery, postdelivery.
---@return table metadata names and values; empty if nothing was attached
function GetMetaData() end

--- A part of the message, by its number: "0" is the message itself, "2" its second
--- part, "2.1" the first part of that. A message/rfc822 has one part, the message in it.
---
--- The structure is that of the message as it was received, found when a script
--- first asks. At most 1000 parts and 30 levels are looked at; getErrors says where
--- something was left or is wrong.
---
--- Without a number: a new message or part, empty, of the class MIME, in any phase.
---
--- In every phase.
---@param id? string
---@return MIMEPart|MIME? part none if there is no such part
function MIME(id) end

--- Functions of the class.
MailMessage = {}

--- Make a message of a text: one that a report or a forward has attached, one that was fetched, one for
--- the test of a function that takes a message.
---
--- It is read, changed and written as the one that is judged, which it has nothing to do with, and lives
--- as long as the run. verifyDKIM looks at its own signatures; toString and queue have those that
--- signDKIM asked for; queue makes a new message of it. Lines end by CR LF, as in mail; a text that has
--- none, as scripts and files write it, gets them in the place of its LFs. At most 32 MB, a header as
--- the server takes it (1000 fields, 1 MB), 1000 messages in one run.
---
--- In every phase.
---@param data string header, empty line, body
---@return MailMessage? message none: larger than that
---@return string? err
---@return string? code "limit"
function MailMessage.String(data) end

--- Put a text in front of the value of every header field of a name.
---
--- In eod, data.
---@param name string
---@param text string nothing is put between: end it with a blank if one is wanted
---@param refold? boolean fold to lines of 78 where there are blanks (true)
---@return number|false changed how many fields; false: there is none
function PrependHeader(name, text, refold) end

--- Keep the message in a quarantine instead of delivering it, and end the flow.
---
--- With `reject = true` (the default) the client hears a rejection although a copy
--- is kept; nothing of it is delivered without a release. In `eod` it is kept for all
--- recipients, without `recipient` and `done`.
---
--- In eod, data.
---@param quarantineid string a name of `quarantine` in sluice.lua
---@param options? { recipient?: any, transportid?: any, metadata?: any, done?: boolean, reject?: boolean, reason?: any, reply_codes?: any } recipient, transportid, metadata, done (true), reject (true), reason, reply_codes (code and enhanced of the reply)
function Quarantine(quarantineid, options) end

--- Put the message back into the queue, and end the flow: what Reschedule does in `predelivery`, and
--- Retry in `postdelivery`.
---
--- In predelivery, postdelivery.
---@param options? { delay?: number, reason?: any, increment_retry?: boolean } delay (seconds; as Reschedule of 300, or by the schedule), reason (for the log), increment_retry (true; predelivery: counts as an attempt)
function Queue(options) end

--- Refuse for good (5xx), and end the flow.
---
--- A reply never fails for its text: control bytes become spaces and lines are cut
--- at 450 bytes.
---
--- In connect, helo, auth, mailfrom, rcptto, eod, data.
---@param reason? string|string[] text of the reply; a list gives several lines, in HSL line ends in it too
---@param options? { code?: number, enhanced?: string, disconnect?: boolean, reply_codes?: any } code (550), enhanced ("5.7.1", or { 5, 7, 1 }), disconnect (false), reply_codes (a table of code and enhanced)
function Reject(reason, options) end

--- Put the attempt off, and end the flow.
---
--- In predelivery.
---@param delay number seconds
---@param options? { reason?: any, increment_retry?: boolean } reason (for the log), increment_retry (true): counts as an attempt
function Reschedule(delay, options) end

--- Try again later although the result says otherwise, and end the flow.
---
--- In postdelivery.
---@param delay? number seconds; the schedule's when not given
function Retry(delay) end

--- Validate the ARC chain (RFC 8617) of the message as received.
---
--- A chain that passes says who handled the message and what they found, not that
--- any of them is to be believed: look at the domains of the seals. `from_signed`
--- is false when the newest message signature leaves a From field out.
---
--- `sets` are in the order of their making: instance, cv, results (what stood in
--- Authentication-Results there), message_signature and seal (each as in ScanDKIM).
---
--- In eod, data.
---@return table result result ("none" "pass" "fail"), reason, temporary (it failed for DNS alone), instances, oldest_pass (0: every message signature passes), from_signed, sets
function ScanARC() end

--- Verify the DKIM signatures (RFC 6376) of the message as received.
---
--- The ten topmost are looked at.
---
--- In eod, data.
---@return table[] signatures top down: result ("pass" "fail" "policy" "neutral" "temperror" "permerror"), reason, domain (d=), selector (s=), identity (i=), algorithm (a=), canonicalization, b, bits, timestamp, expiration, testing, dnssec, and with l= length and body_length; empty without signatures
function ScanDKIM() end

--- Evaluate DMARC (RFC 9989) for the message's From domain.
---
--- SPF, DKIM and the policy are looked up in parallel, once per message. HSL gets an array, or the text
--- "permerror".
---
--- In eod, data.
---@param options? {} none is known
---@return table? result { [From domain] = "pass" | "none" | "quarantine" | "reject" | "temperror" | "policy_absent" }
---@return string? err "permerror": there isn't exactly one From field with one domain
---@return string? reason
function ScanDMARC(options) end

--- Evaluate SPF (RFC 7208) for the message's reverse-path and, apart from it, for the HELO name.
---
--- `helo` has the same fields for the HELO name; DMARC never takes it for the
--- reverse-path. `received` is the value of a Received-SPF field.
---
--- In eod, data.
---@return table result result ("pass" "fail" "softfail" "neutral" "none" "temperror" "permerror"), reason, scope ("mfrom"), domain, sender, mechanism, explanation, lookups, received, helo
function ScanSPF() end

--- Put the first delivery attempt off.
---
--- In eod, data.
---@param delay number seconds
function SetDelayedDeliver(delay) end

--- Send this attempt to another host than the transport's.
---
--- User name and password of the transport are for its own host: another gets none
--- but those of SetSASL.
---
--- In predelivery.
---@param host string a host name or an address
---@param port? number the transport's
function SetDestination(host, port) end

--- Greet with another name in this attempt.
---
--- In predelivery.
---@param hostname string a host name
function SetHELO(hostname) end

--- Give the first header field of a name a new value, drop the others of that
--- name; add it on top when there is none.
---
--- In eod, data.
---@param name string
---@param value string without line breaks, other than folds
---@param refold? boolean fold to lines of 78 where there are blanks (true)
---@return number|false changed fields that were there; false: none, it was added
function SetHeader(name, value, refold) end

--- Choose the transport that delivers the message.
---
--- In data.
---@param transportid string a name of `transports` in sluice.lua
function SetMailTransport(transportid) end

--- Attach strings that the queue's flows can read with GetMetaData.
---
--- In eod, data, predelivery, postdelivery.
---@param metadata table names and values, all strings; replaces what was set before
function SetMetaData(metadata) end

--- Speak SMTP or LMTP in this attempt.
---
--- In predelivery.
---@param protocol string "smtp" or "lmtp"
function SetProtocol(protocol) end

--- Send this run's copy to another recipient: the operator's own routing.
---
--- In `predelivery` for this attempt only.
---
--- In data, predelivery.
---@param recipient string|table an address, or its parts
function SetRecipient(recipient) end

--- Authenticate in this attempt. The password is a secret from here on.
---
--- In predelivery.
---@param username string
---@param password string
function SetSASL(username, password) end

--- Change the reverse-path that the message leaves with.
---
--- In `predelivery` for this attempt only.
---
--- In eod, data, predelivery.
---@param sender string|table an address, or its parts; "" for the null reverse-path
function SetSender(sender) end

--- Connect from another address of this machine in this attempt.
---
--- Hosts of the other family can't be reached from it.
---
--- In predelivery.
---@param ip string IPv4 or IPv6
---@param options? { nonlocal_source?: boolean } nonlocal_source (false, and nothing else)
function SetSourceIP(ip, options) end

--- Ask for another kind of TLS in this attempt.
---
--- In predelivery.
---@param options { tls?: any } tls: "disabled", "optional", "require", "require_verify" (chain and name are checked)
function SetTLS(options) end

--- A socket: a TCP connection to an address, or one to a unix socket of this machine.
---
--- Private addresses and unix sockets are refused unless `sockets = { allow = { ... } }` in sluice.lua
--- lists them. Every wait counts as an operation, every byte received as one of `http_bytes`; what has come
--- already is given without waiting. At most 16 are open in a run, and its end closes them.
---
--- In every phase.
---@param family string "AF_INET", "AF_INET6" or "AF_UNIX"
---@param type? string "SOCK_STREAM", which is the only one
---@return Socket socket
function Socket(family, type) end

--- TLS on a connected socket, as its client. Certificate and name are verified, unlike in the product family:
--- `tls_verify_ca = false` verifies nothing.
---
--- In every phase.
---@param socket Socket
---@param options? { tls_verify_name?: any, tls_sni?: any, tls_verify_ca?: boolean, tls_default_ca?: any } tls_verify_name (list: the name in the certificate), tls_sni (name asked for, verified where tls_verify_name isn't given), tls_verify_ca (true), tls_default_ca (any: the system's roots are always used)
---@return TLSSocket socket
function TLSSocket(socket, options) end

--- Make the delivery attempt now, and end the flow.
---
--- Addresses are texts, or tables of localpart and domain. The options change this attempt only; SetDestination and its like do the same
--- one by one.
---
--- In predelivery.
---@param options? { host?: any, port?: any, sender?: any, recipient?: any, helo?: any, sourceip?: any, saslusername?: any, saslpassword?: any, tls?: string, protocol?: string } host, port, sender, recipient, helo, sourceip (an address, or a list: the first), saslusername, saslpassword, tls ("disabled" "optional" "require" "require_verify"), protocol ("smtp" "lmtp")
function Try(options) end

--- A number without its sign.
---
--- In every phase.
---@param number number
---@return number absolute
function abs(number) end

--- Ask the policy's API and get its answer, decoded from JSON.
---
--- Three results are told apart: a table is the answer; nil alone means that the
--- API says there is nothing (404, 204, null, [], {}); nil with a message and a
--- code means that it gave no answer and there is no old one. Answers are cached,
--- and an old one serves for a day while the API fails.
---
--- In every phase.
---@param query string put behind the base URL of `api` in sluice.lua
---@param args? string[] for $1, $2, ... in the query; percent-encoded
---@param options? { api?: any } api: a name of `apis` instead of `api`
---@return table? answer
---@return string? err
---@return string? code "timeout" "connect" "tls" "status" "json" "size" "breaker" "refused" "protocol"
function api_call(query, args, options) end

--- An array of values.
---
--- In every phase.
---@param ... any
---@return table array
function array(...) end

--- An array of a list of keys and a list of values.
---
--- In every phase.
---@param keys table
---@param values table
---@param default_value? any for keys without a value (none)
---@return table array
function array_combine(keys, values, default_value) end

--- Whether a function says true of each element.
---
--- In every phase.
---@param callback function gets the value; may wait
---@param array table
---@return boolean every true of an empty array
function array_every(callback, array) end

--- The elements that a function says true of, under their keys; those of a list of Lua's become a list.
---
--- In every phase.
---@param callback function gets the value; may wait
---@param array table
---@return table array
function array_filter(callback, array) end

--- The first element that a function says true of.
---
--- In every phase.
---@param callback function gets the value; may wait
---@param array table
---@return any? value
function array_find(callback, array) end

--- Whether an array has an element: one that is equal (in HSL as `==` says), or of which a function
--- says true.
---
--- In every phase.
---@param needle any a function is asked, gets the value and may wait
---@param array table
---@return boolean yes
function array_includes(needle, array) end

--- The elements of a list as one string.
---
--- In every phase.
---@param array table strings and numbers
---@param separator? string stands between them ("")
---@return string joined
function array_join(array, separator) end

--- The keys of an array, in order.
---
--- In every phase.
---@param array table
---@return table keys
function array_keys(array) end

--- What a function makes of each element, under the same keys.
---
--- In every phase.
---@param callback function gets the value; may wait
---@param array table
---@return table array
function array_map(callback, array) end

--- One of the elements, each as likely as the others.
---
--- In every phase.
---@param array table
---@return any? value none if it has no elements
function array_random(array) end

--- The numbers from one to another, which isn't included.
---
--- In every phase.
---@param start number
---@param stop number
---@param step? number may be negative (1)
---@return number[] numbers none if the step leads away
function array_range(start, stop, step) end

--- One value of all elements: the function gets what was made so far and the next element.
---
--- In every phase.
---@param callback function may wait
---@param array table
---@param initial? any what is there at first (the first element)
---@return any result
function array_reduce(callback, array, initial) end

--- An array with its last element first. Keys stay with their values, but those of a list are numbered
--- anew.
---
--- In every phase.
---@param array table
---@return table array
function array_reverse(array) end

--- The elements as a list in a random order.
---
--- In every phase.
---@param array table
---@return table list
function array_shuffle(array) end

--- An array in order: the function gets two values and says whether the first belongs in front.
--- What is equal stays in its order. Keys stay with their values; a list of Lua's stays a list.
---
--- In every phase.
---@param callback function may wait
---@param array table
---@param options? { keys?: boolean } keys (it gets two keys instead, false)
---@return table array
function array_sort(callback, array, options) end

--- An array without the elements that were there before, under the keys of the first ones; a list of
--- Lua's stays a list. `1` and `"1"` are different.
---
--- In every phase.
---@param array table
---@return table array
function array_unique(array) end

--- Read the value of an Authentication-Results field (RFC 8601), or of a set of ScanARC.
---
--- What can be read in more than one way isn't read at all. Whether its writer is
--- to be believed is for the script to know.
---
--- In every phase.
---@param value string
---@return table? field authserv_id, version, results: a list of method, result, reason, properties ({ ["header.d"] = value })
---@return string? err why it can't be read
---@return string? code
function authres_parse(value) end

--- The bytes of a base32 text, in upper or lower case, with or without padding.
---
--- In every phase.
---@param string string
---@return string? bytes
---@return string? err it isn't base32
---@return string? code "syntax"
function base32_decode(string) end

--- A string in base32 (RFC 4648 6), with padding.
---
--- In every phase.
---@param string string
---@return string encoded
function base32_encode(string) end

--- The bytes of a base64 text. White space in it doesn't count.
---
--- In every phase.
---@param string string
---@return string? bytes
---@return string? err it isn't base64
---@return string? code "syntax"
function base64_decode(string) end

--- A string in base64 (RFC 4648 4), in one line.
---
--- In every phase.
---@param string string
---@return string encoded
function base64_encode(string) end

--- The bytes of a base64 text for URLs, with or without padding.
---
--- In every phase.
---@param string string
---@return string? bytes
---@return string? err it isn't base64 of that kind
---@return string? code "syntax"
function base64url_decode(string) end

--- A string in base64 for URLs (RFC 4648 5): `-` and `_`, without padding.
---
--- In every phase.
---@param string string
---@return string encoded
function base64url_encode(string) end

--- Whether HSL takes a value for true: not none, false, 0, the empty string, an empty table.
---
--- In every phase.
---@param value any
---@return boolean truth
function boolean(value) end

--- The results of `f(...)`, kept for some time: the function is called only if its results
--- for these arguments aren't known.
---
--- Each worker keeps its own, in memory. Arguments and results are plain data (text, numbers,
--- booleans, tables of these); results are copies. Errors aren't kept, nor are
--- `nil, message, code`, nor results of more than 64 KB. The function may wait; runs that ask at
--- the same time all call it. What it reads besides its arguments is not looked at: facts of
--- the message belong into the arguments.
---
--- Without a namespace, results belong to the place of the function (file and line) in this
--- generation of the policy, or to the builtin. With one they belong to that name, whatever the
--- function, and stay over reloads. Besides `size`, all namespaces together are held to 16 MB; what
--- was used longest ago gives way.
---
--- In every phase.
---@param options? { ttl?: number, namespace?: any, size?: any, force?: boolean } ttl (seconds, 60), namespace, size (entries, 32), force (a call, false)
---@param f function
---@param ... any the arguments of f
---@return any? ... the results of f
function cache(options, f, ...) end

--- The smallest integer that isn't below a number.
---
--- In every phase.
---@param number number
---@return number integer
function ceil(number) end

--- The byte of a number.
---
--- In every phase.
---@param number number 0 to 255
---@return string byte
function chr(number) end

--- How many elements an array has.
---
--- In every phase.
---@param array table
---@return number count
function count(array) end

--- The rows of a text of CSV (RFC 4180). Empty lines and lines that begin with `#` are left out.
---
--- In every phase.
---@param string string
---@param options? { delimiter?: string, header?: boolean } delimiter (","), header (true: the first line names the columns, and rows are tables by name; false: rows are lists)
---@return table[] rows
function csv_decode(string, options) end

--- The fields of one line of CSV (RFC 4180): quotes around a field, doubled inside it; blanks around
--- a field don't count.
---
--- In every phase.
---@param string string
---@return string[] fields of the first line
function csv_explode(string) end

--- Everything behind the decision of ScanDMARC, under the names of RFC 8601 and RFC 9990.
---
--- `policy` is ScanDMARC's word, `result` that of Authentication-Results. Without a
--- policy there is neither policy_published nor policy_evaluated; `disposition` is
--- what the domain asks for, whatever the script does. doc/results.md has the shape.
---
--- In eod, data.
---@return table details result ("pass" "fail" "none" "temperror" "permerror"), reason, policy, organizational_domain, nonexistent, policy_published (domain, discovery_method, p, sp, np, adkim, aspf, fo, testing, psd, pct, rua, ruf, record), policy_evaluated (disposition, dkim, spf, override), identifiers (header_from, envelope_from), auth_results (spf, and a list dkim, each with alignment)
function dmarc_details() end

--- Look up the IPv4 addresses of a name, as dns4 does.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? addresses empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dns(name, options) end

--- Look up the IPv4 addresses of a name.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? addresses empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dns4(name, options) end

--- Look up the IPv6 addresses of a name.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? addresses empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dns6(name, options) end

--- Look up the records of a name, with everything that is known of the answer.
---
--- In every phase.
---@param host string for ptr as it stands in DNS: see inet_reverse
---@param options? { type?: string, timeout?: number, servers?: any } type ("a" "aaaa" "mx" "txt" "cname" "ptr" "ns"; "a"), timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead)
---@return table answer result (a list, empty if there is nothing) or error ("timeout" "servfail" "bogus" "invalid"; in HSL "TRY_AGAIN" "SERVFAIL" "invalid"), dnssec (validated)
function dns_query(host, options) end

--- Ask a DNS block list about an IP address.
---
--- As in 2016, the servers may stand in place of the options, and the timeout behind them.
---
--- In every phase.
---@param ip string
---@param zone string of the list
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@param timeout? number seconds, where the servers stand in place of the options (5)
---@return string[]? addresses what the list answers; empty if it doesn't list the address
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "syntax" "invalid"
function dnsbl(ip, zone, options, timeout) end

--- Look up the canonical name of an alias.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? names empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dnscname(name, options) end

--- Look up the mail exchangers of a domain, in order of preference.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? hosts empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dnsmx(name, options) end

--- Look up the names of an IP address.
---
--- In every phase.
---@param ip string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? names empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "syntax"
function dnsptr(ip, options) end

--- Look up the TXT records of a name.
---
--- In every phase.
---@param name string
---@param options? { timeout?: number, servers?: any, extended_result?: any } timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
---@return string[]? txt the records, each with its strings joined; empty if there is none
---@return string? err
---@return string? code "timeout" "servfail" "bogus" "invalid"
function dnstxt(name, options) end

--- Whether a domain is another or lies below it: today's name of is_subdomain.
---
--- In every phase.
---@param subdomain string
---@param domain string "example.org", or ".example.org" for names below it only
---@param options? {} none is known
---@return boolean? within
---@return string? err what isn't a domain name
---@return string? code
function domain_includes(subdomain, domain, options) end

--- The public suffix that a domain is below of, as the list of publicsuffix.org has it.
---
--- In every phase.
---@param domain string
---@return string? suffix
---@return string? err it is no domain name
---@return string? code
function domain_publicsuffix(domain) end

--- Write values to the log at level debug; in `exec` and the REPL, print a line.
---
--- Strings as they are, other values as they would be written in Lua. Known secrets
--- are replaced.
---
--- In every phase.
---@param ... any
function echo(...) end

--- An address of the envelope in its two parts: the local part without quotes, the domain in lower
--- case, beyond ASCII as `xn--`.
---
--- In every phase.
---@param address string without angle brackets
---@return table? parts localpart, domain
---@return string? err it is no address
---@return string? code
function envelope_address_parse(address) end

--- A local part as it stands in an address: in quotes (RFC 5321 4.1.2) if it needs them.
---
--- In every phase.
---@param localpart string no control bytes
---@return string escaped
function envelope_localpart_escape(localpart) end

--- Write an event of one's own to the log: a name and fields, as the engine's events are.
---
--- In every phase.
---@param name string a-z, 0-9 and "_"
---@param fields? table names (as above) and strings, numbers or booleans; at most 20
---@param priority? string|number as of syslog ("notice")
function event(name, fields, priority) end

--- How long this run takes so far, waiting included.
---
--- In every phase.
---@return number seconds with a fraction
function executiontime() end

--- The pieces of a string between delimiters. `str_split` is the same with the string first.
---
--- In every phase.
---@param delimiter string not empty
---@param string string an empty one has one piece, which is empty
---@param limit? number at most so many pieces, the last one whole; negative: the first one whole (0: all)
---@return string[] pieces
function explode(delimiter, string, limit) end

--- The lines of a file of the policy, without their ends.
---
--- In every phase.
---@param filename string
---@return string[]? lines
---@return string? err there is no such file
---@return string? code "notfound"
function file(filename) end

--- A file of the policy as a string: of its data/ or named in `files` of sluice.lua. The name may have
--- `file:` or `file://` in front.
---
--- In every phase.
---@param filename string
---@return string? bytes
---@return string? err there is no such file
---@return string? code "notfound"
function file_get_contents(filename) end

--- The largest integer that isn't above a number.
---
--- In every phase.
---@param number number
---@return number integer
function floor(number) end

--- The name of this mail server: `hostname` of the policy, else that of the machine.
---
--- In every phase.
---@return string hostname
function gethostname() end

--- A number for a string: the same one always and everywhere, for choosing among few
--- (`hash(sender) % 4`). FNV-1a of 32 bits; whoever chooses the string can choose the number.
---
--- In every phase.
---@param message string
---@return number number 0 to 4294967295
function hash(message) end

--- The addresses in the value of a From, To or Cc field (RFC 5322), groups included. One part that
--- isn't understood makes the whole list a failure. GetAddressList gives an empty list then.
---
--- In every phase.
---@param value string
---@param options? { field?: boolean } field (the value is a whole field, with its name: false)
---@return string[]? addresses
---@return string? err what isn't understood
---@return string? code
function header_addresslist_extract(value, options) end

--- The tags of a list as DKIM signatures, key records and DMARC records are (RFC 6376 3.2).
---
--- In every phase.
---@param value string
---@param options? { field?: boolean } field (false: it is a whole field, "DKIM-Signature: v=1; ...")
---@return table<string,string>? tags sorted by name, white space at the ends left out
---@return string? err
---@return string? code
function header_dkim_decode(value, options) end

--- A message authentication code (RFC 2104) with MD5.
---
--- In every phase.
---@param key string
---@param message string
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string code
function hmac_md5(key, message, options) end

--- A message authentication code (RFC 2104) with SHA-1.
---
--- In every phase.
---@param key string
---@param message string
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string code
function hmac_sha1(key, message, options) end

--- A message authentication code (RFC 2104) with SHA-2.
---
--- In every phase.
---@param key string
---@param message string
---@param hashsize number 256, 384 or 512
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string code
function hmac_sha2(key, message, hashsize, options) end

--- Make an HTTP request.
---
--- Private addresses are refused unless `http = { allow_private = true }`,
--- link-local ones always. Certificate and host name are verified.
---
--- With `background` the script goes on at once, and the request is made beside it: its answer is of use to
--- nobody, and one that isn't of 2xx is a failure. Up to 1,000 are kept, in memory: what waits when
--- the process ends for another reason than a drain is lost, as the event http_background says. Those
--- with the same `background_hash` go one behind the other. A replay makes none.
---
--- In every phase.
---@param url string http or https; $1, $2, ... are filled from get, percent-encoded
---@param options? { timeout?: number, connect_timeout?: number, method?: any, headers?: any, extended_result?: boolean, response_headers?: boolean, max_body?: any, max_file_size?: any, ssl_verify_peer?: any, ssl_verify_host?: any, tls_verify_peer?: any, tls_verify_host?: boolean, ssl_default_ca?: any, tls_default_ca?: boolean, redirects?: any, background?: boolean, background_hash?: any, background_retry_count?: number, background_retry_delay?: number } timeout (seconds, 30), connect_timeout (10), method, headers (list of "Name: value", or values by name), extended_result (false), response_headers (false: with extended_result also headers), max_body, max_file_size (the same: bytes, 1 MB), ssl_verify_peer, ssl_verify_host, tls_verify_peer, tls_verify_host (true), ssl_default_ca, tls_default_ca (true, and nothing else), redirects (0, and nothing else), background (false), background_hash (number: a row), background_retry_count (0), background_retry_delay (seconds, 0)
---@param get? string[] arguments for the URL
---@param post? string|table body, a table as a form; makes the method POST
---@return string|table|boolean? body with extended_result { status =, content = } whatever the status; true in the background
---@return string? err
---@return string? code "timeout" "connect" "tls" "status" "size" "refused" "protocol" "limit"
function http(url, options, get, post) end

--- A domain name as people read it: labels that begin with `xn--` in UTF-8.
---
--- In every phase.
---@param domain string
---@return string? name
---@return string? err it is no domain name
---@return string? code
function idna_decode(domain) end

--- A domain name as DNS has it (RFC 5891): lower case, labels beyond ASCII as `xn--`.
---
--- In every phase.
---@param domain string UTF-8
---@return string? name
---@return string? err it is no domain name
---@return string? code
function idna_encode(domain) end

--- The elements of a list as one string. `array_join` is the same with the list first.
---
--- In every phase.
---@param glue string stands between them
---@param array table strings and numbers
---@return string joined
function implode(glue, array) end

--- Whether an array has an element: one that is equal (in HSL as `==` says), or of which a function
--- says true.
---
--- In every phase.
---@param needle any a function is asked, gets the value and may wait
---@param array table
---@return boolean yes
function in_array(needle, array) end

--- Whether a file of the policy has a line, or a row of CSV.
---
--- Lines are compared as a whole. Of CSV the field in column `index` is compared, and the row is
--- given: by the names in the first line, or with `assoc = false` as a list. A function instead of a
--- text gets the line or row and says whether it is the one; it may wait.
---
--- In every phase.
---@param needle string|function
---@param filename string as for file_get_contents
---@param options? { type?: string, delimiter?: string, assoc?: boolean, index?: any } type ("text/plain" | "text/csv"), delimiter (","), assoc (true), index (column, from 0: 0)
---@return boolean|table? found the row, or true; false if there is none
---@return string? err there is no such file
---@return string? code "notfound"
function in_file(needle, filename, options) end

--- Whether an IP address lies in a network. In HSL what isn't an address or a network gives false.
---
--- In every phase.
---@param ip string IPv4 or IPv6
---@param network string "192.0.2.0/24", "192.0.2.1-192.0.2.9" or one address
---@return boolean? inside
---@return string? err what isn't an address or a network
---@return string? code
function in_network(ip, network) end

--- Whether an IP address lies in a network. What isn't an address or a network gives none.
---
--- In every phase.
---@param ip string IPv4 or IPv6
---@param network string "192.0.2.0/24", "192.0.2.1-192.0.2.9" or one address
---@return boolean? inside
---@return string? err what isn't an address or a network
---@return string? code
function inet_includes(ip, network) end

--- The text of an IP address that is given in 4 or 16 bytes.
---
--- In every phase.
---@param ip string
---@return string? text
---@return string? err there are fewer or more bytes
---@return string? code "syntax"
function inet_ntop(ip) end

--- The bytes of an IP address, in network order.
---
--- In every phase.
---@param ip string
---@return string? bytes 4 or 16
---@return string? err it is no IP address
---@return string? code "syntax"
function inet_pton(ip) end

--- The name of an IP address in reverse order, as PTR records and DNS lists have it.
---
--- In every phase.
---@param ip string
---@param zone? string what stands behind it ("in-addr.arpa" or "ip6.arpa")
---@return string? name
---@return string? err it is no IP address
---@return string? code "syntax"
function inet_reverse(ip, zone) end

--- Whether a value is a table: an array of HSL.
---
--- In every phase.
---@param value any
---@return boolean yes
function is_array(value) end

--- Whether a value is true or false.
---
--- In every phase.
---@param value any
---@return boolean yes
function is_boolean(value) end

--- Whether a value is a function.
---
--- In every phase.
---@param value any
---@return boolean yes
function is_function(value) end

--- Whether a value is a number.
---
--- In every phase.
---@param value any
---@return boolean yes
function is_number(value) end

--- Whether a value is a string.
---
--- In every phase.
---@param value any
---@return boolean yes
function is_string(value) end

--- Whether a domain is another or lies below it. With a leading dot the domain
--- itself doesn't count. In HSL what isn't a domain name gives false.
---
--- In every phase.
---@param d string
---@param domain string "example.org", or ".example.org" for names below it only
---@return boolean? within
---@return string? err what isn't a domain name
---@return string? code
function is_subdomain(d, domain) end

--- The value of a JSON text. Objects keep their order for pairs; null is none.
---
--- In every phase.
---@param text string
---@param options? { allow_comments?: boolean } allow_comments (of C, where blanks may stand: false)
---@return any? value
---@return string? err what is wrong with the text
---@return string? code
function json_decode(text, options) end

--- A value as JSON. A list (keys 1 to n) becomes an array, other tables, empty ones too, an object.
---
--- In every phase.
---@param value any
---@param options? { ensure_ascii?: boolean, pretty_print?: boolean } ensure_ascii (true), pretty_print (false)
---@return string? json
---@return string? err why it can't be held in JSON
---@return string? code
function json_encode(value, options) end

--- The bytes of a string, the elements of an array.
---
--- In every phase.
---@param value any
---@return number? length of other values: none
function length(value) end

--- A logarithm.
---
--- In every phase.
---@param number number
---@param base? number (e)
---@return number logarithm
function log(number, base) end

--- Put a new message into the queue: From, To, Subject, a text, and what else a message needs.
---
--- It shares the fate of the message that is being judged, see MIME:queue: nothing is sent
--- unless that one gets a 2xx reply, or `always` says so. In `data` it is done for each recipient; in `eod` once.
---
--- In eod, data.
---@param sender string also From; "" for messages that nobody should answer
---@param recipient string|string[] an address, or up to 100
---@param subject string UTF-8
---@param body string UTF-8
---@param transportid? string a name of `transports`; that of the recipient's row in the relay table
---@param options? { sender_name?: any, recipient_name?: any, plaintext?: boolean, headers?: any, metadata?: any, delay?: any, always?: boolean, transportid?: any, serverid?: any, rawbody?: boolean } sender_name, recipient_name, plaintext (true; in HSL false: the body is HTML), headers (names and values), metadata, delay, always (false; in HSL true: also if the message at hand is refused), transportid, serverid (a name of `servers`: it is looked at, and the message is that of the server at hand), rawbody (false, and nothing else)
---@return string id of the new message
function mail(sender, recipient, subject, body, transportid, options) end

--- The MD5 digest of a string. Not for anything that must withstand forgery.
---
--- In every phase.
---@param message string
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string digest
function md5(message, options) end

--- Store a value unless there is one; in one step.
---
--- In every phase.
---@param key string
---@param value any plain data
---@param ttl? number seconds; for ever when not given
---@return boolean? added false: there was one
---@return string? err why it isn't known
---@return string? code "io" | "timeout" | "limit"
function memory_add(key, value, ttl) end

--- Take from a stored number, in one step; one that is absent counts as 0.
---
--- In every phase.
---@param key string
---@param amount? number 1
---@param remove_if_zero? boolean forget it when it becomes 0 (false)
---@return number? difference
---@return string? err why there is none
---@return string? code "type": the value is not a number | "io" | "timeout" | "limit"
function memory_dec(key, amount, remove_if_zero) end

--- Delete a stored value.
---
--- In every phase.
---@param key string
---@return boolean? deleted false: there was none
---@return string? err why it isn't known
---@return string? code "io" | "timeout" | "limit"
function memory_delete(key) end

--- Whether a value is stored under a key.
---
--- In every phase.
---@param key string
---@return boolean? stored
---@return string? err why it isn't known
---@return string? code "io" | "timeout" | "limit"
function memory_exists(key) end

--- The value stored under a key. What HSL's `barrier "name" => $var` shares is stored under the key "name".
---
--- In every phase.
---@param key string
---@return any? value none if there is none
---@return string? err why it isn't known
---@return string? code "io" | "timeout" | "limit"
function memory_fetch(key) end

--- Add to a stored number, in one step; one that is absent counts as 0.
---
--- In every phase.
---@param key string
---@param amount? number 1
---@param ttl? number seconds, when the number is new; for ever when not given
---@return number? sum
---@return string? err why there is none
---@return string? code "type": the value is not a number | "io" | "timeout" | "limit"
function memory_inc(key, amount, ttl) end

--- Store a value.
---
--- In every phase.
---@param key string
---@param value any plain data
---@param ttl? number seconds; for ever when not given
---@return boolean? stored
---@return string? err why it isn't
---@return string? code "io" | "timeout" | "limit"
function memory_store(key, value, ttl) end

--- Take from a number in /metrics.
---
--- In every phase.
---@param name string
---@param labels table
---@param value? number 1
---@return boolean kept
function metrics_decrement(name, labels, value) end

--- Add to a number in /metrics. Workers count together; a restart begins anew. A policy has 512 of these
--- numbers at most (each set of labels is one), so labels aren't what senders choose.
---
--- In every phase.
---@param name string letters, digits and "_"; not sluice_...
---@param labels table values by name, 8 at most; {} for none
---@param value? number 1
---@return boolean kept false: there are 512 already, or name and labels are longer than 199 bytes
function metrics_increment(name, labels, value) end

--- Set a number in /metrics.
---
--- In every phase.
---@param name string
---@param labels table
---@param value number
---@return boolean kept
function metrics_set(name, labels, value) end

--- A string with its encoded words (RFC 2047) decoded to UTF-8. What can't be decoded stays.
---
--- In every phase.
---@param string string
---@return string decoded
function mimeword_decode(string) end

--- A string (UTF-8) as encoded words (RFC 2047), for the value of a header field. Printable ASCII
--- stays as it is.
---
--- In every phase.
---@param string string
---@return string encoded
function mimeword_encode(string) end

--- A value as a number: of a text the number at its front (decimal, or hexadecimal behind 0x), 0 if
--- there is none; true is 1, false and none are 0.
---
--- In every phase.
---@param value any no table and no function
---@return number number
function number(value) end

--- The number of a string's first byte.
---
--- In every phase.
---@param character string not empty
---@return number number 0 to 255
function ord(character) end

--- Bytes of numbers and texts. Codes of the format, each takes the next argument: `a` text (NULs behind it up to its
--- number), `Z` text with a NUL at its end, `H` hexadecimal digits, `C` byte, `n` `N` 16 and 32 bits, the high byte first, `v` `V` the
--- low byte first, `e` `E` a double, low or high byte first; `x` is a NUL. A number behind a code is a length (`a` `Z` `H`) or says
--- how often, `*` is the whole text or all that is left.
---
--- In every phase.
---@param format string
---@param ... string|number
---@return string? bytes
---@return string? err the format, or a digit, is none
---@return string? code
function pack(format, ...) end

--- Whether a password belongs to a crypt(3) hash: `$6$` `$5$` `$y$` `$2b$` `$1$`, as the
--- system's crypt knows them.
---
--- What is no hash accepts nothing. Hashes that would take seconds or hundreds of
--- megabytes are refused. The work is done beside the other sessions', in order.
---
--- In every phase.
---@param hash string
---@param password string
---@return boolean? ok false: it is another password
---@return string? err why it can't be checked
---@return string? code "syntax": no hash that crypt knows | "limit": too costly
function password_verify(hash, password) end

--- A pattern, looked at once: a mistake in it raises here. The other functions take it instead of
--- the text; they keep compiled patterns in any case.
---
--- In every phase.
---@param pattern string plain, or `/.../flags`
---@return userdata pattern
function pcre_compile(pattern) end

--- The first match of a pattern in a string: the whole of it at 0, what its groups matched from 1 on
--- and under their names. A group that took no part has an empty string.
---
--- A pattern is as in Perl (PCRE2), plain or with flags: `/.../i` upper and lower case are the same,
--- `m` `^` and `$` at each line, `s` the dot matches line ends, `x` blanks in the pattern don't count,
--- `u` pattern and string are UTF-8, `U` quantifiers are lazy. What a match takes counts as steps of
--- the run.
---
--- In every phase.
---@param pattern string or what pcre_compile made
---@param subject string
---@return table? groups in HSL an empty array if there is no match
function pcre_match(pattern, subject) end

--- All matches of a pattern in a string, by group: at 0 the list of whole matches, at 1 that of what
--- the first group matched, and so on, also under the groups' names.
---
--- In every phase.
---@param pattern string or what pcre_compile made
---@param subject string
---@return table? groups in HSL an empty array if there is no match
function pcre_match_all(pattern, subject) end

--- A string as a pattern that matches just it: what has a meaning in patterns gets a backslash.
---
--- In every phase.
---@param string string
---@return string quoted
function pcre_quote(string) end

--- A string with the matches of a pattern replaced.
---
--- In every phase.
---@param pattern string or what pcre_compile made
---@param replace string|function `$0` in it is the match, `$1` what the first group matched; a function gets the groups as pcre_match gives them and gives the text, and may wait
---@param subject string
---@param limit? number replacements at most (0: all)
---@return string replaced
function pcre_replace(pattern, replace, subject, limit) end

--- The pieces of a string between the matches of a pattern.
---
--- In every phase.
---@param pattern string or what pcre_compile made
---@param subject string
---@param limit? number at most so many pieces, the last one whole (0: all)
---@return string[] pieces
function pcre_split(pattern, subject, limit) end

--- A power.
---
--- In every phase.
---@param base number
---@param exponent number
---@return number power
function pow(base, exponent) end

--- A random integer, each as likely as the others.
---
--- In every phase.
---@param x number
---@param y number not below x
---@return number integer x and y included
function rand(x, y) end

--- Random bytes, good enough for keys.
---
--- In every phase.
---@param bytes number at most 65536
---@return string random
function random_bytes(bytes) end

--- A random number: without arguments a fraction from 0 to below 1, with one an integer from 0 to
--- it, with two an integer from the first to the last.
---
--- In every phase.
---@param first? number
---@param last? number
---@return number number
function random_number(first, last) end

--- The numbers from one to another, both included. `array_range` leaves the last one out.
---
--- In every phase.
---@param start number
---@param stop number
---@param step? number may be negative (1)
---@return number[] numbers none if the step leads away
function range(start, stop, step) end

--- Count an event, and tell whether the rate is kept: a sliding window. In HSL a count of 0 counts
--- nothing and gives what rate_count gives.
---
--- In every phase.
---@param namespace string
---@param entry string
---@param count number events allowed in the interval
---@param interval number seconds
---@param options? { sync?: any } sync: all workers of a machine count together, whatever it says (true)
---@return boolean within true: counted and within, or the state can't be reached; false: over, and not counted
function rate(namespace, entry, count, interval, options) end

--- How many events rate counted in the interval.
---
--- In every phase.
---@param namespace string
---@param entry string
---@param interval number seconds, the same as given to rate
---@return number count 0 also when the state can't be reached
function rate_count(namespace, entry, interval) end

--- A number rounded; halves go away from zero.
---
--- In every phase.
---@param number number
---@param decimals? number places after the point; negative: before it (0)
---@return number rounded
function round(number, decimals) end

--- A number as text that is given only once on this machine, growing within a worker.
---
--- In every phase.
---@return string serial
function serial() end

--- The SHA-1 digest of a string. Not for anything that must withstand forgery.
---
--- In every phase.
---@param message string
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string digest
function sha1(message, options) end

--- A SHA-2 digest of a string.
---
--- In every phase.
---@param message string
---@param hashsize number 256, 384 or 512
---@param options? { binary?: number } binary (bytes instead of hexadecimal digits, false)
---@return string digest
function sha2(message, hashsize, options) end

--- Wait. The run's limit of time counts on.
---
--- In every phase.
---@param seconds number at most 3600, with a fraction
---@return number left always 0
function sleep(seconds) end

--- Evaluate SPF for an address, a HELO name and a domain of one's own. HSL gets a number instead of the
--- word: 0 pass, 20 softfail, 100 fail, 50 for the others, and for what is no address.
---
--- In every phase.
---@param ip string
---@param helo string
---@param domain string of the reverse-path
---@return string? word "pass" "fail" "softfail" "neutral" "none" "temperror" "permerror"
---@return string? reason why, for none and the errors
function spf(ip, helo, domain) end

--- Evaluate SPF for an address, a HELO name and a reverse-path of one's own.
---
--- In every phase.
---@param ip string
---@param helo string
---@param sender string an address, or a domain
---@param options? {} none is known
---@return table answer result: "pass" "fail" "softfail" "neutral" "none" "temperror" "permerror", or "invalid" if ip is no address
function spf_query(ip, helo, sender, options) end

--- A square root.
---
--- In every phase.
---@param number number
---@return number root of a negative number: not a number
function sqrt(number) end

--- Count something in /metrics, as sluice_stat_total{name=,legend=}: each legend's number is added to what
--- it has. Workers count together; a restart begins anew. With 0 a legend is there before anything is
--- counted. A policy has 512 of these numbers at most.
---
--- In every phase.
---@param name string a-z, 0-9, "." and "-", 64 bytes at most
---@param legends table what to add, by names of the same letters
---@return boolean? kept false: there are 512 already. In HSL nothing is given
---@return string? err a name has other letters
---@return string? code
function stat(name, legends) end

--- A string in pieces of equal length; the last one may be shorter.
---
--- In every phase.
---@param string string
---@param length number bytes of a piece, at least 1
---@param firstlength? number bytes of the first piece (length)
---@return string[] pieces of the empty string: none
function str_chunk(string, length, firstlength) end

--- Where a string begins in another, counted from 0.
---
--- In every phase.
---@param string string
---@param substring string
---@param offset? number where to begin to look (0)
---@return number offset -1: it isn't there
function str_find(string, substring, offset) end

--- A string in lower case (ASCII; other bytes stay).
---
--- In every phase.
---@param string string
---@return string lower
function str_lower(string) end

--- A string without the blanks at its front.
---
--- In every phase.
---@param string string
---@param characters? string the bytes to take off instead
---@return string stripped
function str_lstrip(string, characters) end

--- A string, many times over.
---
--- In every phase.
---@param string string
---@param multiplier number 0 gives the empty string
---@return string repeated
function str_repeat(string, multiplier) end

--- A string with each occurrence of a text replaced, from the front; what was put in isn't looked
--- at again. An empty text occurs nowhere.
---
--- In every phase.
---@param search string
---@param replace string
---@param subject string
---@return string replaced
function str_replace(search, replace, subject) end

--- Where a string begins in another for the last time, counted from 0.
---
--- In every phase.
---@param string string
---@param substring string
---@param offset? number what begins before it doesn't count (0)
---@return number offset -1: it isn't there
function str_rfind(string, substring, offset) end

--- A string without the blanks at its end.
---
--- In every phase.
---@param string string
---@param characters? string the bytes to take off instead
---@return string stripped
function str_rstrip(string, characters) end

--- A part of a string.
---
--- In every phase.
---@param string string
---@param offset? number of its first byte, from 0; negative: from the end (0)
---@param length? number in bytes; negative: so many bytes are left out at the end (to the end)
---@return string part empty if there is nothing there
function str_slice(string, offset, length) end

--- The pieces of a string between delimiters.
---
--- In every phase.
---@param string string an empty one has one piece, which is empty
---@param delimiter string not empty
---@param limit? number at most so many pieces, the last one whole; negative: the first one whole (0: all)
---@return string[] pieces
function str_split(string, delimiter, limit) end

--- A string without the blanks at its ends (space, tab, line ends, form feed).
---
--- In every phase.
---@param string string
---@param characters? string the bytes to take off instead
---@return string stripped
function str_strip(string, characters) end

--- A string in upper case (ASCII; other bytes stay).
---
--- In every phase.
---@param string string
---@return string upper
function str_upper(string) end

--- A time as text, by the conversions of strftime(3), in English.
---
--- In every phase.
---@param format string at most 1000 bytes
---@param time? number seconds since 1970 (now)
---@param options? { local?: boolean } local (in this machine's time zone; else UTC, true)
---@return string text
function strftime(format, time, options) end

--- The number of bytes of a string.
---
--- In every phase.
---@param string string
---@return number bytes
function strlen(string) end

--- Where a string begins in another, counted from 0.
---
--- In every phase.
---@param string string
---@param substring string
---@param offset? number where to begin to look (0)
---@return number offset -1: it isn't there
function strpos(string, substring, offset) end

--- The time that a text says, by the conversions of strptime(3), in English.
---
--- In every phase.
---@param datestring string
---@param format string at most 1000 bytes
---@param options? { local?: boolean } local (the text is in this machine's time zone; else UTC, true)
---@return number? seconds since 1970
---@return string? err the text isn't of that format
---@return string? code "syntax"
function strptime(datestring, format, options) end

--- Where a string begins in another for the last time, counted from 0.
---
--- In every phase.
---@param string string
---@param substring string
---@param offset? number what begins before it doesn't count (0)
---@return number offset -1: it isn't there
function strrpos(string, substring, offset) end

--- A string in lower case (ASCII; other bytes stay).
---
--- In every phase.
---@param string string
---@return string lower
function strtolower(string) end

--- A string in upper case (ASCII; other bytes stay).
---
--- In every phase.
---@param string string
---@return string upper
function strtoupper(string) end

--- A part of a string.
---
--- In every phase.
---@param string string
---@param offset? number of its first byte, from 0; negative: from the end (0)
---@param length? number in bytes; negative: so many bytes are left out at the end (to the end)
---@return string part empty if there is nothing there
function substr(string, offset, length) end

--- Write a message to the log at a level.
---
--- In every phase.
---@param priority string|number "debug" "info" "notice" "warning" "err" "crit" "alert" "emerg", or syslog's number
---@param message string
function syslog(priority, message) end

--- The time now.
---
--- In every phase.
---@return number seconds since 1970, with a fraction
function time() end

--- The seconds that a clock on the wall of this machine has counted since 1970: `time()` and the
--- offset of the local time zone, without a fraction.
---
--- In every phase.
---@return number seconds
function timelocal() end

--- A string without the blanks at its ends (space, tab, line ends, form feed).
---
--- In every phase.
---@param string string
---@param characters? string the bytes to take off instead
---@return string stripped
function trim(string, characters) end

--- Numbers and texts of bytes, by the codes of pack and `c`, a signed byte: `Z` ends before its NUL, `x` skips.
---
--- In every phase.
---@param format string
---@param data string
---@param offset? number where to begin, from 0
---@return (string|number)[]? values
---@return string? err the format is none, or there are fewer bytes
---@return string? code
function unpack(format, data, offset) end

--- How long this machine runs.
---
--- In every phase.
---@return number seconds
function uptime() end

--- A string without its percent escapes (RFC 3986 2.1). A plus sign stays one.
---
--- In every phase.
---@param string string
---@return string? decoded
---@return string? err a percent sign without two hexadecimal digits
---@return string? code "syntax"
function url_decode(string) end

--- A string for a URL (RFC 3986 2.1): what isn't a letter, a digit, `-`, `.`, `_` or `~` is escaped
--- with a percent sign.
---
--- In every phase.
---@param string string
---@return string encoded
function url_encode(string) end

--- A random UUID (RFC 9562, version 4).
---
--- In every phase.
---@return string uuid
function uuid() end

--- The UUID (RFC 9562, version 5) that a name has in a namespace: always the same one.
---
--- In every phase.
---@param uuidnamespace string a UUID
---@param value string
---@return string uuid
function uuidv5(uuidnamespace, value) end

--- The string that xtext stands for.
---
--- In every phase.
---@param text string
---@return string? decoded
---@return string? err a plus sign without two hexadecimal digits
---@return string? code "syntax"
function xtext_decode(text) end

--- A string as xtext (RFC 3461 4), as ORCPT and ENVID have it.
---
--- In every phase.
---@param text string
---@return string encoded
function xtext_encode(text) end

--- Runs another file of the policy here, with the same globals, and gives what it returns.
---@param path string "lib/spam.lua"
---@return any ...
function include(path) end

--- What a file of the policy's data/ holds, read-only: of .csv a list of rows by the names of the first line, of
--- .json its value, of others a list of lines.
---@param name string "recipients.txt"
---@return table
function data(name) end

--- In sluice.lua: the rows of a file of the policy, by their first column, each a table by the names in the first
--- line. Empty lines and those that begin with # are left out.
---@param path string "domains.csv"
---@return table
function csv(path) end

--- In sluice.lua: the value in a JSON file of the policy.
---@param path string
---@return any
function json(path) end

--- In sluice.lua: the lines of a file of the policy, without empty ones and those that begin with #.
---@param path string
---@return string[]
function lines(path) end

--- In sluice.lua: what secrets/NAME of the policy holds; wherever text leaves the engine it is replaced by its hash.
---@param name string
---@return string
function secret(name) end

--- In sluice.lua: a variable of the environment, which must be there.
---@param name string
---@return string
function env(name) end

--- In sluice.lua: a new table of all; later ones hold.
---@param ... table
---@return table
function merge(...) end

--- The builtins as they are, also where a script redefines one.
builtin = {
  ARCSeal = ARCSeal,
  Accept = Accept,
  AddAuthenticationResults = AddAuthenticationResults,
  AddHeader = AddHeader,
  Allow = Allow,
  AppendHeader = AppendHeader,
  Block = Block,
  Bounce = Bounce,
  DKIMSDID = DKIMSDID,
  DKIMSign = DKIMSign,
  DKIMSignFor = DKIMSignFor,
  Default = Default,
  Defer = Defer,
  DelHeader = DelHeader,
  Delete = Delete,
  Deliver = Deliver,
  DiscardMailDataChanges = DiscardMailDataChanges,
  Done = Done,
  GenerateDSN = GenerateDSN,
  GetAddressList = GetAddressList,
  GetHeader = GetHeader,
  GetHeaders = GetHeaders,
  GetMetaData = GetMetaData,
  MIME = MIME,
  MailMessage = MailMessage,
  PrependHeader = PrependHeader,
  Quarantine = Quarantine,
  Queue = Queue,
  Reject = Reject,
  Reschedule = Reschedule,
  Retry = Retry,
  ScanARC = ScanARC,
  ScanDKIM = ScanDKIM,
  ScanDMARC = ScanDMARC,
  ScanSPF = ScanSPF,
  SetDelayedDeliver = SetDelayedDeliver,
  SetDestination = SetDestination,
  SetHELO = SetHELO,
  SetHeader = SetHeader,
  SetMailTransport = SetMailTransport,
  SetMetaData = SetMetaData,
  SetProtocol = SetProtocol,
  SetRecipient = SetRecipient,
  SetSASL = SetSASL,
  SetSender = SetSender,
  SetSourceIP = SetSourceIP,
  SetTLS = SetTLS,
  Socket = Socket,
  TLSSocket = TLSSocket,
  Try = Try,
  abs = abs,
  api_call = api_call,
  array = array,
  array_combine = array_combine,
  array_every = array_every,
  array_filter = array_filter,
  array_find = array_find,
  array_includes = array_includes,
  array_join = array_join,
  array_keys = array_keys,
  array_map = array_map,
  array_random = array_random,
  array_range = array_range,
  array_reduce = array_reduce,
  array_reverse = array_reverse,
  array_shuffle = array_shuffle,
  array_sort = array_sort,
  array_unique = array_unique,
  authres_parse = authres_parse,
  base32_decode = base32_decode,
  base32_encode = base32_encode,
  base64_decode = base64_decode,
  base64_encode = base64_encode,
  base64url_decode = base64url_decode,
  base64url_encode = base64url_encode,
  boolean = boolean,
  cache = cache,
  ceil = ceil,
  chr = chr,
  count = count,
  csv_decode = csv_decode,
  csv_explode = csv_explode,
  dmarc_details = dmarc_details,
  dns = dns,
  dns4 = dns4,
  dns6 = dns6,
  dns_query = dns_query,
  dnsbl = dnsbl,
  dnscname = dnscname,
  dnsmx = dnsmx,
  dnsptr = dnsptr,
  dnstxt = dnstxt,
  domain_includes = domain_includes,
  domain_publicsuffix = domain_publicsuffix,
  echo = echo,
  envelope_address_parse = envelope_address_parse,
  envelope_localpart_escape = envelope_localpart_escape,
  event = event,
  executiontime = executiontime,
  explode = explode,
  file = file,
  file_get_contents = file_get_contents,
  floor = floor,
  gethostname = gethostname,
  hash = hash,
  header_addresslist_extract = header_addresslist_extract,
  header_dkim_decode = header_dkim_decode,
  hmac_md5 = hmac_md5,
  hmac_sha1 = hmac_sha1,
  hmac_sha2 = hmac_sha2,
  http = http,
  idna_decode = idna_decode,
  idna_encode = idna_encode,
  implode = implode,
  in_array = in_array,
  in_file = in_file,
  in_network = in_network,
  inet_includes = inet_includes,
  inet_ntop = inet_ntop,
  inet_pton = inet_pton,
  inet_reverse = inet_reverse,
  is_array = is_array,
  is_boolean = is_boolean,
  is_function = is_function,
  is_number = is_number,
  is_string = is_string,
  is_subdomain = is_subdomain,
  json_decode = json_decode,
  json_encode = json_encode,
  length = length,
  log = log,
  mail = mail,
  md5 = md5,
  memory_add = memory_add,
  memory_dec = memory_dec,
  memory_delete = memory_delete,
  memory_exists = memory_exists,
  memory_fetch = memory_fetch,
  memory_inc = memory_inc,
  memory_store = memory_store,
  metrics_decrement = metrics_decrement,
  metrics_increment = metrics_increment,
  metrics_set = metrics_set,
  mimeword_decode = mimeword_decode,
  mimeword_encode = mimeword_encode,
  number = number,
  ord = ord,
  pack = pack,
  password_verify = password_verify,
  pcre_compile = pcre_compile,
  pcre_match = pcre_match,
  pcre_match_all = pcre_match_all,
  pcre_quote = pcre_quote,
  pcre_replace = pcre_replace,
  pcre_split = pcre_split,
  pow = pow,
  rand = rand,
  random_bytes = random_bytes,
  random_number = random_number,
  range = range,
  rate = rate,
  rate_count = rate_count,
  round = round,
  serial = serial,
  sha1 = sha1,
  sha2 = sha2,
  sleep = sleep,
  spf = spf,
  spf_query = spf_query,
  sqrt = sqrt,
  stat = stat,
  str_chunk = str_chunk,
  str_find = str_find,
  str_lower = str_lower,
  str_lstrip = str_lstrip,
  str_repeat = str_repeat,
  str_replace = str_replace,
  str_rfind = str_rfind,
  str_rstrip = str_rstrip,
  str_slice = str_slice,
  str_split = str_split,
  str_strip = str_strip,
  str_upper = str_upper,
  strftime = strftime,
  strlen = strlen,
  strpos = strpos,
  strptime = strptime,
  strrpos = strrpos,
  strtolower = strtolower,
  strtoupper = strtoupper,
  substr = substr,
  syslog = syslog,
  time = time,
  timelocal = timelocal,
  trim = trim,
  unpack = unpack,
  uptime = uptime,
  url_decode = url_decode,
  url_encode = url_encode,
  uuid = uuid,
  uuidv5 = uuidv5,
  xtext_decode = xtext_decode,
  xtext_encode = xtext_encode,
}

--- IP address of the client. Known in connect, helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type string?
senderip = nil

--- TCP port of the client. Known in connect, helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type integer
senderport = nil

--- our IP address of the connection. Known in connect, helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type string?
serverip = nil

--- our TCP port of the connection. Known in connect, helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type integer
serverport = nil

--- name of the server in sluice.lua. Known in connect, helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type string?
serverid = nil

--- "ipv4" or "ipv6". Known in connect, helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type string?
family = nil

--- what the client called itself. Known in helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type string?
senderhelo = nil

--- whether the connection is encrypted. Known in helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type boolean
tlsstarted = nil

--- "TLSv1.3", none without TLS. Known in helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type string?
tlsprotocol = nil

--- name of the cipher, none without TLS. Known in helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type string?
tlscipher = nil

--- bits of the cipher, none without TLS. Known in helo, auth, mailfrom, rcptto, eod, data, disconnect.
---@type integer?
tlskeysize = nil

--- the account; in auth the name offered, later none unless authenticated. Known in auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type string?
saslusername = nil

--- the password offered. Known in auth.
---@type string?
saslpassword = nil

--- whether authenticated. Known in auth, mailfrom, rcptto, eod, data, disconnect.
---@type boolean
saslauthed = nil

--- "PLAIN" or "LOGIN". Known in auth, mailfrom, rcptto, eod, data, disconnect.
---@type string?
saslmechanism = nil

--- table of plain data for the connection, context.message for the transaction; in the queue for the attempt: what predelivery writes postdelivery reads. Known in connect, helo, auth, mailfrom, rcptto, eod, data, predelivery, postdelivery, disconnect.
---@type table
context = nil

--- the engine's id of the transaction. Known in mailfrom, rcptto, eod, data, predelivery, postdelivery.
---@type string?
messageid = nil

--- what the mail server calls the message, behind a milter; none where it has no name (yet). Known in mailfrom, rcptto, eod, data.
---@type string?
queueid = nil

--- reverse-path; "" for the null path. Known in mailfrom, rcptto, eod, data, predelivery, postdelivery.
---@type string?
sender = nil

--- domain of sender, none for the null path. Known in mailfrom, rcptto, eod, data, predelivery, postdelivery.
---@type string?
senderdomain = nil

--- forward-path. Known in rcptto, data, predelivery, postdelivery.
---@type string?
recipient = nil

--- domain of recipient. Known in rcptto, data, predelivery, postdelivery.
---@type string?
recipientdomain = nil

--- list of the recipients accepted so far. Known in rcptto, eod, data.
---@type string[]
recipients = nil

--- their domains, in the same order. Known in rcptto, eod, data.
---@type string[]
recipientdomains = nil

--- name of the transport in sluice.lua. Known in rcptto, data, predelivery, postdelivery.
---@type string?
transportid = nil

--- number of deliveries chosen so far. Known in eod, data.
---@type integer
actionid = nil

--- address of From, none unless there is exactly one. Known in eod, data.
---@type string?
headerfrom = nil

--- its domain. Known in eod, data.
---@type string?
headerfromdomain = nil

--- bytes received. Known in eod, data.
---@type integer
messagesize = nil

--- when it was received, seconds since 1970. Known in predelivery, postdelivery.
---@type integer
receivedtime = nil

--- attempts before this one. Known in predelivery, postdelivery.
---@type integer
retry = nil

--- attempts in the schedule. Known in predelivery, postdelivery.
---@type integer
retries = nil

--- the host, where one is set or was tried. Known in predelivery, postdelivery.
---@type string?
destination = nil

--- its port, where one is set. Known in predelivery.
---@type string?
destinationport = nil

--- our address for it, where one is set. Known in predelivery.
---@type string?
sourceip = nil

--- SMTP reply of the next hop; 0 = none was had. Known in postdelivery.
---@type integer
errorcode = nil

--- its text. Known in postdelivery.
---@type string?
errormsg = nil

--- its enhanced status code. Known in postdelivery.
---@type string?
errorndr = nil

--- seconds the attempt took. Known in postdelivery.
---@type number
transfertime = nil

---@class sluice.connection
---@field id string?
---@field remoteip string?
---@field remoteport integer
---@field localip string?
---@field localport integer
---@field serverid string?
---@field helo? sluice.connection.helo
---@field tls? sluice.connection.tls
---@field auth? sluice.connection.auth

---@type sluice.connection
connection = nil

---@class sluice.connection.helo
---@field verb string?
---@field host string?

---@class sluice.connection.tls
---@field protocol string?
---@field cipher string?
---@field keysize integer?

---@class sluice.connection.auth
---@field mechanism string?
---@field username string?

---@class sluice.transaction
---@field id string?
---@field ts integer
---@field sender string?
---@field senderdomain string?
---@field senderaddress? sluice.transaction.senderaddress
---@field senderparams table
---@field recipients table[]

---@type sluice.transaction
transaction = nil

---@class sluice.transaction.senderaddress
---@field localpart string?
---@field domain string?

---@class sluice.arguments
---@field remoteip string?
---@field remoteport integer
---@field localip string?
---@field localport integer
---@field serverid string?
---@field verb string?
---@field host string?
---@field username string?
---@field password string?
---@field mechanism string?
---@field sender string?
---@field recipient string?
---@field address? sluice.arguments.address
---@field params table
---@field transportid string?
---@field mail MailMessage
---@field retry integer
---@field action string?
---@field expired boolean?
---@field attempt? sluice.arguments.attempt

---@type sluice.arguments
arguments = nil

---@class sluice.arguments.address
---@field localpart string?
---@field domain string?

---@class sluice.arguments.attempt.result
---@field code integer
---@field enhanced integer[]?
---@field reason string[]

---@class sluice.arguments.attempt
---@field result? sluice.arguments.attempt.result
---@field error? sluice.arguments.attempt.error
---@field connection? sluice.arguments.attempt.connection
---@field duration number

---@class sluice.arguments.attempt.error
---@field temporary boolean
---@field message string?

---@class sluice.arguments.attempt.connection
---@field remotemx string?
---@field remoteip string?
---@field localip string?
---@field helo string?
---@field tls? sluice.arguments.attempt.connection.tls

---@class sluice.arguments.attempt.connection.tls
---@field started string?
---@field protocol string?
---@field cipher string?
---@field keysize string?

---@class sluice.message.id
---@field transaction string?

---@class sluice.message
---@field id? sluice.message.id
---@field ts integer
---@field serverid string?
---@field sender string?
---@field senderaddress? sluice.message.senderaddress
---@field recipient string?
---@field recipientaddress? sluice.message.recipientaddress
---@field transportid string?
---@field size integer

---@type sluice.message
message = nil

---@class sluice.message.senderaddress
---@field localpart string?
---@field domain string?

---@class sluice.message.recipientaddress
---@field localpart string?
---@field domain string?

