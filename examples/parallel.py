"""Reads a whole table with several connections at once, into one Arrow table.

Usage: parallel.py grpc://localhost:8080 [table]
Needs: pip install pyarrow
"""
import concurrent.futures
import sys
import time

import pyarrow as pa
from pyarrow import flight

url, table = sys.argv[1], (sys.argv[2:] or ["sources"])[0]
info = flight.connect(url).get_flight_info(flight.FlightDescriptor.for_path(table))


def read(endpoint):
    with flight.connect(url) as client:
        return client.do_get(endpoint.ticket).read_all()


start = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
    rows = pa.concat_tables(pool.map(read, info.endpoints))  # in key order
seconds = time.monotonic() - start
print(f"{rows.num_rows} rows of {table} in {len(info.endpoints)} parts, {rows.num_rows / seconds:.0f} a second")
