"""Measures searches by place. Of tables with one source for each object: 5 arcseconds around random ones, beside PostgreSQL with q3c, and
100,000 places matched, beside PostgreSQL and astropy. Of a dense field with twenty sources for each object: half a degree, over HTTP.

All must find the same: of cones the rows, the values and the bits of fluxes and times; of matches the objects."""

import json
import sys
import time
import urllib.request
from contextlib import ExitStack
from statistics import median
from types import SimpleNamespace

import astropy.units as u
import numpy
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as parquet
from astropy.coordinates import SkyCoord

from lookups import measured
from postgres import Cluster
from readers import Measurer
from serving import Server
from survey import stored
from usage import used_by

COLUMNS = ["r:diaObjectId", "r:ra", "r:dec", "r:midpointMjdTai", "r:psfFlux"]
CONE_ARCSEC = 5
MATCHED, MATCH_ARCSEC = 100_000, 1
FIELD_DEG, FIELD_DENSITY, FIELD_SOURCES = 0.5, 55_000, 20
ROWS_AT_ONCE = 1_000_000


def sky(built, arguments):
    """Pairs of a name in the results and what was measured."""
    for objects in arguments.sky_objects:
        # Some places of the southern sky, at random.
        table = made(built, arguments, f"sky-{objects}", objects, 1, lambda random, n: (random.uniform(0, 360, n), degrees(random.uniform(-1, 0, n))))
        if objects <= arguments.sky_peers_up_to:
            with Cluster() as cluster:
                cluster.load_places(table)
                yield "cones", cones(built, table, arguments, cluster)
                yield "matches", [matches(built, table, arguments, cluster)]
        else:
            yield "cones", cones(built, table, arguments)
    yield "field", field(built, arguments)


def degrees(sine):
    return numpy.degrees(numpy.arcsin(sine))


def made(built, arguments, name, objects, sources, places):
    """A warehouse of objects at some places, each with so many sources: the columns that searches need. Its rows are those of packets."""
    folder, file = arguments.folder / name, arguments.folder / f"{name}.parquet"
    random = numpy.random.default_rng(1)
    if not (arguments.reuse and folder.exists() and file.exists()):
        print(f"making {name}", file=sys.stderr)
        # In the order of their discovery, as ids are.
        with parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for first in range(0, objects, ROWS_AT_ONCE):
                ra, dec = places(random, min(ROWS_AT_ONCE, objects - first))
                for visit in range(sources):
                    writer.write_table(packets(random, first, visit, ra, dec, objects))
        used_by([built.diaflight, "ingest", "--warehouse", folder, file])
    read = lambda name: parquet.read_table(file, columns=[f"diaSource.{name}"]).flatten()[0].to_numpy()
    return SimpleNamespace(name=name, folder=folder, objects=objects, sources=objects * sources, files=[file], ra=read("ra"), dec=read("dec"))


SOURCE = pa.struct([("diaObjectId", pa.int64()), ("diaSourceId", pa.int64()), ("midpointMjdTai", pa.float64()), ("band", pa.string()),
                    ("psfFlux", pa.float32()), ("psfFluxErr", pa.float32()), ("ra", pa.float64()), ("dec", pa.float64())])
OBJECT = pa.struct([("diaObjectId", pa.int64()), ("ra", pa.float64()), ("dec", pa.float64())])
FORCED = pa.struct([("diaForcedSourceId", pa.int64()), ("diaObjectId", pa.int64()), ("midpointMjdTai", pa.float64()), ("psfFlux", pa.float32())])
SCHEMA = pa.schema([("diaSource", SOURCE), ("diaObject", OBJECT), ("prvDiaForcedSources", pa.list_(FORCED))])


def packets(random, first, visit, ra, dec, objects):
    n = len(ra)
    ids = 170_000_000_000_000_000 + 10_000 * numpy.arange(first, first + n)
    # Sources scatter by a tenth of an arcsecond.
    scattered = [place + random.normal(0, 0.1 / 3600, n) * (visit > 0) for place in (ra, dec)]
    source = [ids, ids + visit * 100 + 1, 61_000 + visit + numpy.arange(n) / n, numpy.array(list("ugrizy"))[ids % 6], random.normal(1000, 300, n).astype("f4"),
              numpy.full(n, 50, "f4"), *scattered]
    struct = lambda of, columns: pa.StructArray.from_arrays([pa.array(column, field.type) for column, field in zip(columns, of)], fields=list(of))
    # A server waits for each table: one forced measurement makes the third.
    forced = [[{"diaForcedSourceId": 1, "diaObjectId": int(ids[0]), "midpointMjdTai": 61_000.0, "psfFlux": 0.0}]] + [[]] * (n - 1)
    return pa.table([struct(SOURCE, source), struct(OBJECT, [ids, ra, dec]), pa.array(forced, SCHEMA.field(2).type)], SCHEMA)


class Engine:
    name = "engine"

    def __init__(self, measurer):
        self.measurer = measurer

    def ask(self, columns, places):
        return self.measurer.ask({"cones": {"columns": columns, "places": places, "radius_arcsec": CONE_ARCSEC}})


class Postgres:
    name = "postgres"

    def __init__(self, client):
        self.client = client

    def ask(self, columns, places):
        return self.client.ask({"columns": [stored(name) for name in columns], "places": places, "radius_deg": CONE_ARCSEC / 3600})


def cones(built, table, arguments, cluster=None):
    draw = lambda seed: around(table, seed, arguments.lookups)
    with ExitStack() as opened:
        readers = [Engine(opened.enter_context(Measurer([built.measurer, "--warehouse", table.folder])))]
        if cluster:
            readers.append(Postgres(opened.enter_context(Measurer([built.postgres, cluster.parameters], hello=False))))
        return measured(table, readers, draw, arguments.rounds, {"4 columns": COLUMNS}, cached=True)


def around(table, seed, count):
    """Places within some arcseconds of objects."""
    random = numpy.random.default_rng(seed)
    chosen = random.integers(0, table.objects, count)
    beside = random.uniform(-CONE_ARCSEC, CONE_ARCSEC, (2, count)) / 3600
    return numpy.stack([table.ra[chosen] + beside[0], numpy.clip(table.dec[chosen] + beside[1], -90, 90)], axis=1).tolist()


def matches(built, table, arguments, cluster):
    """Seconds of matching places, each with the nearest object: over HTTP, by astropy once it has all objects, and by PostgreSQL."""
    seconds = {"diaflight": [], "astropy": [], "postgres": []}
    with Server(built, table) as server:
        for seed in range(arguments.rounds):
            random = numpy.random.default_rng(seed)
            chosen = random.integers(0, table.objects, MATCHED)
            ra, dec = (place[chosen] + random.normal(0, 0.3, MATCHED) / 3600 for place in (table.ra, table.dec))
            found = {}
            for reader, ask in (("diaflight", of_server), ("astropy", of_astropy), ("postgres", of_postgres)):
                begun = time.perf_counter()
                found[reader] = ask(server, cluster, ra, dec)
                seconds[reader].append(time.perf_counter() - begun)
            if len(set(map(frozenset, (of.items() for of in found.values())))) != 1:
                sys.exit(f"matches differ: {[len(of) for of in found.values()]}")
    return {"objects": table.objects, "places": MATCHED} | {reader: median(taken) for reader, taken in seconds.items()}


def of_server(server, _, ra, dec):
    """The object near each place, by the number of the place."""
    places = "ra,dec\n" + "\n".join(f"{a},{d}" for a, d in zip(ra.tolist(), dec.tolist()))
    path = f"http://{server.address}/api/v1/crossmatch?radius={MATCH_ARCSEC}&columns={','.join(COLUMNS)}&output-format=arrow"
    request = urllib.request.Request(path, places.encode(), {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request) as answer:
        rows = pa.ipc.open_stream(answer).read_all()
    return dict(zip(map(int, rows["v:place"].to_pylist()), rows["r:diaObjectId"].to_pylist()))


def of_astropy(server, _, ra, dec):
    """Fetches the places of all objects first, as who has no crossmatch must."""
    command = {"endpoint": "sources", "columns": ["r:diaObjectId", "r:ra", "r:dec"]}
    with flight.connect(f"grpc://{server.address}") as client:
        info = client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(command)))
        rows = pa.concat_tables([client.do_get(part.ticket).read_all() for part in info.endpoints])
    ids, *places = (rows[name].to_numpy() for name in command["columns"])
    known = SkyCoord(*places, unit="deg")
    nearest, separation, _ = SkyCoord(ra, dec, unit="deg").match_to_catalog_sky(known)
    near = numpy.flatnonzero(separation <= MATCH_ARCSEC * u.arcsec)
    return dict(zip(near.tolist(), ids[nearest[near]].tolist()))


def of_postgres(_, cluster, ra, dec):
    rows = "".join(f"{i}\t{a}\t{d}\n" for i, (a, d) in enumerate(zip(ra.tolist(), dec.tolist())))
    nearest = f"""SELECT DISTINCT ON (place) place, "diaObjectId" FROM asked JOIN sources ON q3c_join(asked.ra, asked.dec, sources.ra, sources.dec, {MATCH_ARCSEC}::float8 / 3600)
        ORDER BY place, q3c_dist(asked.ra, asked.dec, sources.ra, sources.dec)"""
    said = cluster.copied("CREATE TEMP TABLE asked (place int, ra float8, dec float8)", "COPY asked FROM STDIN", rows, "ANALYZE asked", nearest)
    return dict(tuple(map(int, line.split("|"))) for line in said.splitlines())


def field(built, arguments):
    """Seconds of half a degree of a dense field: all objects, and the nearest thousand."""
    side = 1.2
    objects = int(FIELD_DENSITY * side**2)
    places = lambda random, n: (40 + random.uniform(-side / 2, side / 2, n), random.uniform(-side / 2, side / 2, n))
    table = made(built, arguments, "sky-field", objects, FIELD_SOURCES, places)
    results = []
    with Server(built, table) as server:
        for n in (1_000_000, 1000):
            path = f"/api/v1/conesearch?ra=40&dec=0&radius={FIELD_DEG * 3600}&n={n}&columns={','.join(COLUMNS)}"
            taken = []
            for seed in range(arguments.rounds + 1):
                begun = time.perf_counter()
                status, body = server.get(path)
                if status != 200:
                    sys.exit(f"the server answered {status}: {body[:200]}")
                taken += [time.perf_counter() - begun] if seed > 0 else []  # the first one is to warm up
            results.append({"n": n, "objects": len(json.loads(body)), "sources": table.sources, "seconds": median(taken)})
    return results
