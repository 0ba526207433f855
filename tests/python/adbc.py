"""Uses a server through the Flight SQL driver of ADBC, as a person, a notebook or a tool would, and compares the
answers with the tables in storage.

Prints the names of the checks as one JSON list; fails at the first that does not hold.
Usage: adbc.py WAREHOUSE HOST:PORT
"""
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import adbc_driver_flightsql.dbapi as flightsql
import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
from adbc_driver_manager import InternalError, NotSupportedError, OperationalError, ProgrammingError

WAREHOUSE, ADDRESS = sys.argv[1:]
IDENTITY = {"sources": "diaSourceId", "objects": "diaObjectId", "fp": "diaForcedSourceId"}
COLUMNS = "diaSourceId, diaObjectId, midpointMjdTai, band, psfFlux"
ENDLESS = "SELECT a.value AS a, b.value AS b FROM range(0, 1000) a, range(0, 1000000000000) b"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def connect(**options):
    return flightsql.connect(f"grpc://{ADDRESS}", db_kwargs=options, autocommit=True)


def fetch(connection, statement, parameters=None):
    with connection.cursor() as cursor:
        return cursor.execute(statement, parameters).fetch_arrow_table()


def refused(error, text, function, *arguments):
    """The call fails with this class of error, and says this."""
    try:
        function(*arguments)
    except error as refusal:
        assert text in str(refusal), refusal
    else:
        raise AssertionError(f"{text}: nothing was refused")


def stored(name="sources"):
    table = deltalake.DeltaTable(f"{WAREHOUSE}/{name}").to_pyarrow_table()
    return table.sort_by(IDENTITY[name])


def same(left, right):
    """Equal names and values; NaN equals NaN."""
    assert left.column_names == right.column_names, f"{left.column_names} and {right.column_names}"
    assert left.num_rows == right.num_rows, f"{left.num_rows} and {right.num_rows} rows"
    for name in left.column_names:
        a, b = left[name].to_pylist(), right[name].to_pylist()
        assert list(map(repr, a)) == list(map(repr, b)), f"{name} differs"


@check
def a_statement_has_the_stored_rows(connection):
    table = fetch(connection, f"SELECT {COLUMNS} FROM sources ORDER BY diaSourceId")
    same(table, stored().select(COLUMNS.split(", ")))
    assert table.schema.field("diaObjectId").type == pa.int64(), table.schema
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS one, 'it''s' AS text, NULL AS nothing, DATE '2026-11-23' AS day")
        assert [column[0] for column in cursor.description] == ["one", "text", "nothing", "day"]
        assert cursor.fetchall() == [(1, "it's", None, date(2026, 11, 23))]
        assert cursor.execute("SELECT * FROM objects LIMIT 0").fetchall() == []


@check
def a_reader_streams_every_column(connection):
    for name in ["objects", "sources"]:
        table = stored(name)
        with connection.cursor() as cursor:
            statement = f"SELECT * FROM {name}"
            told = cursor.adbc_execute_schema(statement)
            reader = cursor.execute(statement).fetch_record_batch()
            assert reader.schema.equals(told, check_metadata=True), f"{reader.schema} and {told}"
            rows = pa.Table.from_batches(reader, reader.schema).sort_by(IDENTITY[name])
        same(rows, table.select(rows.column_names))


@check
def parameters_are_values(connection):
    objects = stored("objects")["diaObjectId"].to_pylist()
    for mark in ["?", "$1"]:
        found = fetch(connection, f"SELECT count(*) AS n FROM objects WHERE diaObjectId <= {mark}", (objects[4],))
        assert found.to_pylist() == [{"n": 5}], found
    text = "'; DROP TABLE sources; -- \" ? $1 é\n"
    row = fetch(connection, "SELECT ? AS a, ? AS b, ? AS c, '?' AS d -- ?", (text, None, 2.5)).to_pylist()
    assert row == [{"a": text, "b": None, "c": 2.5, "d": "?"}], row
    within = "SELECT count(*) AS n FROM sources WHERE psfFlux BETWEEN ? AND ? AND band IN (?, ?)"
    found = fetch(connection, within, (-(10**9), 10**9, "r", None))["n"].to_pylist()
    assert found == [stored()["band"].to_pylist().count("r")], found
    found = fetch(connection, "SELECT count(*) AS n FROM objects WHERE diaObjectId = ?", (str(objects[0]),))
    assert found.to_pylist() == [{"n": 1}], "a text is cast to the type that is asked for"


@check
def rows_of_parameters_are_run_one_after_the_other(connection):
    bands = ["r", None, "it's", "g", "r"]
    batch = pa.record_batch({"band": pa.array(bands), "most": pa.array([1, 2, 3, 4, 5])})
    statement = "SELECT ? AS band, count(*) AS n FROM (SELECT * FROM sources WHERE band = $1 LIMIT $2)"
    rows = fetch(connection, statement.replace("?", "$1"), batch).to_pylist()
    assert rows == [dict(band=b, n=m if b in ("r", "g") else 0) for b, m in zip(bands, range(1, 6))], rows
    assert fetch(connection, "SELECT ? + 1 AS y", pa.table({"x": pa.array([], pa.int64())})).num_rows == 0
    many = pa.table({"x": range(2000)})
    assert fetch(connection, "SELECT ? + 1 AS y", many)["y"].to_pylist() == list(range(1, 2001))


@check
def what_does_not_fit_is_refused(connection):
    one = "SELECT * FROM objects WHERE diaObjectId = ?"
    for parameters, text in [
        (None, "1 parameters, and 0 values"),
        ((1, 2), "1 parameters, and 2 values"),
        ((1.5,), "$1: its values must be whole numbers"),
        (("abc",), "$1: Cast error: Cannot cast string 'abc'"),
    ]:
        refused(ProgrammingError, text, fetch, connection, one, parameters)
    large = pa.table({"x": ["x" * (2 << 20)]})
    refused(InternalError, "over 1048576 bytes", fetch, connection, "SELECT ? AS x", large)


@check
def the_parameters_of_a_statement_are_told(connection):
    with connection.cursor() as cursor:
        asked = cursor.adbc_prepare("SELECT ? AS x FROM sources WHERE diaObjectId = ? AND band LIKE ?")
        assert asked.names == ["$1", "$2", "$3"], asked
        assert asked.types == [pa.null(), pa.int64(), pa.string()], asked


@check
def the_tables_are_told_at_every_depth(connection):
    def told(depth, **filters):
        return connection.adbc_get_objects(depth=depth, **filters).read_all().to_pylist()

    assert told("catalogs") == [{"catalog_name": "diaflight", "catalog_db_schemas": None}]
    [catalog] = told("db_schemas")
    assert catalog["catalog_db_schemas"] == [{"db_schema_name": "public", "db_schema_tables": None}]
    assert told("tables", catalog_filter="another") == []

    def tables(depth, **filters):
        [schema] = told(depth, **filters)[0]["catalog_db_schemas"]
        return {table["table_name"]: table for table in schema["db_schema_tables"]}

    assert {"sources", "objects", "fp"} <= tables("tables").keys()
    assert tables("tables", table_name_filter="s_urc%").keys() == {"sources"}
    assert {"sources", "objects", "fp"} == tables("tables", table_types_filter=["TABLE"]).keys()
    columns = tables("all", table_name_filter="sources", column_name_filter="psfFlux___")["sources"]["table_columns"]
    assert [column["column_name"] for column in columns] == ["psfFluxErr"], columns
    for name in ["sources", "objects", "fp"]:
        told_schema = connection.adbc_get_table_schema(name)
        schema = fetch(connection, f"SELECT * FROM {name} LIMIT 1").schema
        assert told_schema.equals(schema, check_metadata=True), f"{told_schema} and {schema}"
    refused(ProgrammingError, "NOT_FOUND", connection.adbc_get_table_schema, "nope")
    assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]
    told_of_server = connection.adbc_get_info()
    assert told_of_server["vendor_name"] == "diaflight", told_of_server


@check
def many_cursors_at_once(connection):
    objects = stored("objects")["diaObjectId"].to_pylist()[:40]
    expected = [stored()["diaObjectId"].to_pylist().count(id) for id in objects]
    count = "SELECT count(*) FROM sources WHERE diaObjectId = ?"
    with ThreadPoolExecutor(4) as threads:
        counts = threads.map(lambda id: fetch(connection, count, (id,)).column(0)[0].as_py(), objects)
        assert list(counts) == expected
    cursors = [connection.cursor().execute(count, (id,)) for id in objects]
    assert [cursor.fetchone()[0] for cursor in cursors] == expected
    for cursor in cursors:
        cursor.close()


@check
def a_cancelled_statement_stops(connection):
    # More than there are places: each has to leave its own.
    for _ in range(6):
        with connection.cursor() as cursor:
            reader = cursor.execute(ENDLESS).fetch_record_batch()
            assert reader.read_next_batch().num_rows > 0
            cursor.adbc_cancel()
            refused(OSError, "canceled", reader.read_all)
    with connection.cursor() as cursor, ThreadPoolExecutor(1) as threads:
        cursor.execute(f"SELECT count(*) FROM ({ENDLESS})")
        fetched = threads.submit(cursor.fetchall)
        cursor.adbc_cancel()
        refused(OperationalError, "CANCEL", fetched.result)
    assert fetch(connection, "SELECT 1 AS x").num_rows == 1


@check
def an_abandoned_statement_stops(connection):
    for _ in range(6):
        with connection.cursor() as cursor:
            assert cursor.execute(ENDLESS).fetchone() is not None
    assert fetch(connection, "SELECT 1 AS x").num_rows == 1


@check
def an_error_in_the_middle_comes_after_the_rows_before_it(connection):
    late = "CASE WHEN value = 999999 THEN {} ELSE {} END"
    for expression, text in [
        (f"1 / {late.format(0, 1)}", "Divide by zero"),
        (f"CAST({late.format('$$x$$', '$$1$$')} AS BIGINT)", "Cannot cast string 'x'"),
    ]:
        with connection.cursor() as cursor:
            reader = cursor.execute(f"SELECT {expression} AS x FROM range(0, 1000000)").fetch_record_batch()
            assert reader.read_next_batch()["x"][0].as_py() == 1
            refused(pa.ArrowInvalid, text, reader.read_all)


@check
def only_reading_is_served(connection):
    for statement in [
        "DROP TABLE sources",
        "DELETE FROM sources",
        "INSERT INTO sources SELECT * FROM sources",
        "CREATE VIEW v AS SELECT 1",
        "SET datafusion.execution.batch_size = 1",
        "COPY sources TO '/tmp/sources.csv'",
    ]:
        refused(ProgrammingError, "INVALID_ARGUMENT", fetch, connection, statement)
    with connection.cursor() as cursor:
        refused(NotSupportedError, "read-only", cursor.executemany, "SELECT ? AS x", [(1,), (2,)])
    with connection.cursor() as cursor:
        refused(NotSupportedError, "diaflight ingest", cursor.adbc_ingest, "t", pa.table({"x": [1]}))
    with connection.cursor() as cursor:
        refused(NotSupportedError, "as SQL", cursor.execute, b"a Substrait plan")


@check
def compressed_rows_are_the_same(connection):
    header = "adbc.flight.sql.rpc.call_header.x-diaflight-compression"
    statement = f"SELECT {COLUMNS} FROM sources ORDER BY diaSourceId"
    for codec in ["lz4", "zstd"]:
        with connect(**{header: codec}) as compressed:
            same(fetch(compressed, statement), fetch(connection, statement))


@check
def polars_and_pandas_read_through_it(connection):
    statement = f"SELECT {COLUMNS} FROM sources ORDER BY diaSourceId"
    expected = stored().select(COLUMNS.split(", "))
    uri = f"flightsql://{ADDRESS}?transport=tcp"
    same(pl.read_database_uri(statement, uri, engine="adbc").to_arrow(), expected)
    same(pl.read_database(statement, connection).to_arrow(), expected)
    one = pl.read_database("SELECT ? AS x", connection, execute_options={"parameters": [7]})
    assert one.rows() == [(7,)], one
    same(pa.Table.from_pandas(pd.read_sql(statement, connection)), expected)
    assert len(pd.read_sql("objects", connection)) == stored("objects").num_rows


for function in CHECKS:
    with connect() as connection:
        function(connection)
print(json.dumps([function.__name__ for function in CHECKS]))
