"""Nights that are ingested one after the other, each followed by maintenance: what is written in all, how many files hold a key, and how
long lookups take beside a table that is one run."""

import shutil
import statistics

from lookups import Served
from program import TABLES, Program, run


def many_nights(program, folder, objects, first_night, nights, lookups):
    """From an empty table, and from one with all nights before the first."""
    packets = folder / "nights"
    last = first_night + nights - 1
    if not packets.exists():
        run(program, "generate", "--packets", packets, "--objects", objects, "--seed", 1, "--nights", f"{first_night}..{last}")
    for begins in ("empty", "with all nights before"):
        warehouse = folder / "growing"
        shutil.rmtree(warehouse, ignore_errors=True)
        tables = Program(program, warehouse)
        if begins != "empty":
            tables.run("generate", "--objects", objects, "--seed", 1, "--nights", f"0..{first_night - 1}")
        before = tables.versions() if begins != "empty" else dict.fromkeys(TABLES, -1)
        seconds = {"ingest": [], "maintain": []}
        for night in sorted(packets.iterdir()):
            seconds["ingest"].append(tables.run("ingest", night).seconds)
            seconds["maintain"].append(tables.run("maintain", "run", "--once").seconds)
        row = {
            "begins": begins,
            "nights": len(seconds["ingest"]),
            "ingest_s": statistics.median(seconds["ingest"]),
            "maintain_s": statistics.median(seconds["maintain"]),
            "amplification": {table: amplification(sums) for table, sums in tables.added(before).items()},
        }
        with Served(program, warehouse) as served:
            row["lookup_ms"] = {"as it is": served.p50_ms(lookups)}
        tables.run("maintain", "compact")
        with Served(program, warehouse) as served:
            row["lookup_ms"]["as one run"] = served.p50_ms(lookups)
        shutil.rmtree(warehouse)
        yield row


def amplification(sums):
    """The bytes of all commits for each byte that was ingested."""
    return sum(added["bytes"] for added in sums.values()) / sums["Ingest"]["bytes"]
