"""Sources in the layouts that other programs write: writes such a folder, and compares the server's rows with another reader's.

Usage: folders.py write WAY FOLDER
       folders.py read WAY FOLDER SERVER_URL
where WAY is one of the functions below, each of which says what the rows are to be.
"""
import json
import os
import sys

import deltalake
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from adbc_driver_flightsql import dbapi
from pyarrow import flight

KEY, ID, TIME = "diaObjectId", "diaSourceId", "midpointMjdTai"


def rows(first, objects, **columns):
    """Three sources of each object, and other columns, of which a function makes the values of row numbers."""
    number = np.arange(3 * objects)
    frame = pd.DataFrame({KEY: first + number // 3, ID: 100 * first + number, TIME: 60000.0 + number % 3,
                          "psfFlux": number.astype("float32"), "band": np.array(["g", "r"])[number % 2]})
    return frame.assign(**{name: make(number) for name, make in columns.items()})


def save(frame, *path, **options):
    path = os.path.join(*path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(frame if isinstance(frame, pa.Table) else of(frame), path, **options)


def of(frame):
    """A table in which NaN is no null."""
    return pa.table({name: pa.array(frame[name].to_numpy()) for name in frame.columns})


def by_duckdb(pattern):
    return duckdb.sql(f"SELECT * FROM read_parquet('{pattern}', union_by_name = true, hive_partitioning = true)").to_arrow_table()


def empty(folder):
    """A file without rows has no statistics, one that never had a row has no types, and a row group may be empty, too."""
    save(rows(1, 5), folder, "rows.parquet")
    rows(1, 5).iloc[:0].to_parquet(f"{folder}/none.parquet")
    pd.DataFrame(columns=rows(1, 1).columns).to_parquet(f"{folder}/untyped.parquet")
    table = of(rows(10, 5))
    with pq.ParquetWriter(f"{folder}/group.parquet", table.schema) as writer:
        writer.write_table(table.slice(0, 6))
        writer.write_table(table.slice(0, 0), row_group_size=10)
        writer.write_table(table.slice(6))
    return lambda: pa.concat_tables([pq.read_table(f"{folder}/{name}.parquet") for name in ("rows", "group")])


def nothing(folder):
    rows(1, 5).iloc[:0].to_parquet(f"{folder}/none.parquet")
    return lambda: pq.read_table(f"{folder}/none.parquet")


def hive(folder):
    for year, month, field in [(2025, "12", "COSMOS"), (2026, "01", "Elias%20S"), (2026, "02", "__HIVE_DEFAULT_PARTITION__")]:
        save(rows(year + int(month), 4), folder, f"year={year}/month={month}/field={field}/rows.parquet")
    # To DuckDB a month is a text because of its zero.
    def expected():
        found = by_duckdb(f"{folder}/**/*.parquet")
        return found.set_column(found.column_names.index("month"), "month", found["month"].cast(pa.int64()))
    return expected


def hats(folder):
    """The layout of HATS catalogues: what stands beside the rows is about them."""
    for order, pixel, first in [(0, 3, 1), (1, 17, 50), (1, 18, 90)]:
        save(rows(first, 6), folder, f"dataset/Norder={order}/Dir=0/Npix={pixel}.parquet")
    schema = pq.read_schema(f"{folder}/dataset/Norder=0/Dir=0/Npix=3.parquet")
    for name in ["_metadata", "_common_metadata"]:
        pq.write_metadata(schema, f"{folder}/dataset/{name}")
    save(rows(1, 2), folder, "dataset/data_thumbnail.parquet")
    for name, text in [("hats.properties", "obs_collection=x"), ("properties", "obs_collection=x"), ("partition_info.csv", "Norder,Npix\n0,3\n")]:
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
    return lambda: by_duckdb(f"{folder}/dataset/Norder=*/Dir=*/*.parquet")


def delta(folder):
    """A table that was rewritten: of its files some hold rows that are no more."""
    table = of(rows(1, 20, night=lambda n: (n % 3).astype("int16")))
    deltalake.write_deltalake(folder, table, partition_by=["band", "night"])
    deltalake.DeltaTable(folder).delete(f"{ID} % 7 = 3")
    deltalake.write_deltalake(folder, table.slice(0, 6).set_column(1, ID, pa.array(range(9000, 9006))), mode="append")
    deltalake.DeltaTable(folder).optimize.compact()
    return lambda: deltalake.DeltaTable(folder).to_pyarrow_table().cast(pa.schema(
        [field.with_type(pa.int32()) if field.name == "night" else field for field in table.schema]))


def types(folder):
    """Whatever has an exact place among the types that are served is served, the rest is named."""
    a, b = rows(1, 3), rows(10, 3)
    n = len(a)
    wide = {"byte": (pa.int8(), pa.int32()), "short": (pa.uint16(), pa.int32()), "whole": (pa.uint32(), pa.int64()),
            "unsigned": (pa.uint64(), pa.int64()), "half": (pa.float16(), pa.float32())}
    def table(frame, **columns):
        found = of(frame)
        for name, values in columns.items():
            found = found.append_column(name, values)
        return found
    numbers = lambda kind: pa.array(range(n), kind)
    common = {name: numbers(kind) for name, (kind, _) in wide.items() if name != "half"}
    common["half"] = pa.array(np.arange(n, dtype="float16"))
    when = pa.array([1_700_000_000_000_001 + i for i in range(n)], pa.timestamp("us", "UTC"))
    odd = {"list": pa.array([[i] for i in range(n)]), "price": pa.array([None] * n, pa.decimal128(9, 2)),
           "struct": pa.array([{"psfFlux": 1.5}] * n), "vast": pa.array([2**64 - 1] * n, pa.uint64()),
           "unknown": pa.nulls(n)}
    first = table(a, **common, when=when, note=pa.nulls(n), flux=numbers(pa.float32()), visit=pa.nulls(n), **odd)
    second = table(b, **common, when=when, note=pa.array(["x"] * n), flux=pa.array([0.1] * n), visit=pa.nulls(n))
    save(first, folder, "a.parquet", version="2.6")
    save(second, folder, "b.parquet", version="2.6")
    def expected():
        schema = pa.schema([*second.schema])
        for name, kind in [("note", pa.string()), ("flux", pa.float64()), ("visit", pa.int64()), *((name, kind) for name, (_, kind) in wide.items())]:
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
        return pa.concat_tables([first.select(schema.names).cast(schema), second.cast(schema)])
    expected.left_out = sorted(odd)
    return expected


def with_columns(frame, **columns):
    table = of(frame)
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def numbers(folder):
    """Numbers that are whole in one file and not in another, as pandas makes them of a column with a null, and others that go less well."""
    a, b = rows(1, 3), rows(10, 3)
    n, kind = len(a), pa.int64()
    first = with_columns(a, nobs=pa.array(range(n), kind), edge=pa.array([2**53, -2**53] + [None] * (n - 2), kind),
                         vast=pa.array([2**53 + 1] * n, kind), untold=pa.array(range(n), kind), mixed=pa.array(range(n), kind))
    floats = pa.array([0.5, None] + [2.0] * (n - 2))
    second = with_columns(b, nobs=floats, edge=floats, vast=floats, untold=floats, mixed=pa.array(["x"] * n))
    told = [name for name in first.column_names if name != "untold"]
    save(first, folder, "a.parquet", write_statistics=told)
    save(second, folder, "b.parquet")

    def expected():
        both = [table.drop_columns(expected.left_out) for table in (first, second)]
        return pa.concat_tables([both[0].cast(both[1].schema), both[1]])
    expected.left_out = ["mixed", "untold", "vast"]
    return expected


def times(folder):
    """Times of several units, of which one holds all or none does; and what in Parquet is a number without a unit."""
    a, b = rows(1, 3), rows(10, 3)
    n = len(a)
    at = lambda start, unit, zone="UTC": pa.array([start + i for i in range(n)], pa.timestamp(unit, zone))
    year_3000_ms = 32_503_680_000_000
    first = with_columns(a, when=at(year_3000_ms, "ms"), far=at(year_3000_ms, "ms"), zone=at(0, "us"), took=pa.array(range(n), pa.duration("us")))
    second = with_columns(b, when=at(1_700_000_000_000_001, "us"), far=at(1_700_000_000_000_000_001, "ns"), zone=at(0, "us", None),
                          took=pa.array(range(n), pa.duration("us")))
    save(first, folder, "a.parquet", version="2.6")
    save(second, folder, "b.parquet", version="2.6")

    def expected():
        both = [table.drop_columns(expected.left_out) for table in (first, second)]
        return pa.concat_tables([both[0].cast(both[1].schema), both[1]])
    expected.left_out = ["far", "took", "zone"]
    return expected


def int96(folder):
    """What Spark writes for a time, of years that Arrow's readers let overflow."""
    table, years = of(rows(1, 3)), [-62_135_596_800_000_000, 253_402_300_799_000_000] + [0] * 7
    save(table.append_column("seen", pa.array(years, pa.timestamp("us"))), folder, "rows.parquet", use_deprecated_int96_timestamps=True)
    expected = lambda: table
    expected.left_out = ["seen"]
    return expected


def keyless(folder):
    """Some sources belong to no object (to one of the Solar System, for one)."""
    table = of(rows(1, 100))
    keys = [None if i % 10 == 4 else key for i, key in enumerate(table[KEY].to_pylist())]
    table = table.set_column(0, KEY, pa.array(keys, pa.int64()))
    save(table.slice(0, 150), folder, "a.parquet", row_group_size=20)
    save(table.slice(150), folder, "b.parquet", write_statistics=False)
    save(rows(1000, 400_000), folder, "many.parquet")  # two parts at least
    return lambda: pq.read_table(folder)


def bare(folder):
    """Neither statistics nor a page index."""
    for i in range(3):
        save(rows(1 + 100 * i, 60).sample(frac=1, random_state=i), folder, f"{i}.parquet", write_statistics=False, row_group_size=50)
    return lambda: pq.read_table(folder)


def nan(folder):
    """Row groups whose statistics pass over a NaN of either sign, those of the time, too."""
    random = np.random.default_rng(5)
    def some(width):
        def make(number):
            values = random.integers(0, 9, len(number)).astype(width)
            signs = np.where(random.random(len(number)) < 0.5, np.nan, -np.nan)
            return np.where(random.random(len(number)) < 0.1, signs, values).astype(width)
        return make
    frame = rows(1, 60, psfFlux=some("float32"), x=some("float64"), **{TIME: some("float64")})
    for i in range(6):
        part = frame.iloc[i * 30:(i + 1) * 30]
        save(part.assign(x=part.x + 10 * (i % 2)), folder, f"{i}.parquet", row_group_size=5)
    return lambda: pq.read_table(folder)


class Server:
    def __init__(self, url):
        self.url, self.grpc = url, url.replace("http", "grpc", 1)
        self.rest = requests.Session()
        self.rest.trust_env = False  # no proxy
        self.flight = flight.connect(self.grpc)

    def of(self, ids):
        answer = self.rest.post(f"{self.url}/api/v1/sources", json={KEY: ids, "output-format": "arrow"}, timeout=120)
        assert answer.status_code == 200, answer.text
        return plain(pa.ipc.open_stream(answer.content).read_all())

    def read(self, **arguments):
        """All parts, and what was said of the rows."""
        info = self.flight.get_flight_info(flight.FlightDescriptor.for_command(json.dumps({"endpoint": "sources", **arguments})))
        parts = [self.flight.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]
        return plain(pa.concat_tables(parts)), info

    def sql(self, statement):
        with dbapi.connect(self.grpc, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return plain(cursor.fetch_arrow_table())


def plain(table):
    return table.rename_columns([name.removeprefix("r:").removeprefix("f:") for name in table.column_names])


def values(table, columns):
    """Rows in one order, each value with its type. Times are texts over REST."""
    def shown(column):
        kind = table[column].type
        if pa.types.is_timestamp(kind):
            return [value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for value in table[column].to_pylist()]
        return [(str(kind), repr(value)) for value in table[column].to_pylist()]
    return sorted(zip(*(shown(column) for column in columns)))


def same(what, found, expected):
    names = sorted(expected.column_names)
    assert sorted(found.column_names) == names, f"{what}: {sorted(found.column_names)}, not {names}"
    texts = [name for name in names if pa.types.is_timestamp(expected[name].type)]
    if texts and pa.types.is_string(found[texts[0]].type):
        for name in texts:
            found = found.set_column(found.column_names.index(name), name, found[name].cast(pa.timestamp("us", "UTC")))
    a, b = values(found, names), values(expected, names)
    assert len(a) == len(b), f"{what}: {len(a)} rows, not {len(b)}"
    for one, other in zip(a, b):
        assert one == other, f"{what}: {one}, not {other}"


def unsigned_nan(table):
    """Readers differ in the bits of a NaN, and in whether texts are large."""
    columns = [column.cast(pa.string()) if pa.types.is_large_string(column.type) else column for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns)))


def read(server, expected):
    rows = unsigned_nan(expected())
    ids = sorted(set(rows[KEY].drop_null().to_pylist()))[:20_000]
    named = rows.filter(pa.compute.is_in(rows[KEY], pa.array(ids, pa.int64())))
    same("by id", server.of(ids or [1]), named)
    whole, info = server.read()
    same("a whole table", whole, rows)
    assert info.total_records == rows.num_rows, f"{info.total_records} rows told, not {rows.num_rows}"
    same("SQL", server.sql("SELECT * FROM sources"), rows)
    for column in rows.column_names:
        kept = server.sql(f'SELECT "{ID}" FROM sources WHERE "{column}" IS NOT NULL').num_rows
        assert kept == rows.num_rows - rows[column].null_count, f"{column}: {kept} rows are not null"
    told = server.rest.get(f"{server.url}/api/v1/schema?endpoint=/api/v1/sources", timeout=120).json()
    left_out = sorted(told.get("Not served", {}))
    assert left_out == getattr(expected, "left_out", []), left_out


def total_order(value):
    """Where a float stands in the order that Arrow compares by."""
    if np.isnan(value):
        return (-1, 0) if np.signbit(value) else (1, 0)
    return (0, value)


def compare_nan(server, expected):
    """Each comparison keeps the same rows by id, in a whole table, and in a statement; and those that it should."""
    compare = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
               "=": lambda a, b: a == b, "<>": lambda a, b: a != b}
    rows = expected()
    ids = sorted(set(rows[KEY].to_pylist()))
    stored = {name: rows[name].to_numpy() for name in rows.column_names if name != "band"}
    tests = [(column, op, bound) for column in ["psfFlux", "x", TIME] for op in compare for bound in [-1.0, 0.0, 4.0, 8.0, 25.0]]
    both = [(a, b) for a in tests[::7] for b in tests[::11]]
    for conditions in [(test,) for test in tests] + both:
        keep = np.ones(rows.num_rows, bool)
        for column, op, bound in conditions:
            keep &= np.array([compare[op](total_order(v), total_order(bound)) for v in stored[column]])
        text = " AND ".join(f'"{column}" {op} {bound}' for column, op, bound in conditions)
        wanted = sorted(stored[ID][keep].tolist())
        whole = sorted(server.read(filter=text, columns=f"r:{ID}")[0][ID].to_pylist())
        by_id = sorted(server.read(filter=text, columns=f"r:{ID}", **{KEY: ids})[0][ID].to_pylist())
        assert by_id == wanted, f"{text}, by id: {len(by_id)} rows, not {len(wanted)}"
        assert whole == wanted, f"{text}, a whole table: {len(whole)} rows, not {len(wanted)}"
    for column, op, bound in tests:
        keep = [compare[op](total_order(v), total_order(bound)) for v in stored[column]]
        found = server.sql(f'SELECT count(*) AS rows FROM sources WHERE NOT ("{column}" {op} {bound})')["rows"][0].as_py()
        assert found == len(keep) - sum(keep), f"NOT {column} {op} {bound}: {found} rows"
    for order in ["ASC", "DESC"]:
        newest = server.sql(f'SELECT x FROM sources ORDER BY x {order} LIMIT 7')["x"].to_pylist()
        best = sorted(stored["x"].tolist(), key=total_order, reverse=order == "DESC")[:7]
        assert list(map(repr, newest)) == list(map(repr, best)), f"{order}: {newest}, not {best}"


def main():
    task, way, folder, *url = sys.argv[1:]
    if task == "write":
        globals()[way](folder)
        return
    # It writes the folder anew elsewhere only to say what the rows are.
    expected = globals()[way]
    server = Server(url[0])
    os.makedirs(copy := folder.rstrip("/") + "-again")
    said = expected(copy)
    read(server, said)
    if way == "nan":
        compare_nan(server, said)


main()
