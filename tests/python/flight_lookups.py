"""Asks for objects over Flight, and compares the rows with the Parquet files.

Fails at the first difference. Usage: flight_lookups.py GRPC_URL WAREHOUSE OTHER_GRPC_URL (of the same warehouse)
"""
import json
import sys

import deltalake
import pyarrow as pa
from pyarrow import flight

URL, WAREHOUSE, OTHER = sys.argv[1:]
ORDER = {
    "sources": [("r:diaObjectId", "ascending"), ("r:midpointMjdTai", "descending"), ("r:diaSourceId", "descending")],
    "fp": [("r:diaObjectId", "ascending"), ("r:midpointMjdTai", "descending"), ("r:diaForcedSourceId", "descending")],
    "objects": [("r:diaObjectId", "ascending")],
}
client, other = flight.connect(URL), flight.connect(OTHER)


def stored(name):
    """A table as it is in the files, under the served names and in the order of Flight."""
    table = deltalake.DeltaTable(f"{WAREHOUSE}/{name}")
    families = {field.name: field.metadata.get("family") for field in table.schema().fields}
    rows = table.to_pyarrow_table()
    served = {f"{families[n]}:{n}": rows[n] for n in rows.column_names if families[n]}
    return pa.table({n: served[n] for n in sorted(served)}).sort_by(ORDER[name])


def command(**arguments):
    return flight.FlightDescriptor.for_command(json.dumps(arguments))


def read(descriptor, server=client):
    """All rows, and what the info says of them."""
    info = server.get_flight_info(descriptor)
    parts = [server.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]
    for part in parts:
        assert part.schema.equals(info.schema, check_metadata=True), "the info has another schema"
    assert server.get_schema(descriptor).schema.equals(info.schema, check_metadata=True)
    return pa.concat_tables(parts), json.loads(info.app_metadata)


def same(left, right):
    assert left.column_names == right.column_names, f"{left.column_names}, not {right.column_names}"
    assert left.num_rows == right.num_rows, f"{left.num_rows} rows, not {right.num_rows}"
    for name in left.column_names:
        a, b = left[name].to_pylist(), right[name].cast(left[name].type).to_pylist()
        assert list(map(repr, a)) == list(map(repr, b)), f"{name} differs"  # repr: nan equals nan


def refused(kind, *words, of):
    try:
        of()
    except kind as error:
        assert all(word in str(error) for word in words), f"{error} without {words}"
    else:
        raise AssertionError(f"nothing was refused, expected {words}")


def of_objects(rows, ids):
    return rows.filter(pa.compute.is_in(rows["r:diaObjectId"], pa.array(ids)))


TABLES = {name: stored(name) for name in ORDER}
IDS = TABLES["objects"]["r:diaObjectId"].to_pylist()[::100]

# A path or a command, one object or some, every column of every table.
for name, rows in TABLES.items():
    expected = of_objects(rows, IDS)
    got, said = read(command(endpoint=name, diaObjectId=IDS))
    assert said == {"snapshot": 0}
    same(got, expected)
    same(read(command(endpoint=name, diaObjectId=",".join(map(str, IDS))))[0], expected)
    same(read(flight.FlightDescriptor.for_path(name, ",".join(map(str, IDS))))[0], expected)
    same(read(flight.FlightDescriptor.for_path(name, str(IDS[2])))[0], of_objects(rows, IDS[2:3]))
    assert got.field("r:diaObjectId").metadata[b"description"], "fields are not described"

sources = of_objects(TABLES["sources"], IDS)

# The arguments of REST, and what is beyond them.
names = ["r:psfFlux", "f:main_label_classifier", "r:diaSourceId"]
names = [name for name in names if name in sources.column_names]
got, said = read(command(endpoint="sources", diaObjectId=IDS + ["12", "no id"], columns=["x:y"] + names, explain=True))
same(got, sources.select(names))
assert said["warning"] == "no diaObjectId (digits within 64 bits): no id; unknown columns: x:y (perhaps r:y); ignored arguments: explain"
time = sources["r:midpointMjdTai"][0].as_py()
got, _ = read(command(endpoint="sources", diaObjectId=IDS, midpointMjdTai=time))
same(got, sources.filter(pa.compute.equal(sources["r:midpointMjdTai"], time)))
got, _ = read(command(endpoint="sources", diaObjectId=IDS, filter="band = 'r' AND psfFlux > 100", limit=7))
same(got, sources.filter((pa.compute.field("r:band") == "r") & (pa.compute.field("r:psfFlux") > 100)).slice(0, 7))
assert got.num_rows > 0
same(read(command(endpoint="sources", diaObjectId=IDS, as_of=0))[0], sources)
for nothing in [[], ["x"], 12]:
    assert read(command(endpoint="sources", diaObjectId=nothing))[0].num_rows == 0
for codec in ["lz4", "zstd"]:
    same(read(command(endpoint="sources", diaObjectId=IDS, compression=codec))[0], sources)

# Errors say what would be right.
info = lambda **arguments: lambda: client.get_flight_info(command(**arguments))
refused(KeyError, "endpoint", "sources, fp, objects", "`stars`", of=info(endpoint="stars", diaObjectId=1))
refused(pa.ArrowInvalid, "endpoint is missing", of=info(diaObjectId=1))
refused(pa.ArrowInvalid, "diaObjectId must be digits", "not true", of=info(endpoint="fp", diaObjectId=True))
refused(pa.ArrowInvalid, "diaobjectid (perhaps diaObjectId)", of=info(endpoint="fp", diaobjectid=1))
refused(pa.ArrowInvalid, "filter", "noSuchColumn", of=info(endpoint="fp", filter="noSuchColumn > 3"))
refused(pa.ArrowInvalid, "filter", "subqueries", of=info(endpoint="fp", filter="psfFlux > (SELECT 1)"))
refused(pa.ArrowInvalid, "limit must be a number of rows", of=info(endpoint="fp", limit="many"))
refused(pa.ArrowInvalid, "lz4 or zstd", of=info(endpoint="fp", compression="gzip"))
refused(pa.ArrowInvalid, "as_of", "99", of=info(endpoint="fp", diaObjectId=1, as_of=99))
refused(pa.ArrowInvalid, "JSON", of=lambda: client.get_flight_info(flight.FlightDescriptor.for_command(b"\xff")))
refused(pa.ArrowInvalid, "for_path", of=lambda: client.get_flight_info(flight.FlightDescriptor.for_path("a", "b", "c")))
for ticket in [b"", b"{}", b'{"diaflight": 2}', b'{"diaflight": 1, "snapshot": 0, "request": "{"}', b"\x0a\x00"]:
    refused(pa.ArrowInvalid, "ticket", "get_flight_info", of=lambda: client.do_get(flight.Ticket(ticket)).read_all())

# Any instance answers a ticket.
for descriptor in [command(endpoint="sources", diaObjectId=IDS), command(endpoint="sources")]:
    tickets = [endpoint.ticket for endpoint in client.get_flight_info(descriptor).endpoints]
    for ticket in tickets:
        same(client.do_get(ticket).read_all(), other.do_get(ticket).read_all())

# The tables there are.
listed = {info.descriptor.path[0].decode(): info for info in client.list_flights()}
assert set(listed) == set(TABLES)
for name, info in listed.items():
    assert info.total_records == TABLES[name].num_rows and info.endpoints == []
    assert info.schema.names == TABLES[name].column_names
    same(read(info.descriptor)[0], TABLES[name])
