"""Reads the server's own files with DuckDB, without the server: the tables are Delta tables of plain Parquet.

Counts the detections of each band in the files, and compares with the server's count for the same version.
Usage: duckdb_files.py WAREHOUSE http://localhost:8080
WAREHOUSE is a folder or s3://bucket/prefix, with the same AWS_* variables as for the server.
Needs: pip install duckdb deltalake pyarrow adbc-driver-flightsql
"""
import os
import sys

import duckdb
from adbc_driver_flightsql import dbapi
from deltalake import DeltaTable

COUNTS = "SELECT band, count(*) AS sources, avg(psfFlux) AS mean_flux_njy FROM {} GROUP BY band ORDER BY band"

warehouse, url = sys.argv[1:]
settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
table = DeltaTable(f"{warehouse}/sources", storage_options=settings)

# The Delta log lists the files of the newest version, and the range of ids in each of them.
sources = table.to_pyarrow_dataset()
connection = duckdb.connect()
connection.register("sources", sources)
from_files = connection.execute(COUNTS.format("sources")).fetchall()

with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as server, server.cursor() as cursor:
    from_server = cursor.execute(COUNTS.format(f"sources@{table.version()}")).fetchall()

print(f"version {table.version()} of sources, {len(table.file_uris())} files in {table.table_uri}")
for (band, here, mean), (its_band, there, its_mean) in zip(from_files, from_server, strict=True):
    same = (band, here) == (its_band, there) and abs(mean - its_mean) <= 1e-6 * abs(mean)
    print(f"band {band}: {here} sources of {mean:.1f} nJy on average; the server says {'the same' if same else there}")
    if not same:
        sys.exit("the files and the server differ")
print(f"{sum(count for _, count, _ in from_files)} sources in all")
