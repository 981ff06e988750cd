-- One request after the other on each connection, all alike but for an id of their own.
-- wrk ... -s storage_load.lua URL -- REQUEST IDS START COUNT
--   REQUEST   a file with the whole request, @ID@ where the id goes (once; it is as long as an id, 36 characters)
--   IDS       a file with one id a line; START: the first to use, COUNT: after so many begin again
-- The last line that it prints is JSON. A status other than 2xx or 3xx counts as an error.

local head, tail, ids, start, count, sent

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init(args)
  local request = read(args[1])
  local from, to = request:find("@ID@", 1, true)
  head, tail = request:sub(1, from - 1), request:sub(to + 1)
  ids = read(args[2])
  -- wrk asks for one request before the load, to see what it is like, and does not send it: that one is -1.
  start, count, sent = tonumber(args[3]), tonumber(args[4]), -1
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
