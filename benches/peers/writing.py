"""Measures writing tables, beside DuckDB: rows per processor second of `diaflight ingest` and of DuckDB, which sorts the same file and
writes the same columns, each in its own process; and of `diaflight generate`, which made the survey. The file has the sources of a survey,
ordered by time, as Fink's nested Parquet."""

import statistics
import sys
import tempfile
from pathlib import Path

import duckdb

from survey import stored
from usage import used_by

TOP = ["observation_reason", "target_name", "fink_broker_version", "fink_science_version", "lsst_schema_version"]
RECORDS = ("clf", "xm")  # of Fink; their fields have the record's name in front, in the table
ORDER = '"diaObjectId", "midpointMjdTai", "diaSourceId"'
DUCKDB = "import duckdb, sys; duckdb.connect().execute(sys.argv[1])"
CODECS = ["lz4", "zstd"]
ROUNDS = 11  # the processor time of the same work differs by a tenth from one process to the next


def writing(built, survey, arguments):
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="writing-") as folder:
        alerts = Path(folder) / "alerts.parquet"
        flat = nested(survey, alerts)
        commands = {"diaflight ingest": lambda to: [built.diaflight, "ingest", "--warehouse", to, alerts]}
        for codec in CODECS:
            commands[f"DuckDB, {codec}"] = lambda to, codec=codec: [sys.executable, "-c", DUCKDB, sort(flat, alerts, to, codec)]
        used = {name: [] for name in commands}
        for seed in range(ROUNDS):
            for name, command in commands.items():
                to = Path(folder) / f"{name}-{seed}".replace(" ", "-")
                used[name].append(used_by(command(to))[0])
                check(survey, name, to)
    made = result(survey, "diaflight generate", [survey.usage])
    return [made, *(result(survey, name, usages) for name, usages in used.items())]


def result(survey, name, usages):
    median = lambda what: statistics.median(getattr(usage, what) for usage in usages)
    figures = {what: median(what) for what in ("seconds", "cpu_seconds")}
    return {"writer": name, "sources": survey.sources, "rows/s a core": survey.sources / figures["cpu_seconds"]} | figures


def nested(survey, to):
    """Writes packets; answers with SQL for their flat columns."""
    records, flat = {"diaSource": []}, [f'"{name}"' for name in TOP]
    for name in map(stored, survey.columns):
        record = next((record for record in RECORDS if name.startswith(f"{record}_")), "diaSource")
        inner = name.removeprefix(f"{record}_")
        if name not in TOP:
            records.setdefault(record, []).append(f'"{inner}" := "{name}"')
            flat.append(f'{record}."{inner}" AS "{name}"')
    packed = [f'struct_pack({", ".join(fields)}) AS "{record}"' for record, fields in records.items()]
    packed.append('struct_pack("diaObjectId" := "diaObjectId") AS "diaObject"')
    chosen = ", ".join([*(f'"{name}"' for name in TOP), *packed])
    copy = f"COPY (SELECT {chosen} FROM read_parquet({survey.files}) ORDER BY \"midpointMjdTai\") TO '{to}' (CODEC zstd)"
    with duckdb.connect() as connection:
        connection.execute(copy)
    return ", ".join(flat)


def sort(flat, alerts, to, codec):
    return f"COPY (SELECT {flat} FROM read_parquet('{alerts}') ORDER BY {ORDER}) TO '{to}' (FORMAT parquet, CODEC {codec})"


def check(survey, name, written):
    files = [str(written)] if written.is_file() else sorted(map(str, (written / "sources").rglob("*.parquet")))
    counted = f"SELECT count(*), count(psfFlux), count(DISTINCT diaObjectId) FROM read_parquet({files})"
    expected = f"SELECT count(*), count(psfFlux), count(DISTINCT diaObjectId) FROM read_parquet({survey.files})"
    with duckdb.connect() as connection:
        if connection.execute(counted).fetchall() != connection.execute(expected).fetchall():
            sys.exit(f"{name} did not write the rows that it was given")
