"""Follows the sources by Flight while alerts are ingested, one file after another: URL, program, warehouse, files.

Prints the ids of the sources of each version as they come; then those since the first version, and those of one object.
"""

import json
import subprocess
import sys

import pyarrow.flight as flight

url, program, warehouse, *files = sys.argv[1:]
client = flight.connect(url)
options = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer s3same")])


def follow(command, options):
    """Yields the ids and the metadata of each version."""
    info = client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(command)), options)
    [endpoint] = info.endpoints
    ids = []
    for chunk in client.do_get(endpoint.ticket, options):
        if chunk.app_metadata is None:
            assert chunk.data.schema == info.schema
            ids += chunk.data.column("r:diaSourceId").to_pylist()
            continue
        told = json.loads(chunk.app_metadata.to_pybytes())
        assert told["rows"] == len(ids), told
        yield sorted(ids), told
        ids = []


command = {"endpoint": "stream", "columns": ["r:diaSourceId"], "compression": "zstd"}
try:
    client.get_flight_info(flight.FlightDescriptor.for_path("stream"))
    raise SystemExit("no token was asked for")
except flight.FlightUnauthenticatedError:
    pass

versions = follow(command, options)
ids, begin = next(versions)
assert ids == [] and begin["version"] == begin["newest"], begin
for file in files:
    subprocess.run([program, "ingest", "--warehouse", warehouse, file], check=True, capture_output=True)
    ids, told = next(versions)
    print(*ids)
    if file == files[0]:
        first = told

again = follow({**command, "since": first["since"]}, options)
assert next(again)[1]["since"] == first["since"]
ids = next(again)[0] + next(again)[0]
print(*ids)

one = follow({**command, "since": begin["version"], "diaObjectId": 2, "filter": "diaSourceId > 2002"}, flight.FlightCallOptions())
ids = [id for _ in range(len(files) + 1) for id in next(one)[0]]
print(*ids)
