"""Reads the tables of a warehouse with the deltalake package, and compares every row and value with a server's.

Prints the number of rows of each table as one JSON object; fails at the first difference.
Usage: read_delta.py WAREHOUSE SERVER_URL (S3 settings from the AWS_* variables)
"""
import json
import os
import sys

import deltalake
import pyarrow as pa
import requests

IDENTITY = {"sources": "r:diaSourceId", "fp": "r:diaForcedSourceId", "objects": "r:diaObjectId"}
STORAGE = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def stored(warehouse, name):
    """The rows in storage, under the names that the server gives them. Columns without a family are not served."""
    table = deltalake.DeltaTable(f"{warehouse}/{name}", storage_options=STORAGE)
    families = {field.name: field.metadata.get("family") for field in table.schema().fields}
    rows = table.to_pyarrow_table()
    return pa.table({f"{families[n]}:{n}": rows[n] for n in rows.column_names if families[n]})


def served(session, url, name, ids):
    arguments = {"diaObjectId": ids, "output-format": "arrow"}
    answer = session.post(f"{url}/api/v1/{name}", json=arguments, timeout=120)
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def compare(name, left, right):
    assert left.num_rows == right.num_rows, f"{name}: {left.num_rows} rows stored, {right.num_rows} served"
    assert sorted(left.column_names) == right.column_names, f"{name}: {left.column_names} and {right.column_names}"
    left, right = left.sort_by(IDENTITY[name]), right.sort_by(IDENTITY[name])
    ids = left[IDENTITY[name]].to_pylist()
    assert len(set(ids)) == len(ids) and None not in ids, f"{name}: ids are not unique"
    for column in right.column_names:
        a, b = left[column].cast(right[column].type).to_pylist(), right[column].to_pylist()
        assert list(map(repr, a)) == list(map(repr, b)), f"{name}: {column} differs"  # repr: nan equals nan


def main():
    warehouse, url = sys.argv[1:]
    session, counts = requests.Session(), {}
    session.trust_env = False  # no proxy
    for name in IDENTITY:
        rows = stored(warehouse, name)
        ids = sorted(set(rows["r:diaObjectId"].to_pylist()))
        compare(name, rows, served(session, url, name, ids))
        counts[name] = rows.num_rows
    print(json.dumps(counts))


main()
