"""Nights that are ingested one after the other, each followed by maintenance: what is written in all, how many files hold a key, and how
long lookups take beside a table that is one run."""

import shutil
import statistics
import tempfile

from lookups import Served
from program import TABLES, Program, run

SURVEY_NIGHTS = 400


def many_nights(program, folder, objects, nights, lookups):
    """A row for each beginning: an empty table and the least number of objects, and a table with the years before and the greatest."""
    yield growing(program, folder, (0, min(objects)), 100, nights, lookups)
    yield growing(program, folder, (max(objects), min(objects)), SURVEY_NIGHTS - nights * 5 // 4, nights, lookups)


def growing(program, folder, objects, first_night, nights, lookups):
    """Ingests and maintains one night after the other. The packets of a night are there only while they are ingested. `objects`: of the
    table, with all nights before the first; and those of them that alert."""
    held, alerting = objects
    warehouse = folder / "growing"
    shutil.rmtree(warehouse, ignore_errors=True)
    tables = Program(program, warehouse)
    if held:
        tables.run("generate", "--objects", held, "--seed", 1, "--nights", f"0..{first_night - 1}")
    before = tables.versions() if held else dict.fromkeys(TABLES, -1)
    rows = {table: sum(entry["added"]["rows"] for entry in tables.history(table)) if held else 0 for table in TABLES}
    seconds, largest = {"ingest": [], "maintain": []}, {}
    for night in range(first_night, SURVEY_NIGHTS):
        if len(seconds["ingest"]) == nights:
            break
        with tempfile.TemporaryDirectory(dir=folder, prefix="night-") as packets:
            if not has_alerts(program, packets, alerting, night):
                continue
            seconds["ingest"].append(tables.run("ingest", packets).seconds)
        seconds["maintain"].append(tables.run("maintain", "run", "--once").seconds)
    row = {
        "begins": rows,
        "nights": len(seconds["ingest"]),
        "ingest_s": statistics.median(seconds["ingest"]),
        "maintain_s": statistics.median(seconds["maintain"]),
        "maintain_longest_s": max(seconds["maintain"]),
        "amplification": {table: amplification(sums) for table, sums in tables.added(before).items()},
    }
    with Served(program, warehouse) as served:
        row["lookup_ms"] = {"as it is": served.p50_ms(lookups)}
    tables.run("maintain", "compact")
    with Served(program, warehouse) as served:
        row["lookup_ms"]["as one run"] = served.p50_ms(lookups)
    shutil.rmtree(warehouse)
    return row


def has_alerts(program, packets, objects, night):
    """Writes the packets of a night. One night in five has bad weather."""
    try:
        run(program, "generate", "--packets", packets, "--objects", objects, "--seed", 1, "--nights", night)
    except SystemExit as error:
        if "without alerts" not in str(error):
            raise
        return False
    return True


def amplification(sums):
    """The bytes of all commits for each byte that was ingested."""
    return sum(added["bytes"] for added in sums.values()) / sums["Ingest"]["bytes"]
