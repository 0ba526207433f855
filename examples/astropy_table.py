"""Reads one object's light curve as an astropy table with units, AB magnitudes and dates in UTC.

Usage: astropy_table.py http://localhost:8080 [diaObjectId]
Needs: pip install astropy requests pyarrow adbc-driver-flightsql
"""
import io
import sys

import numpy as np
import requests
from adbc_driver_flightsql import dbapi
from astropy import units as u
from astropy.table import QTable
from astropy.time import Time


def most_measured(url):
    """The id of the object with the most detections, found by SQL."""
    with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT diaObjectId FROM objects ORDER BY nDiaSources DESC LIMIT 1")
            return cursor.fetchone()[0]


url = sys.argv[1]
dia_object_id = sys.argv[2] if len(sys.argv) > 2 else most_measured(url)
arguments = {
    "diaObjectId": dia_object_id,
    "columns": "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr,v:abMag",
    "output-format": "votable",  # includes units and descriptions
}
answer = requests.get(f"{url}/api/v1/sources", params=arguments, timeout=60)
answer.raise_for_status()
rows = QTable.read(io.BytesIO(answer.content), format="votable")
rows.rename_columns(rows.colnames, [name.split(":")[-1].removeprefix("r_").removeprefix("v_") for name in rows.colnames])

# A difference flux is negative if the object is fainter than in the template. It then has no magnitude.
rows = rows[rows["psfFlux"] > 0]
rows["ab_mag"] = rows["psfFlux"].to(u.ABmag)
assert np.allclose(rows["ab_mag"].value, rows["abMag"].value)  # v:abMag, computed by the server, is the same
rows["ab_mag_err"] = 2.5 / np.log(10) * (rows["psfFluxErr"] / rows["psfFlux"]).value * u.mag
# The server's times are in TAI, which is 37 seconds ahead of UTC. Astropy accounts for the leap seconds.
rows["utc"] = Time(rows["midpointMjdTai"].value, format="mjd", scale="tai").utc.isot
rows.sort("utc")

print(f"object {dia_object_id}: {len(rows)} detections of positive flux, from {rows['utc'][0]} to {rows['utc'][-1]} (UTC)")
for name in ["psfFlux", "midpointMjdTai"]:
    print(f"{name} [{rows[name].unit}]: {rows[name].info.description}")
rows["ab_mag"].info.format = rows["ab_mag_err"].info.format = ".3f"
rows["utc", "band", "psfFlux", "psfFluxErr", "ab_mag", "ab_mag_err"].pprint(max_lines=12, max_width=120)
