"""Alerts through a data frame: FRAME.parquet gets the packets of ALERTS.parquet as pandas and pyarrow write them, with ints as
longs, floats as doubles, and no type where every value is missing. Maps, which no column is made of, are left out: a frame does
not give them back."""

import sys

import pyarrow
import pyarrow.parquet

alerts, frame = sys.argv[1:]
columns = [field.name for field in pyarrow.parquet.read_schema(alerts) if "map<" not in str(field.type)]
packets = pyarrow.parquet.read_table(alerts, columns=columns).to_pandas()
pyarrow.parquet.write_table(pyarrow.Table.from_pandas(packets, preserve_index=False), frame)
for field in pyarrow.parquet.read_schema(frame):
    print(field.name, field.type)
