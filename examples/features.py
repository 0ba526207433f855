"""Computes a table of light-curve features of ten thousand objects, with one row for each object and band.

SQL selects the objects, one exchange over Flight reads all their light curves, and the light-curve package computes on all cores.
Usage: features.py grpc://localhost:8080 [OBJECTS [FILE.parquet]]
Needs: pip install light-curve numpy pyarrow adbc-driver-flightsql
"""
import json
import sys
import time

import light_curve
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_flightsql import dbapi
from pyarrow import flight

AT_LEAST = 5  # measurements in a band; the features need at least four
EXTRACTOR = light_curve.Extractor(
    light_curve.Amplitude(), light_curve.BeyondNStd(1.5), light_curve.EtaE(), light_curve.InterPercentileRange(0.25),
    light_curve.Kurtosis(), light_curve.LinearTrend(), light_curve.ReducedChi2(), light_curve.Skew(),
    light_curve.StetsonK(), light_curve.WeightedMean(),
)


def some_objects(url, limit):
    """The ids of the objects with the most detections, as an Arrow table with the column diaObjectId."""
    statement = "SELECT diaObjectId FROM objects WHERE nDiaSources >= ? ORDER BY nDiaSources DESC LIMIT ?"
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement, (AT_LEAST, limit))
        return cursor.fetch_arrow_table()


def light_curves(url, ids):
    """All detections of these objects, sorted by object, band and time."""
    columns = ["r:diaObjectId", "r:band", "r:midpointMjdTai", "r:psfFlux", "r:psfFluxErr"]
    request = json.dumps({"endpoint": "sources", "columns": columns})
    writer, reader = flight.connect(url).do_exchange(flight.FlightDescriptor.for_command(request))
    with writer:
        writer.begin(ids.schema)
        writer.write_table(ids)
        writer.done_writing()
        rows = reader.read_all().drop_null()
    return rows.sort_by([(name, "ascending") for name in columns[:3]])


def by_object_and_band(rows):
    """The object, the band, and the first and last row of each light curve."""
    ids, bands = rows["r:diaObjectId"].to_numpy(), rows["r:band"].to_numpy()
    changes = np.flatnonzero((ids[1:] != ids[:-1]) | (bands[1:] != bands[:-1])) + 1
    starts = np.concatenate([[0], changes])
    ends = np.concatenate([changes, [len(ids)]])
    long = ends - starts >= AT_LEAST
    return ids[starts[long]], bands[starts[long]], list(zip(starts[long], ends[long]))


url = sys.argv[1]
limit = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
file = sys.argv[3] if len(sys.argv) > 3 else "features.parquet"

start = time.monotonic()
ids = some_objects(url, limit)
rows = light_curves(url, ids)
read = time.monotonic()
whose, bands, cuts = by_object_and_band(rows)
values = [rows[name].to_numpy().astype(np.float64) for name in ["r:midpointMjdTai", "r:psfFlux", "r:psfFluxErr"]]
curves = [tuple(value[begin:end] for value in values) for begin, end in cuts]
features = EXTRACTOR.many(curves, sorted=True, fill_value=np.nan, n_jobs=-1)

table = {"diaObjectId": whose, "band": bands, "measurements": [end - begin for begin, end in cuts]}
table |= {name: features[:, column] for column, name in enumerate(EXTRACTOR.names)}
pq.write_table(pa.table(table), file)
print(f"{rows.num_rows} detections of {ids.num_rows} objects read in {read - start:.1f} s")
print(f"{len(curves)} light curves, {len(EXTRACTOR.names)} features of each, in {file} after {time.monotonic() - start:.1f} s")
