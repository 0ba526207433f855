"""Searches in regions of the sky: maps as astropy writes them, MOCs of mocpy, polygons. What is found is held against numpy.

Arguments: the URL of the server, and a CSV file of the newest source of each object: id, ra, dec, time of the first source (MJD, TAI).
"""

import base64
import gzip
import io
import json
import sys

import astropy.units as u
import numpy as np
import requests
from astropy.io import fits
from astropy.time import Time
from astropy_healpix import HEALPix
from mocpy import MOC

url = f"{sys.argv[1]}/api/v1/skymap"
ids, ra, dec, first = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1, unpack=True, dtype=object)
ids, ra, dec, first = ids.astype(np.int64), ra.astype(float), dec.astype(float), first.astype(float)
random = np.random.default_rng(7)
centre = np.median(ra), np.median(dec)


def ask(body=None, media_type="application/fits", **arguments):
    if body is None:
        answer = requests.post(url, json={"columns": "r:diaObjectId", **arguments})
    else:
        query = {"columns": "r:diaObjectId", **arguments}
        answer = requests.post(url, params=query, data=body, headers={"Content-Type": media_type})
    assert answer.ok, answer.text
    return answer


def found(*args, **arguments):
    return [row["r:diaObjectId"] for row in ask(*args, **arguments).json()]


def refused(word, *args, **arguments):
    sent = {"params": arguments, "data": args[0], "headers": {"Content-Type": "application/fits"}} if args else {"json": arguments}
    answer = requests.post(url, **sent)
    assert answer.status_code == 400 and word in answer.json()["text"], f"{answer.status_code} {answer.text}, expected {word}"


def cell(order):
    return HEALPix(nside=2**order, order="nested").lonlat_to_healpix(ra * u.deg, dec * u.deg)


def file(columns, **keywords):
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update({"PIXTYPE": "HEALPIX", "COORDSYS": "C", **keywords})
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(out)
    return out.getvalue()


# A map of many orders, as those of gravitational waves: finer around the middle of the survey.
cells, order = np.arange(12), 0
orders, numbers = [], []
while len(cells):
    lon, lat = HEALPix(nside=2**order, order="nested").healpix_to_lonlat(cells)
    is_near = np.hypot((lon.deg - centre[0] + 180) % 360 - 180, lat.deg - centre[1]) < 120 / 2**order
    is_near &= order < 9
    orders += [order] * int((~is_near).sum())
    numbers += list(cells[~is_near])
    cells, order = (4 * cells[is_near][:, None] + np.arange(4)).ravel(), order + 1
orders, numbers = np.array(orders), np.array(numbers, dtype=np.int64)
density = random.random(len(orders)) * 2.0**orders
shuffled = random.permutation(len(orders))
orders, numbers, density = orders[shuffled], numbers[shuffled], density[shuffled]
observed = "2026-01-20T03:04:05.6" if len(sys.argv) < 4 else sys.argv[3]
multi_order = file(
    [
        fits.Column("UNIQ", "K", array=4 * 4**orders + numbers),
        fits.Column("PROBDENSITY", "D", array=density),
        fits.Column("DISTMU", "D", array=density),
    ],
    ORDERING="NUNIQ",
    **{"DATE-OBS": observed},
)

by_density = np.lexsort((numbers * 4.0 ** (29 - orders), -density))
probability = density / 4.0**orders
levels = np.empty(len(density))
levels[by_density] = np.cumsum(probability[by_density]) / probability.sum()
before = levels - probability / probability.sum()
level_of, before_of = np.full(len(ids), np.nan), np.full(len(ids), np.nan)
for order in np.unique(orders):
    at = dict(zip(numbers[orders == order], np.flatnonzero(orders == order)))
    for i, number in enumerate(cell(order)):
        if number in at:
            level_of[i], before_of[i] = levels[at[number]], before[at[number]]
assert np.isfinite(level_of).all()
event = Time(observed, scale="utc").tai.mjd

for credible in (0.3, 0.9, 1.0):
    everywhere = before_of < credible
    rows = ask(multi_order, credible_level=credible, startdate="2000-01-01").json()
    expected = np.lexsort((ids[everywhere], level_of[everywhere]))
    assert [row["r:diaObjectId"] for row in rows] == list(ids[everywhere][expected])
    assert np.allclose([row["v:credible_level"] for row in rows], level_of[everywhere][expected], rtol=0, atol=1e-12)
    assert all(abs(row["v:startgwMjdTai"] - event) < 1e-9 for row in rows)
    for n_day_before, n_day_after in ((None, None), (7, 14), (0, 0.5)):
        days = {key: value for key, value in (("n_day_before", n_day_before), ("n_day_after", n_day_after)) if value is not None}
        start, stop = event - (1 if n_day_before is None else n_day_before), event + (6 if n_day_after is None else n_day_after)
        in_time = everywhere & (first >= start) & (first <= stop)
        rows = found(multi_order, credible_level=credible, **days)
        assert set(rows) == set(ids[in_time]), (credible, days)
    count = ask(multi_order, credible_level=credible, startdate="2000-01-01", count="true").json()
    assert count == [{"v:count": int(everywhere.sum())}]
assert len(found(multi_order, credible_level=1, n_day_before=7, n_day_after=14)) > 0
assert 0 < (before_of < 0.3).sum() < len(ids)

some = ask(multi_order, credible_level=1, startdate="2000-01-01", n=3)
everyone = found(multi_order, credible_level=1, startdate="2000-01-01")
assert [row["r:diaObjectId"] for row in some.json()] == everyone[:3]
assert some.headers["X-Diaflight-Warning"] == f"3 of {len(everyone)} objects, the first in this order; n={len(everyone)} gives all"
whole = ask(multi_order, credible_level=1, startdate="2000-01-01", columns="*", n=1).json()[0]
assert list(whole)[-2:] == ["v:credible_level", "v:startgwMjdTai"] and "v:separation_degree" not in whole and len(whole) > 100

# Flat maps, as healpy writes them: many cells in a row.
nside = 64
flat = random.random(12 * nside**2).astype(np.float32) ** 9
flat[:1000] = -1.6375e30  # unseen
for ordering, scheme in (("NESTED", "nested"), ("RING", "ring")):
    at = HEALPix(nside=nside, order=scheme).lonlat_to_healpix(ra * u.deg, dec * u.deg)
    seen = np.where(flat > 0, flat, 0).astype(float)
    positions = np.arange(len(flat)) if scheme == "nested" else HEALPix(nside=nside, order="ring").ring_to_nested(np.arange(len(flat)))
    by_density = np.lexsort((positions, -seen))
    sums = np.empty(len(flat))
    sums[by_density] = np.cumsum(seen[by_density]) / seen.sum()
    inside = (sums - seen / seen.sum() < 0.8)[at] & (seen[at] > 0)
    column = fits.Column("PROB", "1024E", array=flat.reshape(-1, 1024))
    plain = file([column], ORDERING=ordering, NSIDE=nside, INDXSCHM="IMPLICIT")
    packed = gzip.compress(plain)
    expected = set(ids[inside])
    assert 0 < len(expected) < len(ids)
    assert set(found(plain, credible_level=0.8)) == expected
    assert set(found(packed, "application/gzip", credible_level=0.8)) == expected
    assert set(found(skymap=base64.encodebytes(packed).decode(), credible_level=0.8)) == expected
    # As Fink's portal sends it.
    assert set(found(bayestar=str(packed), credible_level=0.8)) == expected

# MOCs.
lon, lat = ra * u.deg, dec * u.deg
part = MOC.from_cone(centre[0] * u.deg, centre[1] * u.deg, radius=40 * u.deg, max_depth=10)
moc = part.union(MOC.from_healpix_cells(cell(20)[:3], 20, 20)).union(MOC.from_healpix_cells(cell(29)[3:6], 29, 29))
expected = set(ids[moc.contains_lonlat(lon, lat)])
assert 0 < len(expected) < len(ids)
for v1_compatible in (False, True):
    out = io.BytesIO()
    moc.serialize("fits", v1_compatible=v1_compatible).writeto(out)
    rows = ask(out.getvalue()).json()
    assert {row["r:diaObjectId"] for row in rows} == expected
    assert all(row["v:credible_level"] is None and row["v:startgwMjdTai"] is None for row in rows)
as_json = moc.serialize("json")
assert set(found(moc=as_json)) == expected and set(found(moc=json.dumps(as_json))) == expected

# A triangle, whose sides are arcs of great circles.
corners = [[centre[0] - 35, centre[1] - 25], [centre[0] + 40, centre[1] - 20], [centre[0] + 5, centre[1] + 30]]


def vector(place):
    lon, lat = np.radians(place)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


places = np.array([vector(place) for place in zip(ra, dec)])
sides = [places @ np.cross(vector(one), vector(other)) for one, other in zip(corners, corners[1:] + corners[:1])]
expected = set(ids[np.all([side > 0 for side in sides], axis=0)])
assert 0 < len(expected) < len(ids)
assert set(found(polygon=corners)) == expected
assert set(found(polygon=", ".join(f"{lon} {lat}" for lon, lat in corners))) == expected
assert found(polygon=corners, n=2) == sorted(expected)[:2]

refused("credible_level is missing", multi_order)
refused("https://gracedb.ligo.org/", event_name="S230709bi", credible_level=0.9)
refused("a region is missing", credible_level=0.9)
refused("two regions, skymap and polygon", polygon=corners, skymap="")
refused("two regions, the body and polygon", multi_order, polygon="1 2,3 4,5 6", credible_level=0.9)
refused("bayestar must be the text", bayestar="__import__('os').system('touch /tmp/evaluated')", credible_level=0.9)
refused("base64", skymap="?", credible_level=0.9)
refused("skymap: it is no FITS file", skymap=base64.b64encode(b" " * 80 + b"END".ljust(80) + b" " * 2720).decode(), credible_level=0.9)
refused("no probabilities", out.getvalue(), credible_level=0.9)
refused("leave it out", polygon=corners, credible_level=0.9)
refused("3 to 1000", polygon=corners[:2])
refused("half of the sky", polygon=[[0, 0], [120, 0], [240, 0]])
refused("corner 1: dec", polygon=[[0, 0], [1, 91], [2, 0]])
refused("there is no cell 48 of order 1", moc={"1": [48]})
refused("lie in each other", moc={"1": [4], "0": [1]})
refused("n_day_before must be a number of days from 0 to 7", multi_order, credible_level=0.9, n_day_before=8)
refused("beside other times", multi_order, credible_level=0.9, n_day_before=1, startdate="2026-01-01")
refused("DATE-OBS", polygon=corners, n_day_after=1)
refused("credible_level must be", multi_order, credible_level=1.5)
refused("n must be", polygon=corners, n=0)
bomb = gzip.compress(multi_order + bytes(600 << 20))
assert len(bomb) < 4 << 20
assert set(found(bomb, credible_level=1, startdate="2000-01-01")) == set(everyone), "what follows the table is not read"
bomb = gzip.compress(fits.PrimaryHDU().header.tostring().encode() + b"XTENSION= 'IMAGE   '".ljust(80) + bytes(600 << 20))
refused("the body", bomb, credible_level=0.9)
print(len(ids), "objects")
