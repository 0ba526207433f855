"""Reads the packets that `diaflight generate --packets` wrote, with fastavro and astropy, and checks what every packet promises.

Prints what was found as JSON. Usage: packets.py FOLDER
"""
import io
import json
import sys
from pathlib import Path

import fastavro
import numpy
from astropy.io import fits
from astropy.wcs import WCS

MONTHS_12 = 365.0
FIRST_NIGHT_MJD = 60945
RUBIN = ["diaSourceId", "observation_reason", "target_name", "diaSource", "diaObject", "prvDiaSources", "prvDiaForcedSources"]
FINK = ["lsst_schema_version", "fink_broker_version", "fink_science_version", "clf", "xm", "pred", "misc"]
CUTOUTS = ["cutoutScience", "cutoutTemplate", "cutoutDifference"]


def image(packet, name):
    with fits.open(io.BytesIO(packet[name])) as file:
        file.verify("exception")
        (hdu,) = file
        assert hdu.data.shape == (30, 30) and hdu.header["BUNIT"] == "nJy"
        centre = WCS(hdu.header).pixel_to_world(14.5, 14.5)
        source = packet["diaSource"]
        assert abs(centre.ra.deg - source["ra"]) < 1e-9 and abs(centre.dec.deg - source["dec"]) < 1e-9
        return hdu.data.astype(float)


def check(packet):
    assert set(packet) == {*RUBIN, *FINK, *CUTOUTS}, set(packet)
    source, state = packet["diaSource"], packet["diaObject"]
    history, forced = packet["prvDiaSources"] or [], packet["prvDiaForcedSources"] or []
    now = source["midpointMjdTai"]
    assert packet["diaSourceId"] == source["diaSourceId"]
    assert {row["diaObjectId"] for row in [source, state, *history, *forced]} == {source["diaObjectId"]}
    times = [row["midpointMjdTai"] for row in history]
    assert times == sorted(times) and all(now - MONTHS_12 <= time < now for time in times)
    assert all(now - MONTHS_12 <= row["midpointMjdTai"] <= now for row in forced)
    assert state["lastDiaSourceMjdTai"] == now and state["nDiaSources"] > len(history)
    assert (state["nDiaSources"] == 1) == packet["pred"]["is_first"]
    assert set(source) == {key for row in [source, *history] for key in row}
    science, template, difference = (image(packet, name) for name in CUTOUTS)
    assert numpy.allclose(science, template + difference, rtol=1e-3, atol=1e-3 * abs(template).max())
    return len(history), len(forced)


found = {"files": 0, "alerts": 0, "history": 0, "forced": 0}
for night in sorted(Path(sys.argv[1]).iterdir()):
    ids = []
    for path in sorted(night.iterdir()):
        found["files"] += 1
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == "null"
            for packet in reader:
                held = check(packet)
                found["alerts"] += 1
                found["history"] += held[0]
                found["forced"] += held[1]
                ids.append(packet["diaSourceId"])
                # Observing begins after midnight in UTC, and a night is that of its evening in Chile.
                assert int(packet["diaSource"]["midpointMjdTai"] - 1) - FIRST_NIGHT_MJD == int(night.name.removeprefix("night-"))
    assert ids == sorted(set(ids)) and ids, night
print(json.dumps(found))
