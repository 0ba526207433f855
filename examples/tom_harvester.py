"""Targets and photometry for a TOM, as a harvester and a broker of the TOM Toolkit return them, but without Django.

`Harvester` has the methods of tom_catalogs' AbstractHarvester: `query` finds an object, `to_target` returns the fields of a Target.
`to_reduced_datums` returns the fields of a ReducedDatum for each clean detection or upper limit. In a TOM, derive the class from
AbstractHarvester and wrap the dictionaries: `Target(**fields)`, `ReducedDatum(target=target, **fields)`.

Usage: tom_harvester.py http://localhost:8080 [diaObjectId]
Needs: pip install requests astropy pyarrow adbc-driver-flightsql
"""
import json
import sys
from datetime import UTC

import requests
from adbc_driver_flightsql import dbapi
from astropy import units as u
from astropy.time import Time


class Harvester:
    name = "diaflight"

    def __init__(self, url):
        self.url = url
        self.catalog_data = {}

    def query(self, term):
        """Finds an object by its diaObjectId."""
        found = self.ask("objects", diaObjectId=str(term).strip())
        self.catalog_data = found[0] if found else {}

    def to_target(self):
        """The fields of a Target. Positions are ICRS, in degrees."""
        row = self.found()
        return {"name": f"LSST {row['r:diaObjectId']}", "type": "SIDEREAL", "ra": row["r:ra"], "dec": row["r:dec"]}

    def to_reduced_datums(self):
        """The fields of a ReducedDatum for each clean detection that has a magnitude, and for each upper limit, oldest first."""
        columns = "r:diaSourceId,r:midpointMjdTai,r:band,v:tag,v:fluxLimit,v:abMag,v:abMagErr"
        dia_object_id = str(self.found()["r:diaObjectId"])
        rows = self.ask("sources", diaObjectId=dia_object_id, columns=columns, withupperlim=True)
        limits_and_clean = (row for row in reversed(rows) if row["v:tag"] in ("valid", "upperlim"))
        return [self.datum(row) for row in limits_and_clean if row["v:tag"] == "upperlim" or row["v:abMag"]]

    def datum(self, row):
        if row["v:tag"] == "upperlim":
            limit = (row["v:fluxLimit"] * u.nJy).to_value(u.ABmag)
            value = {"filter": row["r:band"], "limit": round(limit, 4)}
        else:
            value = {
                "filter": row["r:band"],
                "magnitude": round(row["v:abMag"], 4),
                "error": round(row["v:abMagErr"], 4),
                "diaSourceId": str(row["r:diaSourceId"]),  # text, since JavaScript would round an integer of 64 bits
            }
        time = Time(row["r:midpointMjdTai"], format="mjd", scale="tai").utc
        return {
            "data_type": "photometry",
            "source_name": self.name,
            "source_location": f"{self.url}/api/v1/sources?diaObjectId={self.found()['r:diaObjectId']}",
            "timestamp": time.to_datetime(timezone=UTC),
            "value": value,
        }

    def found(self):
        if not self.catalog_data:
            raise LookupError("no catalog data: call query() with the diaObjectId of a known object")
        return self.catalog_data

    def ask(self, endpoint, **arguments):
        answer = requests.post(f"{self.url}/api/v1/{endpoint}", json=arguments, timeout=60)
        answer.raise_for_status()
        return answer.json()


if __name__ == "__main__":
    url = sys.argv[1]
    if len(sys.argv) > 2:
        dia_object_id = sys.argv[2]
    else:  # the newest object that brightened, as transients do, and has more than ten detections
        statement = (
            "SELECT diaObjectId FROM objects WHERE nDiaSources > 10 AND r_psfFluxMean > 0 "
            "ORDER BY firstDiaSourceMjdTai DESC LIMIT 1"
        )
        with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as connection:
            with connection.cursor() as cursor:
                (dia_object_id,) = cursor.execute(statement).fetchone()

    harvester = Harvester(url)
    harvester.query(dia_object_id)
    print("target:", json.dumps(harvester.to_target()))
    datums = harvester.to_reduced_datums()
    print(f"{len(datums)} photometric points, the last of them:")
    for datum in datums[-1:]:
        print(json.dumps(datum, default=str, indent=2))
