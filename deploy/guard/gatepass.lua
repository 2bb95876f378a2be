-- Asks `gatepass guard` about each request of HAProxy (2.6 or later): http-request lua.gatepass http://127.0.0.1:8081/
--
-- A good token: the request goes on, with the headers X-Auth-… that guard answers. Else the client gets guard's answer,
-- and 503 where guard gives none.

local NAMES = {
  "x-auth-subject", "x-auth-client", "x-auth-session", "x-auth-token-id", "x-auth-expires", "x-auth-scope",
  "x-auth-roles", "x-auth-permissions", "x-auth-organization", "x-auth-organization-roles",
  "x-auth-organization-permissions", "x-auth-actor",
}
local PASSED = { "authorization", "dpop" }
local REFUSALS = { [400] = true, [401] = true, [403] = true, [503] = true }
local TOLD = { "www-authenticate", "dpop-nonce", "retry-after" }
local TIMEOUT = 5000 -- milliseconds

local function refuse(txn, status, headers)
  local reply = txn:reply()
  reply:set_status(status)
  for name, value in pairs(headers) do
    reply:add_header(name, value)
  end
  txn:done(reply)
end

core.register_action("gatepass", { "http-req" }, function(txn, guard)
  local sent = txn.http:req_get_headers()
  local headers = {
    ["x-forwarded-method"] = { txn.f:method() },
    ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
    ["x-forwarded-host"] = { txn.f:req_fhdr("host") or "" },
    ["x-forwarded-uri"] = { txn.f:url() },
  }
  for _, name in ipairs(PASSED) do
    if sent[name] then
      headers[name] = {}
      for index, value in pairs(sent[name]) do -- from 0
        headers[name][index + 1] = value
      end
    end
  end
  local client = core.httpclient()
  local answered, answer = pcall(client.get, client, { url = guard, headers = headers, timeout = TIMEOUT })
  local found = answered and answer.headers or {}
  if not answered or (answer.status ~= 200 and not REFUSALS[answer.status]) then
    return refuse(txn, 503, {})
  end
  if answer.status ~= 200 or not found["x-auth-subject"] or found["x-auth-subject"][0] == "" then
    local told = {}
    for _, name in ipairs(TOLD) do
      if found[name] then
        told[name] = found[name][0]
      end
    end
    return refuse(txn, answer.status == 200 and 503 or answer.status, told)
  end
  for _, name in ipairs(NAMES) do
    txn.http:req_set_header(name, found[name] and found[name][0] or "")
  end
end, 1)
