"""Reads a whole table as a stream, in constant memory, and counts the bright sources in each band.

Usage: bulk.py grpc://localhost:8080
Needs: pip install pyarrow
"""
import collections
import json
import sys

import pyarrow.compute as pc
from pyarrow import flight

client = flight.connect(sys.argv[1])
request = {
    "endpoint": "sources",
    "columns": ["r:band", "r:psfFlux"],
    "filter": "psfFlux > 5 * psfFluxErr AND band IS NOT NULL",  # SQL, with the column names without r: and f:
}
info = client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(request)))

counts, sums = collections.Counter(), collections.Counter()
for endpoint in info.endpoints:  # the parts of the table, in key order
    for chunk in client.do_get(endpoint.ticket):
        for band in pc.unique(chunk.data["r:band"]).to_pylist():
            flux = chunk.data.filter(pc.equal(chunk.data["r:band"], band))["r:psfFlux"]
            counts[band] += len(flux)
            sums[band] += pc.sum(flux).as_py()
for band, count in sorted(counts.items()):
    print(f"{count} sources in band {band}, of {sums[band] / count:.0f} nJy on average")
