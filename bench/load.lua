-- One request, repeated: the header lines of the first file, the body of the second. wrk adds Host and Content-Length.
-- No request() here: wrk then sends the same bytes again without calling Lua.
function init(args)
   for line in io.lines(args[1]) do
      local name, value = line:match("^([^:]+): (.*)$")
      wrk.headers[name] = value
   end
   wrk.method = "POST"
   wrk.body = io.open(args[2]):read("*a")
end
