"""Compares layouts of the sources, each one change away from the default: bytes of files and of the index, lookups, their requests to
object storage, and statements over the whole table, by the engine's scan and by DuckDB.

All layouts have the same rows, and in every round all are asked for the same. The run ends where answers differ, or where
`diaflight generate` writes another layout than the default of this comparison."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import duckdb

from lookups import FOUR, measured
from readers import Measurer
from statements import STATEMENTS, same
from storage import traffic

DEFAULT = {"row_group_rows": 16_384, "page_rows": 512, "codec": "lz4_raw", "dictionary": "texts"}
LIGHT_CURVE = ["diaObjectId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr"]
LAYOUTS = {
    "default": {},
    "row groups of 4,096": {"row_group_rows": 4_096},
    "row groups of 65,536": {"row_group_rows": 65_536},
    "pages of 128": {"page_rows": 128},
    "pages of 256": {"page_rows": 256},
    "pages of 1,024": {"page_rows": 1_024},
    "pages of 4,096": {"page_rows": 4_096},
    "zstd": {"codec": "zstd(1)"},
    "snappy": {"codec": "snappy"},
    "uncompressed": {"codec": "uncompressed"},
    "dictionaries for all": {"dictionary": "all"},
    "no dictionaries": {"dictionary": "none"},
    "byte stream split": {"split_floats": True},
    "byte stream split, zstd": {"split_floats": True, "codec": "zstd(1)"},
    "delta integers": {"delta_integers": True},
    "bloom filter": {"bloom_filter": True},
    "light curve first": {"first_columns": LIGHT_CURVE},
    "no nulls declared": {"required": True},
}
SAME_SIZE = 0.01  # of the default and of what `diaflight generate` wrote
IDS_AT_ONCE = 10_000
SQL = {
    "scan": "SELECT sum(length(band)) AS bands, sum(midpointMjdTai) AS times, sum(psfFlux) AS fluxes, sum(psfFluxErr) AS errors FROM {sources}",
    "aggregate": STATEMENTS["count by band and night"],
}


def layouts(built, survey, arguments):
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="layouts-") as folder, ExitStack() as opened:
        surveys = [written(built, survey, change, Path(folder) / str(i)) for i, change in enumerate(LAYOUTS.values())]
        check_default(survey, surveys[0])
        measurers = [opened.enter_context(Measurer([built.measurer, "--warehouse", layout.folder])) for layout in surveys]
        results = [
            {"layout": name, "properties": DEFAULT | change, "sources": survey.sources, "bytes": file_bytes(layout)}
            for (name, change), layout in zip(LAYOUTS.items(), surveys)
        ]
        readers = [measurer.reader("engine", name) for measurer, name in zip(measurers, LAYOUTS)]
        draw = lambda seed: [[dia_object_id] for dia_object_id in survey.draw(seed, arguments.lookups)]
        asked = measured(survey, readers, draw, arguments.rounds)
        seconds = whole_table(surveys, measurers, arguments.rounds)
        for result, measurer, taken in zip(results, measurers, seconds):
            result["lookups"] = [row for row in asked if row["reader"] == result["layout"]]
            result["index"] = index(survey, measurer)
            result["storage"] = traffic(measurer, survey, arguments.lookups)
            result["seconds"] = taken
        return results


def written(built, survey, change, folder):
    command = [built.measurer, "--warehouse", survey.folder, "--layout", json.dumps(DEFAULT | change), "--to", folder]
    subprocess.run(command, check=True)
    return replace(survey, folder=folder)


def file_bytes(survey):
    return sum(Path(file).stat().st_size for file in survey.files)


def check_default(generated, default):
    expected, found = file_bytes(generated), file_bytes(default)
    if abs(found / expected - 1) > SAME_SIZE:
        sys.exit(f"layouts.py has another default than src/warehouse/files/layout.rs: {found} bytes, not {expected}")


def index(survey, measurer):
    """Bytes of the index when every row group was asked for."""
    engine, ids = measurer.reader("engine"), survey.counts[0].tolist()
    for start in range(0, len(ids), IDS_AT_ONCE):
        engine.ask(FOUR[:1], [ids[start : start + IDS_AT_ONCE]])
    return measurer.ask("index")


def whole_table(surveys, measurers, rounds):
    """Of each layout the seconds of each statement, by reader."""
    taken = [{statement: {"diaflight": [], "duckdb": []} for statement in SQL} for _ in surveys]
    with duckdb.connect() as duck:
        duck.execute("SET parquet_metadata_cache = true")
        for statement, text in SQL.items():
            expected = None
            for seed in range(rounds + 1):
                for survey, measurer, seconds in zip(surveys, measurers, taken):
                    for reader, (took, rows) in asked_of_both(text, survey, measurer, duck).items():
                        expected = expected or rows
                        if not same(expected, rows):
                            sys.exit(f"{statement}: {reader} answers otherwise from {survey.folder}")
                        if seed > 0:  # the first one is to warm up
                            seconds[statement][reader].append(took)
    median = lambda readers: {reader: statistics.median(seconds) for reader, seconds in readers.items()}
    return [{statement: median(readers) for statement, readers in of_layout.items()} for of_layout in taken]


def asked_of_both(text, survey, measurer, duck):
    ours = measurer.ask({"statement": text.format(sources="sources")})
    begun = time.perf_counter()
    theirs = duck.execute(text.format(sources=f"read_parquet({survey.files})")).fetchall()
    seconds = time.perf_counter() - begun
    rows = [tuple(row.values()) for row in ours["rows"]]
    return {"diaflight": (ours["seconds"], rows), "duckdb": (seconds, theirs)}
