"""Lookups while many nights lie as they were ingested, right after they are merged, and beside one sorted run."""

import shutil
import statistics

from lookups import Served
from program import Program, run


def unmerged(program, folder, objects, first_night, nights, lookups, rounds):
    """A table with all nights before the first, and so many nights more, which nothing merges."""
    packets, warehouse = folder / "unmerged-packets", folder / "unmerged"
    shutil.rmtree(packets, ignore_errors=True)
    shutil.rmtree(warehouse, ignore_errors=True)
    run(program, "generate", "--packets", packets, "--objects", objects, "--seed", 1, "--nights", f"{first_night}..{first_night + nights - 1}")
    tables = Program(program, warehouse)
    tables.run("generate", "--objects", objects, "--seed", 1, "--nights", f"0..{first_night - 1}")
    count = 0
    for night in sorted(packets.iterdir()):
        tables.run("ingest", night)
        count += 1
    row = {"objects": objects, "nights": count}
    for state, command in (("as ingested", None), ("merged", ("maintain", "run", "--once")), ("one run", ("maintain", "compact"))):
        if command:
            tables.run(*command)
        with Served(program, warehouse) as served:
            row[state] = {table: statistics.median(served.p50_ms(lookups, table) for _ in range(rounds)) for table in ("sources", "objects")}
    shutil.rmtree(warehouse)
    shutil.rmtree(packets)
    yield row
