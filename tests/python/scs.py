"""Asks a Simple Cone Search with pyvo, as astronomers do, and prints what came back as JSON.

Arguments: the URL of the server, right ascension, declination and radius in degrees.
"""

import io
import json
import sys

import pyvo
import requests
from astropy.io import votable

url, ra, dec, radius = sys.argv[1], *map(float, sys.argv[2:5])
service = pyvo.dal.SCSService(f"{url}/scs")

found = service.search(pos=(ra, dec), radius=radius, verbosity=1)
fields = {
    field.name: {"ucd": field.ucd, "datatype": field.datatype, "unit": str(field.unit)}
    for field in found.votable.get_first_table().fields
}
columns = service.search(pos=(ra, dec), radius=0)
few = service.search(pos=(ra, dec), radius=radius, maxrec=1)
every = service.search(pos=(ra, dec), radius=radius, verbosity=3)
service_of = {resource.ID: resource for resource in found.votable.resources if resource.utype == "adhoc:service"}
# As TOPCAT does. pyvo's own DatalinkQuery writes all names in capitals, as parameters of IVOA services may be written.
described = service_of["light_curve"]
address = next(param.value for param in described.params if param.name == "accessURL")
column_of = {field.ID: field.name for field in found.votable.get_first_table().fields}
asked = {param.name: found[0][column_of[param.ref]] if param.ref else param.value for param in described.groups[0].entries}
light_curve = votable.parse_single_table(io.BytesIO(requests.get(address, params=asked).content)).to_table(use_names_over_ids=True)
try:
    refused = str(service.search(pos=(ra, dec), radius=6).status)
except pyvo.DALQueryError as error:
    refused = str(error)

print(
    json.dumps(
        {
            "ids": [str(record.id) for record in found],
            "places": [[record.pos.ra.deg, record.pos.dec.deg] for record in found],
            "fields": fields,
            "rows_without_radius": len(columns),
            "columns_without_radius": len(columns.fieldnames),
            "rows_of_one": len(few),
            "services": sorted(service_of),
            "light_curve": sorted(str(id) for id in light_curve["r:diaSourceId"]),
            "columns_of_all": len(every.fieldnames),
            "refused": refused,
        }
    )
)
