"""Reads a REST URL with the usual clients, in every output format, and fails if one of them cannot.

The URL asks for all columns of one object's sources, without output-format.
"""
import io
import sys
import tempfile
import warnings

import astropy.units as u
import polars
import pyarrow.parquet
import requests
from astropy.io.votable import parse
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table

url = sys.argv[1]


def of(output_format, more=""):
    return f"{url}{more}&output-format={output_format}"


def body(output_format, more=""):
    answer = requests.get(of(output_format, more))
    answer.raise_for_status()
    return answer


snapshot = body("json").headers["X-Diaflight-Snapshot"]
rows = len(body("json").json())

# polars asks for lengths, then for ranges.
for read in (polars.read_parquet, lambda url: polars.scan_parquet(url).collect()):
    assert read(of("parquet")).height == rows
    assert read(of("parquet", "&columns=r:psfFlux,r:band")).columns == ["r:psfFlux", "r:band"]
for read in (polars.read_csv, lambda url: polars.scan_csv(url).collect()):
    assert read(of("csv")).height == rows

# A part of an answer is the part of the answer.
whole = body("parquet").content
head = requests.head(of("parquet"))
assert int(head.headers["Content-Length"]) == len(whole) and head.headers["Accept-Ranges"] == "bytes"
for asked, part in (("bytes=0-9", whole[:10]), ("bytes=-8", whole[-8:]), ("bytes=100-", whole[100:])):
    answer = requests.get(of("parquet"), headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, part), asked
assert requests.get(of("parquet"), headers={"Range": f"bytes={len(whole)}-"}).status_code == 416

# Answers say what they are from, wherever they are kept.
assert pyarrow.parquet.read_schema(io.BytesIO(whole)).metadata[b"snapshot"] == snapshot.encode()
arrow = pyarrow.ipc.open_stream(body("arrow").content)
assert arrow.schema.metadata == {b"table": b"sources", b"snapshot": snapshot.encode()}

# Units in Parquet.
with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
    file.write(whole)
    file.flush()
    table = Table.read(file.name)
assert len(table) == rows and table.meta["snapshot"] == snapshot
assert (table["r:psfFlux"].unit, table["r:ra"].unit, table["r:midpointMjdTai"].unit) == (u.nJy, u.deg, u.d)

# VOTable: valid, in its systems, and to be written as FITS.
with warnings.catch_warnings():
    warnings.simplefilter("error")
    for more in ("", "&withupperlim=True", "&columns=r:midpointMjdTai,v:totalAbMag,v:dateUtc", "&columns=r:nothing"):
        votable = parse(io.BytesIO(body("votable", more).content), verify="exception")
        found = votable.get_first_table()
        for field in found.fields:
            if field.ucd:
                parse_ucd(field.ucd, check_controlled_vocabulary=True)
        if more == "&columns=r:nothing":
            assert len(found.fields) == 0
            continue
        infos = {info.name: info.value for info in votable.resources[0].infos}
        assert infos["snapshot"].split(";")[0] == snapshot and infos["table"] == "sources"
        time = next(field for field in found.fields if field.name == "r:midpointMjdTai")
        system = next(system for system in votable.resources[0].time_systems if system.ID == time.ref)
        assert (system.timescale, system.timeorigin, system.refposition) == ("TAI", "MJD-origin", "TOPOCENTER")
        if more == "":
            ra = next(field for field in found.fields if field.name == "r:ra")
            assert votable.resources[0].coordinate_systems[0].ID == ra.ref
        table = found.to_table()
        texts = [name for name in table.colnames if table[name].dtype.kind == "O"]
        assert not texts, f"texts without a length: {texts}"

with tempfile.NamedTemporaryFile(suffix=".fits") as file, warnings.catch_warnings():
    warnings.simplefilter("ignore")  # FITS has no units such as nJy
    table.write(file.name, overwrite=True)
    assert len(QTable.read(file.name)) == len(table)
