"""The targets, and whether a run met them: for each target the measured value, what it is compared with, and their ratio. The comparison is
with the peer if there is one, and with the limit otherwise."""

from dataclasses import dataclass

MIB, US, MS, S = "MiB", "µs", "ms", "s"
FOUR, ALL = "4 columns", "all columns"


@dataclass
class Target:
    what: str
    target: str
    measured: float
    unit: str
    beside: float | None  # the peer's figure; None: the limit is a figure itself
    limit: float
    at_least: bool = False

    @property
    def ratio(self):
        return self.measured / (self.limit if self.beside is None else self.beside)

    @property
    def met(self):
        bound = 1 if self.beside is None else self.limit
        return self.ratio >= bound if self.at_least else self.ratio <= bound


def targets(results):
    return [
        *of_engine(results), *of_http(results), *of_size(results), *of_many(results),
        *of_server(results), *of_storage(results), *of_writing(results), *of_statements(results), *of_sky(results),
    ]


def at_most(what, measured, unit, limit, text):
    return Target(what, f"at most {text}", measured, unit, None, limit)


def of_engine(results):
    largest = max(row["sources"] for row in results["one object"])
    p50 = {(row["reader"], row["columns"]): row["p50"] for row in results["one object"] if row["sources"] == largest}
    names = {"postgres": "PostgreSQL", "bare": "the bare reader"}
    for columns, peer, limit in ((FOUR, "postgres", 0.5), (FOUR, "bare", 3), (ALL, "postgres", 1.2), (ALL, "bare", 1.5)):
        text = f"at most {limit} x {names[peer]}"
        yield Target(f"engine, one id, {columns}, p50", text, p50["engine", columns], US, p50[peer, columns], limit)


def of_http(results):
    formats = {(row["format"], row["columns"]): row for row in results["formats"]}
    json = formats["json", FOUR]
    yield at_most("HTTP JSON, one id, 4 columns, p50", json["p50"] / 1000, MS, 0.5, "0.5 ms")
    yield at_most("HTTP JSON, one id, 4 columns, p99", json["p99"] / 1000, MS, 3, "3 ms")
    rate = next(row["per second"] for row in results["connections"] if row["connections"] == 32)
    yield Target("HTTP JSON, one id, 4 columns, 32 connections", "at least 4,000/s", rate, "/s", None, 4000, at_least=True)
    for (name, columns), row in formats.items():
        if columns == ALL:
            yield at_most(f"HTTP {name}, one id, all columns, p50", row["p50"] / 1000, MS, 2.5, "2.5 ms")


def of_size(results):
    rows = [row for row in results["by size"] if row["reader"] == "engine"]
    for columns in (FOUR, ALL):
        p50 = {row["sources"]: row["p50"] for row in rows if row["columns"] == columns}
        what = f"engine, one id, {columns}, p50 in {max(p50):,} sources"
        text = f"at most 1.25 x that in {min(p50):,}"
        yield Target(what, text, p50[max(p50)], US, p50[min(p50)], 1.25)


def of_many(results):
    count = max(row["ids"] for row in results["many objects"])
    alike = [row for row in results["many objects"] if (row["ids"], row["columns"]) == (count, FOUR)]
    for sources in sorted({row["sources"] for row in alike}):
        p50 = {row["reader"]: row["p50"] / 1e6 for row in alike if row["sources"] == sources}
        what = f"engine, {count:,} ids, 4 columns, {sources:,} sources"
        yield at_most(what, p50["engine"], S, 1, "1 s")
        yield Target(what, "5 x faster than DuckDB, same files", p50["engine"], S, min(p50["duckdb"], p50["duckdb join"]), 1 / 5)


def of_server(results):
    largest = max(results["readiness"], key=lambda row: row["sources"])
    default = results["layouts"][0]
    index = sum(default["index"].values()) / default["sources"]
    yield at_most("index of the sources, held whole", index, "B a source", 2, "2 bytes a source")
    where = f"{largest['sources']:,} sources"
    yield at_most(f"memory while serving lookups, {where}", largest["VmHWM"], MIB, 1024, "1 GiB")
    yield at_most(f"start to ready, {where}, local", largest["ready_s"], S, 3, "3 s")


def of_storage(results):
    for row in results["storage"]:
        what = f"object storage, {row['delay_ms']} ms a request, {row['columns']}"
        yield at_most(what, row["in_sequence at most"], "in sequence", 2, "2 requests in sequence")


def of_writing(results):
    rates = {row["writer"]: row["rows/s a core"] / 1000 for row in results["writing"]}
    for writer in ("diaflight generate", "diaflight ingest"):
        text = "at least DuckDB sorting and writing (LZ4)"
        yield Target(f"{writer}, sources", text, rates[writer], "thousand rows/s a core", rates["DuckDB, lz4"], 1, at_least=True)


def of_statements(results):
    for row in results["statements"]:
        yield Target(f"SQL, {row['statement']}", "at most 1.2 x DuckDB, same files", row["diaflight"], S, row["duckdb"], 1.2)


def of_sky(results):
    p50 = {(row["reader"], row["objects"]): row["p50"] / 1000 for row in results["cones"]}
    sizes = sorted(objects for reader, objects in p50 if reader == "engine")
    beside = max(objects for reader, objects in p50 if reader == "postgres")
    what = lambda objects: f"engine, 5 arcsec of {objects:,} objects, 4 columns, p50"
    yield at_most(what(beside), p50["engine", beside], MS, 0.3, "0.3 ms")
    yield Target(what(beside), "at most PostgreSQL's with q3c", p50["engine", beside], MS, p50["postgres", beside], 1)
    yield Target(what(sizes[-1]), f"at most 1.25 x that of {sizes[0]:,}", p50["engine", sizes[-1]], MS, p50["engine", sizes[0]], 1.25)
    for row in results["field"]:
        n, limit = ("all", 2) if row["n"] > row["objects"] else (f"the nearest {row['n']:,}", 0.3)
        yield at_most(f"HTTP JSON, half a degree of a dense field, {n}", row["seconds"], S, limit, f"{limit} s")
    row = max(results["matches"], key=lambda row: row["objects"])
    what = f"HTTP, {row['places']:,} places matched with {row['objects']:,} objects"
    yield at_most(what, row["diaflight"], S, 10, "10 s")
    yield Target(what, "5 x faster than astropy, once it has all places", row["diaflight"], S, row["astropy"], 1 / 5)
    yield Target(what, "at most PostgreSQL's with q3c", row["diaflight"], S, row["postgres"], 1)
