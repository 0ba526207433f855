"""Reads some objects' light curves over REST as a polars frame, and computes the colour of each object in each night.

Usage: polars_rest.py http://localhost:8080 [diaObjectId ...]
Needs: pip install polars requests pyarrow adbc-driver-flightsql
"""
import sys

import polars
import requests
from adbc_driver_flightsql import dbapi

url = sys.argv[1]
ids = sys.argv[2:]
if not ids:  # the hundred objects with the longest light curves
    statement = "SELECT diaObjectId FROM objects ORDER BY nDiaSources DESC LIMIT 100"
    with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as connection:
        ids = polars.read_database(statement, connection)["diaObjectId"].to_list()

columns = "r:diaObjectId,r:midpointMjdTai,r:band,r:psfFlux"
arguments = {"diaObjectId": ids, "columns": columns, "output-format": "parquet"}
answer = requests.post(f"{url}/api/v1/sources", json=arguments, timeout=60)
answer.raise_for_status()
sources = polars.read_parquet(answer.content)
print(f"{sources.height} detections of {sources['r:diaObjectId'].n_unique()} objects")

nights = (
    sources.filter(polars.col("r:psfFlux") > 0)
    # Rubin's observing night is the date in UTC-12. TAI is 37 seconds ahead of UTC.
    .with_columns(night=(polars.col("r:midpointMjdTai") - 37 / 86400 - 0.5).floor().cast(polars.Int32))
    .pivot("r:band", index=["r:diaObjectId", "night"], values="r:psfFlux", aggregate_function="median")
)
if {"g", "r"} <= set(nights.columns):
    g_minus_r = -2.5 * (polars.col("g") / polars.col("r")).log10()
    colours = nights.with_columns(g_minus_r=g_minus_r).drop_nulls("g_minus_r").sort("r:diaObjectId", "night")
    print(f"{colours.height} nights with a colour")
    print(colours.select("r:diaObjectId", "night", "g", "r", "g_minus_r").head(10))
