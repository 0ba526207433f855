"""Rewrites the tables of a warehouse as another engine would: with the deltalake package, or by hand.

Usage: foreign.py WAY WAREHOUSE, where WAY is one of the functions below.
"""
import json
import os
import sys
import time
import uuid

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

IDENTITY = {"sources": "diaSourceId", "fp": "diaForcedSourceId", "objects": "diaObjectId"}


def compact(table, name):
    """Objects, which each night replaces, are in one file already."""
    assert table.optimize.compact()["numFilesRemoved"] > 1 or name == "objects"


def z_order(table, name):
    table.optimize.z_order(["ra", IDENTITY[name]])


def delete(table, name):
    table.delete(f"{IDENTITY[name]} % 7 = 3")


def merge(table, name):
    rows = table.to_pyarrow_table()
    column = rows.column_names.index("ra")
    changed = rows.set_column(column, rows.field("ra"), pc.add(rows["ra"], 0.125)).slice(5, 40)
    identity = IDENTITY[name]
    merged = table.merge(changed, f"t.{identity} = s.{identity}", source_alias="s", target_alias="t")
    merged.when_matched_update_all().execute()


def overwrite(table, name):
    """In two files whose ranges of keys overlap."""
    rows = table.to_pyarrow_table().sort_by("ra")
    half = rows.num_rows // 2
    deltalake.write_deltalake(table, rows.slice(0, half), mode="overwrite")
    deltalake.write_deltalake(table, rows.slice(half), mode="append")


def unknown(table, name):
    """A file of which neither the log nor the footer tells a thing, but for an order that it has not."""
    rows = table.to_pyarrow_table().sort_by("ra")
    rows = rows.select(rows.column_names[::-1])
    order = ["diaObjectId", "midpointMjdTai", IDENTITY[name]] if name != "objects" else ["diaObjectId"]
    lie = [pq.SortingColumn(rows.column_names.index(column)) for column in order]
    path = f"part-{uuid.uuid4()}.parquet"
    folder = table.table_uri.removeprefix("file://")
    pq.write_table(rows, f"{folder}/{path}", row_group_size=17, write_statistics=False, sorting_columns=lie,
                   use_dictionary=True, compression="zstd")
    now = int(time.time() * 1000)
    add = {"path": path, "size": os.path.getsize(f"{folder}/{path}"), "partitionValues": {},
           "modificationTime": now, "dataChange": True}
    old = [{"path": os.path.basename(file), "deletionTimestamp": now, "dataChange": True} for file in table.file_uris()]
    entry = [{"remove": remove} for remove in old] + [{"add": add}]
    with open(f"{folder}/_delta_log/{table.version() + 1:020}.json", "x") as log:
        log.write("\n".join(json.dumps(action) for action in entry))


def main():
    way, warehouse = sys.argv[1:]
    for name in IDENTITY:
        globals()[way](deltalake.DeltaTable(f"{warehouse}/{name}"), name)


main()
