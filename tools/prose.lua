-- What the reference and sluice-policy(7) say where no table has it: a line about each module, what each
-- phase is for, and what each final action does in it. reference.lua says if a module, phase or action is
-- missing here or isn't there any more.
local prose = {}

-- name -> { what its builtins are for, a page that says more, its title }
prose.modules = {
  action = { "final actions, which end a script" },
  address = { "addresses of envelope and header" },
  array = { "lists and maps" },
  auth = { "SPF, DKIM, DMARC and ARC of what came in", "../results.md", "what the scans answer" },
  cache = { "results kept between runs" },
  compose = { "new messages and parts, under construction" },
  core = { "log, events, ids, JSON" },
  delivery = { "how one delivery attempt is made" },
  dkim = { "signing with DKIM, sealing with ARC" },
  dns = { "questions to DNS" },
  edit = { "changes of the message's parts" },
  encoding = { "base64, percent signs, encoded words, CSV" },
  file = { "files of the policy" },
  hash = { "digests" },
  hsl = { "what only HSL has", "../hsl.md", "HSL as sluice runs it" },
  http = { "HTTP requests, and the policy's API" },
  socket = { "connections to other servers, step by step" },
  mail = { "new messages into the queue" },
  message = { "header fields and envelope of the message" },
  mailmessage = { "the whole message as an object" },
  mime = { "the message's parts, to read" },
  metrics = { "numbers of scripts' own in /metrics" },
  net = { "addresses, networks and domain names, without asking anybody" },
  pack = { "numbers and texts as bytes" },
  number = { "numbers, chance, and kinds of values" },
  password = { "passwords against hashes" },
  pcre = { "regular expressions" },
  results = { "the Authentication-Results field", "../results.md", "what stands in it" },
  state = { "rates and memory, shared by all workers" },
  string = { "strings as HSL names them" },
  time = { "clock and calendar, and waiting" },
}

local refuse = "Refuses for good."
local defer = "Refuses for now; the client tries again."

-- name -> { one line, when it runs and what it is for, actions = { name -> what it does here } }
prose.phases = {
  connect = {
    "a client has connected",
    "Runs before the greeting. All that is known is the client's address: block lists and rates belong here.",
    actions = {
      Accept = "Greets the client.",
      Reject = "Refuses the client and closes the connection.",
      Defer = "The same for now.",
    },
  },
  helo = {
    "the client says its name",
    "Runs at each HELO and EHLO, again after STARTTLS. Names prove nothing; refuse by them with care.",
    actions = { Accept = "Takes the name.", Reject = refuse, Defer = defer },
  },
  auth = {
    "the client logs in",
    "Runs when a client offers an account's name and password, on listeners with `auth`. Without a script the " ..
      "accounts are those of `users` in sluice.lua, and a script that ends without an action refuses. The password " ..
      "is known in this phase only.",
    actions = { Accept = "Logs the client in as `saslusername`.", Reject = refuse, Defer = defer },
  },
  mailfrom = {
    "the client names the sender",
    "Runs at MAIL FROM. Before it, sender_login of sluice.lua decides which senders an account may use.",
    actions = { Accept = "Takes the sender.", Reject = refuse, Defer = defer },
  },
  rcptto = {
    "the client names a recipient",
    "Runs at each RCPT TO, after the relay table of the server has said that mail for this recipient is taken " ..
      "from this client: a script narrows that and never widens it. Whether the recipient exists is decided here.",
    actions = {
      Accept = "Takes the recipient, within the relay table.",
      Reject = "Refuses this recipient for good; others of the message aren't touched.",
      Defer = "Refuses this recipient for now.",
    },
  },
  eod = {
    "the message is here",
    "Runs once per message, when all of it has been received, before `data` runs for each recipient. What it " ..
      "changes of the message, all recipients get.",
    actions = {
      Accept = "Goes on: `data` decides for each recipient.",
      Reject = "Refuses the message for all recipients.",
      Defer = "Refuses it for now, for all.",
      Quarantine = "Keeps it for all recipients; `data` doesn't run. With `reject = true`, the default, the " ..
        "client hears a rejection.",
      Delete = "Accepts it and drops it, for all; `data` doesn't run.",
    },
  },
  data = {
    "the message, for one recipient",
    "Runs once per recipient, in the order they were named. SMTP has one reply for all of them: one that is " ..
      "refused refuses the message for all, and then nothing of it is delivered.",
    actions = {
      Deliver = "Queues the message as this run edited it. With `done = false` the script goes on.",
      Reject = "Refuses the message, for all recipients.",
      Defer = "Refuses it for now, for all.",
      Quarantine = "Keeps this recipient's copy. With `reject = true`, the default, the client hears a rejection.",
      Delete = "Drops this recipient's copy; the client hears success.",
      Done = "Ends with what `done = false` has chosen; if that is nothing, defers.",
    },
  },
  predelivery = {
    "before a delivery attempt",
    "Runs before each attempt to deliver a message of the queue to one recipient: where to, how, as whom. There is no client any " ..
      "more to hear a reply.",
    actions = {
      Try = "Makes the attempt.",
      Reschedule = "Puts the attempt off.",
      Queue = "Reschedule, with options.",
      Delete = "Drops the message for this recipient; nobody is told.",
    },
  },
  postdelivery = {
    "after a delivery attempt",
    "Runs after each attempt, with its result in `errorcode` and `errormsg`. What is delivered is delivered, " ..
      "whatever the script says. Without an action a result decides: 2xx is done, 5xx tells the sender, all else " ..
      "tries again while the schedule lasts.",
    actions = {
      Retry = "Tries again, although the result may say otherwise.",
      Queue = "Retry, with options.",
      Default = "Leaves it at what the server does without an action.",
      GenerateDSN = "Gives up and tells the sender.",
      Deliver = "Sends the message on to another recipient: `Deliver(recipient, transportid)`.",
      Delete = "Gives up and tells nobody.",
    },
  },
  disconnect = {
    "the connection is over",
    "Runs at the end of each connection, however it ended: for counting and logging. There is nothing left to decide.",
    actions = {},
  },
}

return prose
