"""Sends the ids of many objects, such as those of a catalogue or a cross-match, and reads their forced photometry.

Usage: exchange.py grpc://localhost:8080
Needs: pip install pyarrow
"""
import json
import sys

import pyarrow as pa
from pyarrow import flight

client = flight.connect(sys.argv[1])

# The ids, here of all objects, in a column with the name that the server expects.
request = json.dumps({"endpoint": "objects", "columns": "r:diaObjectId"})
info = client.get_flight_info(flight.FlightDescriptor.for_command(request))
ids = pa.concat_tables(client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints)
ids = ids.rename_columns(["diaObjectId"])

request = json.dumps({"endpoint": "fp", "columns": "r:diaObjectId,r:midpointMjdTai,r:psfFlux"})
writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(request))
with writer:
    writer.begin(ids.schema)
    writer.write_table(ids)
    writer.done_writing()  # the server sends rows once it has all ids
    rows = 0
    for chunk in reader:
        rows += chunk.data.num_rows
        if chunk.app_metadata:  # the last message
            said = json.loads(chunk.app_metadata.to_pybytes())
print(f"{said['asked']} objects asked for, {said['found']} found, {rows} forced measurements")
