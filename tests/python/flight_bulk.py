"""Reads whole tables and exchanges many ids over Flight, and compares the rows with the Parquet files.

Fails at the first difference. Usage: flight_bulk.py GRPC_URL WAREHOUSE
"""
import concurrent.futures
import json
import random
import sys

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import flight

URL, WAREHOUSE = sys.argv[1:]
# Many clients take no message of 4 MiB and more.
LIMITED = [("grpc.max_receive_message_length", 4 << 20)]
ORDER = [("r:diaObjectId", "ascending"), ("r:midpointMjdTai", "descending"), ("r:diaSourceId", "descending")]
COLUMNS = ["r:diaObjectId", "r:diaSourceId", "r:midpointMjdTai", "r:psfFlux", "r:band"]
client = flight.connect(URL, generic_options=LIMITED)


def stored(name, columns, version=None):
    table = deltalake.DeltaTable(f"{WAREHOUSE}/{name}", version=version)
    return table.to_pyarrow_table(columns=[c[2:] for c in columns]).rename_columns(columns)


def command(**arguments):
    return flight.FlightDescriptor.for_command(json.dumps(arguments))


def read(descriptor):
    info = client.get_flight_info(descriptor)
    return pa.concat_tables([client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints])


def same(left, right):
    assert left.column_names == right.column_names, f"{left.column_names}, not {right.column_names}"
    assert left.num_rows == right.num_rows, f"{left.num_rows} rows, not {right.num_rows}"
    for name in left.column_names:
        assert left[name].combine_chunks().equals(right[name].combine_chunks()), f"{name} differs"


def exchange(table, batches, columns=None, **arguments):
    """The rows, and what the last message says of them."""
    arguments = {"endpoint": table, **arguments, **({"columns": columns} if columns else {})}
    writer, reader = client.do_exchange(command(**arguments))
    with writer:
        writer.begin(batches[0].schema)
        for batch in batches:
            writer.write_batch(batch)
        writer.done_writing()
        chunks = list(reader)
    assert chunks[-1].data.num_rows == 0 and not any(chunk.app_metadata for chunk in chunks[:-1])
    rows = pa.Table.from_batches([chunk.data for chunk in chunks], reader.schema)
    return rows, json.loads(chunks[-1].app_metadata.to_pybytes())


def refused(kind, *words, of):
    try:
        of()
    except kind as error:
        assert all(word in str(error) for word in words), f"{error} without {words}"
    else:
        raise AssertionError(f"nothing was refused, expected {words}")


def ids(values, kind=pa.int64()):
    return pa.record_batch({"diaObjectId": pa.array(values, kind)})


sources = stored("sources", COLUMNS).sort_by(ORDER)

# A whole table, part by part and all at once.
info = client.get_flight_info(command(endpoint="sources", columns=COLUMNS))
assert (info.total_records, info.ordered) == (sources.num_rows, True), info
assert len(info.endpoints) > 1, info.endpoints
same(read(info.descriptor), sources)
with concurrent.futures.ThreadPoolExecutor() as pool:
    get = lambda endpoint: flight.connect(URL, generic_options=LIMITED).do_get(endpoint.ticket).read_all()
    parts = list(pool.map(get, info.endpoints))
same(pa.concat_tables(parts), sources)
assert all(part.num_rows > 0 for part in parts)
same(read(command(endpoint="sources", columns=COLUMNS, as_of=0)), stored("sources", COLUMNS, 0).sort_by(ORDER))
same(read(command(endpoint="sources", columns=COLUMNS, compression="zstd")), sources)

# Filter and limit.
flux, band = pc.field("r:psfFlux"), pc.field("r:band")
bright = sources.filter((flux > 1000) & (band != "g"))
filtered = command(endpoint="sources", columns=COLUMNS, filter="psfFlux > 1000 AND band <> 'g'")
same(read(filtered), bright)
assert client.get_flight_info(filtered).total_records == -1
for limit in [0, 1, 1000, 10**9]:
    limited = command(endpoint="sources", columns=COLUMNS, filter="psfFlux > 1000 AND band <> 'g'", limit=limit)
    assert len(client.get_flight_info(limited).endpoints) == 1
    same(read(limited), bright.slice(0, limit))
refused(pa.ArrowInvalid, "ivide", of=lambda: read(command(endpoint="sources", filter="1 / (diaSourceId - 100) = 3")))

# Many ids, in any order, some twice, some of no object, all written before anything is read.
asked = random.Random(1).sample(range(1000, 1000 + 3 * 100_000), 100_000)
batches = [ids(asked[i:i + 7000]) for i in range(0, len(asked), 7000)] + [ids(asked[:50])]
expected = sources.filter(pc.is_in(sources["r:diaObjectId"], pa.array(asked)))
found = len(pc.unique(expected["r:diaObjectId"]))
assert 30_000 < found < 40_000
rows, said = exchange("sources", batches, COLUMNS)
same(rows, expected)
assert said == {"asked": 100_000, "found": found, "not_found": 100_000 - found, "snapshot": 1}
rows, said = exchange("sources", batches, ["r:psfFlux", "x:y"], filter="band = 'r'", compression="lz4", as_of=0)
first = stored("sources", COLUMNS, 0).sort_by(ORDER).filter(band == "r")
same(rows, first.filter(pc.is_in(first["r:diaObjectId"], pa.array(asked))).select(["r:psfFlux"]))
assert said["warning"] == "unknown columns: x:y" and said["found"] <= found and said["snapshot"] == 0
rows, said = exchange("objects", [ids(range(2_000_000))], ["r:diaObjectId"])
same(rows, stored("objects", ["r:diaObjectId"]))
assert (said["asked"], said["found"]) == (2_000_000, 100_000)
for nothing in [ids([]), ids([1, 2])]:
    rows, said = exchange("fp", [nothing])
    assert rows.num_rows == 0 and said["asked"] == said["not_found"] == nothing.num_rows
for kind in [pa.int32(), pa.uint64(), pa.string(), pa.large_string()]:
    values = ["1003", "1000"] if pa.types.is_string(kind) or pa.types.is_large_string(kind) else [1003, 1000]
    assert exchange("sources", [ids(values, kind)])[1]["found"] == 2, kind

# What is wrong with an exchange is said.
refused(pa.ArrowInvalid, "diaObjectId", "Float64", of=lambda: exchange("fp", [ids([1.0], pa.float64())]))
refused(pa.ArrowInvalid, "diaObjectId", "id", of=lambda: exchange("fp", [pa.record_batch({"id": [1]})]))
refused(pa.ArrowInvalid, "nulls", of=lambda: exchange("fp", [ids([1, None])]))
refused(pa.ArrowInvalid, "column of its batches", of=lambda: exchange("fp", [ids([1])], diaObjectId=1))
refused(pa.ArrowInvalid, "no limit", of=lambda: exchange("fp", [ids([1])], limit=1))
refused(KeyError, "`stars`", of=lambda: exchange("stars", [ids([1])]))
