"""Reads the light curves of some objects.

Usage: lookup.py grpc://localhost:8080 [diaObjectId ...]
Needs: pip install pyarrow pandas
"""
import json
import sys

from pyarrow import flight


def read(client, request):
    """Reads the rows of a request: the JSON of the REST API, with the endpoint as one more member."""
    descriptor = flight.FlightDescriptor.for_command(json.dumps(request))
    info = client.get_flight_info(descriptor)
    return client.do_get(info.endpoints[0].ticket).read_all()


client = flight.connect(sys.argv[1])
ids = sys.argv[2:]
if not ids:  # any objects
    some = read(client, {"endpoint": "objects", "columns": "r:diaObjectId", "limit": 3})
    ids = some["r:diaObjectId"].to_pylist()

columns = ["r:diaObjectId", "r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"]
rows = read(client, {"endpoint": "sources", "diaObjectId": ids, "columns": columns})
print(f"{rows.num_rows} sources of {len(ids)} objects, object after object, the newest first:")
print(rows.to_pandas())
