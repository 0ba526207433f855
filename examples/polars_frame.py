"""Reads the result of a SQL statement as a polars frame: the mean flux of each object in each band.

Usage: polars_frame.py grpc://localhost:8080
Needs: pip install polars pyarrow adbc-driver-flightsql
"""
import sys

import polars
from adbc_driver_flightsql import dbapi

STATEMENT = """
SELECT diaObjectId, band, count(*) AS measurements, avg(psfFlux) AS mean_flux_njy
FROM sources
GROUP BY diaObjectId, band
"""

with dbapi.connect(sys.argv[1], autocommit=True) as connection:
    means = polars.read_database(STATEMENT, connection)
wide = means.pivot("band", index="diaObjectId", values="mean_flux_njy", sort_columns=True)
print(wide.sort("diaObjectId").head(10))
