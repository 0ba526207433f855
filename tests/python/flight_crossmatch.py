"""Sends places through an exchange and holds the objects near each against astropy and against `/api/v1/crossmatch`.

Arguments: the addresses of the server for Flight and for HTTP.
"""

import json
import sys
import urllib.request

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
from astropy.coordinates import angular_separation

client, http = flight.connect(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(5)


def exchange(batches, **arguments):
    """The rows, and what the last message says of them. All is written before anything is read."""
    command = flight.FlightDescriptor.for_command(json.dumps({"endpoint": "crossmatch", **arguments}))
    writer, reader = client.do_exchange(command)
    with writer:
        writer.begin(batches[0].schema)
        for batch in batches:
            writer.write_batch(batch)
        writer.done_writing()
        chunks = list(reader)
    assert chunks[-1].data.num_rows == 0 and not any(chunk.app_metadata for chunk in chunks[:-1])
    rows = pa.Table.from_batches([chunk.data for chunk in chunks], reader.schema)
    return rows, json.loads(chunks[-1].app_metadata.to_pybytes())


def refused(*words, batches=None, **arguments):
    try:
        exchange(batches or [places([1.0], [2.0])], **arguments)
    except pa.ArrowInvalid as error:
        assert all(word in str(error) for word in words), f"{error} without {words}"
    else:
        raise AssertionError(f"nothing was refused, expected {words}")


def vectors(ra, dec):
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def places(ra, dec):
    return pa.record_batch({"ra": pa.array(ra), "dec": pa.array(dec)})


# The newest source of each object.
info = client.get_flight_info(
    flight.FlightDescriptor.for_command(
        json.dumps({"endpoint": "sources", "columns": ["r:diaObjectId", "r:midpointMjdTai", "r:ra", "r:dec"]})
    )
)
sources = pa.concat_tables([client.do_get(part.ticket).read_all() for part in info.endpoints]).to_pandas()
newest = sources.groupby("r:diaObjectId").first().reset_index()

# Places near objects, some in two of them, and many where there is nothing.
near = newest.sample(400, random_state=1)
ra = np.concatenate([near["r:ra"] + random.normal(0, 3e-4, len(near)), random.uniform(-360, 720, 150_000)])
dec = np.concatenate([near["r:dec"] + random.normal(0, 3e-4, len(near)), np.degrees(np.arcsin(random.uniform(-1, 1, 150_000)))])
order = random.permutation(len(ra))
ra, dec = ra[order], np.clip(dec[order], -90, 90)
batches = [places(ra[i : i + 7000], dec[i : i + 7000]) for i in range(0, len(ra), 7000)]
rows, said = exchange(batches, radius=60, n=5, columns=["r:diaObjectId"])
expected, directions = {}, vectors(ra, dec)
for object in newest.itertuples(index=False):
    id, _, object_ra, object_dec = object
    for place in np.flatnonzero(directions @ vectors(object_ra, object_dec) > np.cos(np.radians(61 / 3600))):
        angle = np.degrees(angular_separation(*np.radians([ra[place], dec[place], object_ra, object_dec])))
        if angle <= 60 / 3600:
            expected[str(place), id] = angle
found = dict(zip(zip(rows["v:place"].to_pylist(), rows["r:diaObjectId"].to_pylist()), rows["v:separation_degree"].to_numpy()))
assert len(found) == rows.num_rows and found.keys() == expected.keys(), found.keys() ^ expected.keys()
assert max(abs(found[pair] - expected[pair]) for pair in found) < 1e-12
numbers = [int(place) for place in rows["v:place"].to_pylist()]
assert numbers == sorted(numbers) and len(numbers) >= 350
matched = len(set(numbers))
assert said == {"asked": len(ra), "matched": matched, "unmatched": len(ra) - matched, "snapshot": "0; objects=0"}, said
assert rows.column_names == ["v:place", "r:diaObjectId", "r:ra", "r:dec", "r:midpointMjdTai", "v:separation_degree"]

# As REST has it, with every column and fewer of each.
some = [i for i in range(len(ra)) if i in set(numbers)][:50]
rows, said = exchange([places(ra[some], dec[some])], radius=60, **{"as_of": "0; objects=0", "fooled": 1}, compression="zstd")
body = json.dumps({"places": [[ra[i], dec[i]] for i in some], "radius": 60, "output-format": "arrow"})
request = urllib.request.Request(f"{http}/api/v1/crossmatch", body.encode(), {"Content-Type": "application/json"})
of_rest = pa.ipc.open_stream(urllib.request.urlopen(request)).read_all()
assert rows.num_rows == 50 and rows.equals(of_rest) and said["warning"] == "ignored arguments: fooled", said
rows, said = exchange([places(np.array([]), np.array([]))], radius=1)
assert rows.num_rows == said["asked"] == 0 and "r:psfFlux" in rows.column_names, said

# What is wrong is said.
refused("radius is missing")
refused("radius", "60 arcseconds", radius=61)
refused("n must be", radius=1, n=0)
refused("columns ra and dec of its batches", radius=1, places=[[1, 2]])
refused("place 1", "dec is 91", radius=1, batches=[places([1.0, 2.0], [3.0, 91.0])])
refused("column dec", "Utf8", radius=1, batches=[places([1.0], ["x"])])
refused("a column ra of degrees", '["id"]', radius=1, batches=[pa.record_batch({"id": [1]})])

print(json.dumps({"matched": matched}))
