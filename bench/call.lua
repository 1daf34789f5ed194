-- wrk script: sends the one request in the file named by the first argument (header lines, an empty line, the body).
-- The second argument bounds how many are sent; the third, "check", has every answer looked at, which costs wrk time;
-- the fourth names a file with a session id on each line, which are used in turn.
local PLACE = "100000000" -- stands in the request wherever the id of the call belongs
local FIRST = 100000000 -- ids of one width, each used once: a session may not have two requests of one id open
local sent, wrong, limit = 0, 0, 0
local requests = {} -- for each session the request in pieces, between which the id belongs
local threads = {}

local function pieces(text)
  local found, from = {}, 1
  while true do
    local first, last = text:find(PLACE, from, true)
    if not first then break end
    table.insert(found, text:sub(from, first - 1))
    from = last + 1
  end
  table.insert(found, text:sub(from))
  return found
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local text = file:read("*a")
  file:close()
  local head, body = text:match("^(.-)\r?\n\r?\n(.*)$")
  for name, value in head:gmatch("([^:\r\n]+): ([^\r\n]*)") do wrk.headers[name] = value end
  wrk.method, wrk.body = "POST", body
  limit = tonumber(args[2])
  if args[4] then
    for session in io.lines(args[4]) do
      wrk.headers["Mcp-Session-Id"] = session
      table.insert(requests, pieces(wrk.format()))
    end
  else
    requests = { pieces(wrk.format()) }
  end
  if args[3] == "check" then
    response = function(status, _, answer)
      if status ~= 200 or not answer:find('"id":1%d%d%d%d%d%d%d%d') or not answer:find('"result":{', 1, true)
        or answer:find('"isError":true', 1, true) then
        wrong = wrong + 1
        wrong_answers = wrong
        if wrong == 1 then io.stderr:write("wrong answer: " .. status .. " " .. answer:sub(1, 300) .. "\n") end
      end
    end
  end
end

function request()
  sent = sent + 1
  if sent > limit then wrk.thread:stop() end
  return table.concat(requests[sent % #requests + 1], tostring(FIRST + sent))
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get("wrong_answers") or 0) end
  local e = summary.errors
  io.write(string.format('RESULT {"seconds":%f,"calls":%d,"p50":%f,"p99":%f,"socket_errors":%d,"status_errors":%d,"wrong":%d}\n',
    summary.duration / 1e6, summary.requests, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout, e.status, bad))
end
