"""Alerts through a data frame: FRAME.parquet gets the packets of ALERTS.parquet as pandas and pyarrow write them, with ints as
longs, floats as doubles, and no type where every value is missing."""

import sys

import pyarrow
import pyarrow.parquet

alerts, frame = sys.argv[1:]
packets = pyarrow.parquet.read_table(alerts).to_pandas()
pyarrow.parquet.write_table(pyarrow.Table.from_pandas(packets, preserve_index=False), frame)
for field in pyarrow.parquet.read_schema(frame):
    print(field.name, field.type)
