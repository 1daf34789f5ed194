-- wrk script: sends the one request in the file named by the first argument (header lines, an empty line, the body).
-- The second argument bounds how many are sent; the third, "check", has every answer looked at, which costs wrk time.
local FIRST = 100000000 -- ids of one width, each used once: a session may not have two requests of one id open
local sent, wrong, limit, before, after = 0, 0, 0, "", ""
local threads = {}

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
  before, after = wrk.format():match("^(.*\"id\":)%d+(.*)$")
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
  return before .. (FIRST + sent) .. after
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get("wrong_answers") or 0) end
  local e = summary.errors
  io.write(string.format('RESULT {"seconds":%f,"calls":%d,"p50":%f,"p99":%f,"socket_errors":%d,"status_errors":%d,"wrong":%d}\n',
    summary.duration / 1e6, summary.requests, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout, e.status, bad))
end
