-- One request after the other on each connection, each to a path of its own.
-- wrk ... -s storage_load.lua URL -- METHOD PATH IDS START COUNT BODY_BYTES HEADERS
--   PATH      with %s where an id goes
--   IDS       a file with one id (36 characters) a line; START: the first to use, COUNT: after so many begin again
--   HEADERS   a file with the headers, lines ending in CR LF
-- The last line that it prints is JSON.

local head, tail, ids, start, count, sent

function init(args)
  local method, path = args[1], args[2]
  local file = assert(io.open(args[3], "rb"))
  ids = file:read("*a")
  file:close()
  -- wrk asks for one request before the load, to see what it is like, and does not send it: that one is -1.
  start, count, sent = tonumber(args[4]), tonumber(args[5]), -1
  local size = tonumber(args[6])
  file = assert(io.open(args[7], "rb"))
  local headers = file:read("*a")
  file:close()
  local first, last = path:match("^(.*)%%s(.*)$")
  head = method .. " " .. first
  tail = last .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. headers
  local body = ""
  if method == "PUT" then
    tail = tail .. "Content-Length: " .. size .. "\r\n"
    local bytes = {}
    for i = 1, size do bytes[i] = string.char(math.random(0, 255)) end
    body = table.concat(bytes)
  end
  tail = tail .. "\r\n" .. body
end

function request()
  local at = (start + sent % count) * 37
  sent = sent + 1
  return head .. ids:sub(at + 1, at + 36) .. tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "max_ms": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
