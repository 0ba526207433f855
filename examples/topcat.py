"""Reads some objects' detections as a VOTable for TOPCAT, and checks the file with astropy's validator.

Usage: topcat.py http://localhost:8080 [FILE.vot [diaObjectId ...]]
Needs: pip install astropy requests pyarrow adbc-driver-flightsql
"""
import io
import sys

import requests
from adbc_driver_flightsql import dbapi
from astropy.io import votable


def newest(url):
    """The ids of some objects with more than one detection, found by SQL."""
    statement = "SELECT diaObjectId FROM newest_objects WHERE nDiaSources > 1 LIMIT 20"
    with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as connection:
        with connection.cursor() as cursor:
            return [str(dia_object_id) for (dia_object_id,) in cursor.execute(statement).fetchall()]


url = sys.argv[1]
file = sys.argv[2] if len(sys.argv) > 2 else "sources.vot"
ids = sys.argv[3:] or newest(url)
arguments = {
    "diaObjectId": ",".join(ids),
    "columns": "r:diaObjectId,r:diaSourceId,r:ra,r:dec,r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr,v:abMag,v:abMagErr,v:dateUtc,r:reliability",
    "output-format": "votable",
}
answer = requests.get(f"{url}/api/v1/sources", params=arguments, timeout=60)
answer.raise_for_status()
with open(file, "wb") as out:
    out.write(answer.content)

report = io.StringIO()
valid = votable.validate(file, output=report)
rows = votable.parse_single_table(file).array
print(f"{len(rows)} detections of {len(ids)} objects in {file}, {'a valid' if valid else 'not a valid'} VOTable")
print(f"open it:              topcat {file}")
print(f"or without the file:  topcat -f votable '{answer.url}'")
if not valid:
    sys.exit(report.getvalue())
