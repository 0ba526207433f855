"""Reads rows that `diaflight sql` printed, with readers that are not ours.

Prints {"types": {column: type}, "rows": [{column: value}]} as JSON. Usage: read_rows.py FORMAT FILE
"""
import json
import sys

import pandas
import pyarrow
import pyarrow.parquet


def read(form, file):
    if form == "csv":
        rows = pandas.read_csv(file, dtype_backend="numpy_nullable")
        return rows.dtypes.astype(str).to_dict(), rows.astype(object).where(rows.notna(), None).to_dict("records")
    if form == "json":
        rows = json.load(open(file))
        return {}, rows
    table = pyarrow.parquet.read_table(file) if form == "parquet" else pyarrow.ipc.open_stream(file).read_all()
    return {field.name: str(field.type) for field in table.schema}, table.to_pylist()


types, rows = read(*sys.argv[1:])
print(json.dumps({"types": types, "rows": rows}, default=str))
