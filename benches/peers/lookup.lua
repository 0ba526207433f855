-- Lookups of random objects for wrk. The arguments after `--` are a file of ids (one a line) and the path that an id completes. At the end
-- it prints a line of JSON with what wrk counted.

local requests = {}

function init(arguments)
    math.randomseed(20261123)
    for id in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", arguments[2] .. id)
    end
end

function request()
    return requests[math.random(#requests)]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "bytes": %d, "seconds": %f, "p50": %f, "p90": %f, "p99": %f, "errors": %d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(90), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end
