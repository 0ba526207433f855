"""Reads whole tables over Flight and exchanges all their ids: rows come in order, and none is missing.

Usage: in_order.py GRPC_URL WAREHOUSE
"""
import json
import sys

import deltalake
import pyarrow as pa
from pyarrow import flight

URL, WAREHOUSE = sys.argv[1:]
ORDER = {
    "sources": ["r:diaObjectId", "r:midpointMjdTai", "r:diaSourceId"],
    "fp": ["r:diaObjectId", "r:midpointMjdTai", "r:diaForcedSourceId"],
    "objects": ["r:diaObjectId"],
}
client = flight.connect(URL)


def command(**arguments):
    return flight.FlightDescriptor.for_command(json.dumps(arguments))


def keys(rows, columns):
    """What the rows are to be sorted by: the object, then the newest first."""
    first, *rest = (rows[column].to_pylist() for column in columns)
    return list(zip(first, *([-value for value in values] for values in rest)))


for name, columns in ORDER.items():
    stored = deltalake.DeltaTable(f"{WAREHOUSE}/{name}").to_pyarrow_table(columns=[c[2:] for c in columns])
    expected = sorted(keys(stored.rename_columns(columns), columns))
    info = client.get_flight_info(command(endpoint=name))
    rows = pa.concat_tables([client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints])
    assert keys(rows, columns) == expected, f"{name}: a whole table"
    assert info.total_records == len(expected), f"{name}: {info.total_records} rows told"

    ids = sorted(set(stored["diaObjectId"].to_pylist()), reverse=True)
    batch = pa.record_batch([pa.array(ids + [-5], pa.int64())], ["diaObjectId"])
    writer, reader = client.do_exchange(command(endpoint=name))
    with writer:
        writer.begin(batch.schema)
        writer.write_batch(batch)
        writer.done_writing()
        chunks = list(reader)
    rows = pa.Table.from_batches([chunk.data for chunk in chunks], reader.schema)
    assert keys(rows, columns) == expected, f"{name}: an exchange"
    told = json.loads(chunks[-1].app_metadata.to_pybytes())
    assert (told["asked"], told["found"], told["not_found"]) == (len(ids) + 1, len(ids), 1), told
