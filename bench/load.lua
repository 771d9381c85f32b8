-- The header lines of the first file, the body of the second, and a new trace with every request, as traced clients send them.
-- wrk adds Host and Content-Length. The requests are made before the load begins, so that making them costs it nothing.
local VARIED = 64
local requests, sent = {}, 0

function init(args)
   for line in io.lines(args[1]) do
      local name, value = line:match("^([^:]+): (.*)$")
      wrk.headers[name] = value
   end
   wrk.method = "POST"
   wrk.body = io.open(args[2]):read("*a")
   for number = 1, VARIED do
      wrk.headers["traceparent"] = string.format("00-4bf92f3577b34da6a3ce929d%08x-00f067aa%08x-01", number, number)
      requests[number] = wrk.format()
   end
end

function request()
   sent = sent % VARIED + 1
   return requests[sent]
end
