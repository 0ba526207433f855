"""The readers that answer lookups. Each takes names of columns (`None`: all) and the ids of each lookup, and gives for each lookup its
microseconds and rows, and sums over all rows (see benches/peers/engine/answer.rs) by which the answers of readers are compared."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy
import pyarrow

from survey import stored


class Measurer:
    """A program that measures: a task on each line of its input, an answer on each line of its output."""

    def __init__(self, command, hello=True):
        self.command, self.expects_hello = command, hello

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = self.read() if self.expects_hello else None
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()

    def ask(self, task):
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit(f"{self.command[0]} ended: see above")

    def reader(self, kind, name=None):
        return Reader(self, kind, name or kind)


class Reader:
    """One of the readers of benches/peers/engine; its name is for the results."""

    def __init__(self, measurer, kind, name):
        self.measurer, self.kind, self.name = measurer, kind, name

    def ask(self, columns, lookups, **more):
        return self.measurer.ask({"lookups": {"reader": self.kind, "columns": columns, "lookups": lookups, **more}})


class Postgres:
    name = "postgres"

    def __init__(self, client, survey):
        self.client, self.survey = client, survey

    def ask(self, columns, lookups):
        names = [stored(name) for name in columns] if columns else self.survey.stored
        return self.client.ask({"columns": names, "lookups": lookups})


class Duck:
    """DuckDB, in this process, with as many threads as there are cores; rows come as Arrow."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, columns, lookups):
        names = [stored(name) for name in columns] if columns else self.survey.stored
        answer = {"micros": [], "rows": [], "values": 0, "checksum": 0}
        for ids in lookups:
            begun = time.perf_counter()
            table = self.lookup(", ".join(f's."{name}"' for name in names), ids)
            answer["micros"].append((time.perf_counter() - begun) * 1e6)
            answer["rows"].append(table.num_rows)
            answer["values"] += sum(len(column) - column.null_count for column in table.columns)
            answer["checksum"] = (answer["checksum"] + checksum(table)) % 2**64
        return answer

    def lookup(self, chosen, ids):
        listed = ", ".join(map(str, ids))
        statement = f'SELECT {chosen} FROM {self.table} s WHERE s."diaObjectId" IN ({listed})'
        return self.connection.sql(statement).to_arrow_table()


class DuckFiles(Duck):
    """Over the same files; many ids in the statement, or as a table to join with."""

    def __init__(self, survey, join=False):
        self.survey, self.join = survey, join
        self.name = "duckdb join" if join else "duckdb"
        self.table = f"read_parquet({survey.files})"
        self.connection = duckdb.connect()
        self.connection.execute("SET parquet_metadata_cache = true")

    def lookup(self, chosen, ids):
        if not self.join:
            return super().lookup(chosen, ids)
        self.connection.register("asked", pyarrow.table({"diaObjectId": pyarrow.array(ids, pyarrow.int64())}))
        statement = f'SELECT {chosen} FROM {self.table} s JOIN asked USING ("diaObjectId")'
        return self.connection.sql(statement).to_arrow_table()


class DuckTable(Duck):
    """Over its own format, in the same order, with an index on the ids."""

    name = "duckdb table"
    table = "sources"

    def __init__(self, survey):
        self.survey = survey
        self.folder = tempfile.TemporaryDirectory(prefix="peers-duckdb-")
        self.connection = duckdb.connect(Path(self.folder.name) / "survey.duckdb")
        chosen = ", ".join(f'"{name}"' for name in survey.stored)
        self.connection.execute(f"CREATE TABLE sources AS SELECT {chosen} FROM read_parquet({survey.files})")
        self.connection.execute('CREATE INDEX by_object ON sources ("diaObjectId")')

    def __exit__(self, *_):
        super().__exit__()
        self.folder.cleanup()


def checksum(table):
    """The bits of fluxes and times, as a sum modulo 2^64."""
    total = 0
    for name, bits in (("psfFlux", numpy.uint32), ("midpointMjdTai", numpy.uint64)):
        if name in table.column_names:
            values = table[name].drop_null().to_numpy()
            total += int(values.view(bits).astype(numpy.uint64).sum(dtype=numpy.uint64))
    return total % 2**64
