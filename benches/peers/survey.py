"""Generates a synthetic survey of a given number of objects: gives its folder, the time that generating it took, and ids to look up."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import numpy

from usage import Usage, used_by

OBJECT_BYTES = 7_000  # of all tables, somewhat more than it takes


@dataclass
class Survey:
    objects: int
    folder: Path
    rows: dict  # of each table
    usage: Usage  # of making it
    columns: list = field(default_factory=list)  # served names of the sources

    @classmethod
    def made(cls, built, folder, objects, reuse=False):
        survey = folder / f"survey-{objects}"
        summary = folder / f"survey-{objects}.json"
        if not (reuse and summary.exists()):
            summary.unlink(missing_ok=True)
            shutil.rmtree(survey, ignore_errors=True)
            room = shutil.disk_usage(folder).free
            if room < objects * OBJECT_BYTES:
                sys.exit(f"{folder} has {room >> 30} GiB free; {objects:,} objects take {objects * OBJECT_BYTES >> 30}: see --objects")
            print(f"making a survey of {objects:,} objects", file=sys.stderr)
            command = [built.diaflight, "generate", "--json", "--warehouse", survey, "--objects", str(objects)]
            usage, said = used_by(command)
            rows = {table["table"]: table["rows"] for table in json.loads(said)["tables"]}
            summary.write_text(json.dumps({"rows": rows, "usage": vars(usage)}))
        known = json.loads(summary.read_text())
        return cls(objects, survey, known["rows"], Usage(**known["usage"]))

    def described(self):
        sizes = {table: sum(file.stat().st_size for file in self.folder.glob(f"{table}/**/*.parquet")) for table in self.rows}
        return {"objects": self.objects, "rows": self.rows, "bytes": sizes, "generate": vars(self.usage)}

    @property
    def sources(self):
        return self.rows["sources"]

    @property
    def files(self):
        return sorted(str(path) for path in (self.folder / "sources").rglob("*.parquet"))

    @property
    def stored(self):
        """The stored names of the served columns, in the same order."""
        return [stored(name) for name in self.columns]

    @cached_property
    def counts(self):
        """The ids of all objects, and how many sources each has."""
        counted = "SELECT diaObjectId, count(*) AS n FROM read_parquet(?) GROUP BY diaObjectId ORDER BY diaObjectId"
        with duckdb.connect() as connection:
            columns = connection.execute(counted, [self.files]).fetchnumpy()
        return columns["diaObjectId"], columns["n"]

    def draw(self, seed, count):
        """Ids of objects, each at most once."""
        ids = self.counts[0]
        chosen = numpy.random.default_rng(seed).choice(len(ids), min(count, len(ids)), replace=False)
        return ids[chosen].tolist()

    def with_rows(self, rows, count):
        """Ids of the objects whose number of sources is nearest to `rows`."""
        ids, counts = self.counts
        nearest = numpy.argsort(numpy.abs(counts - rows), kind="stable")[:count]
        return ids[nearest].tolist()


def stored(name):
    """`psfFlux`, of the served name `r:psfFlux`."""
    return name.split(":")[-1]
