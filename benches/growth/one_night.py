"""The same alerts with their histories, ingested into tables of several sizes: what is read, compared, written, and how long it takes."""

import shutil

from program import Program, run, size

LAST_NIGHT = 399


def one_night(program, folder, objects, alerting, first_night):
    """A row for each number of objects, the least first. A survey of fewer objects is part of a larger one, so all have those that alert."""
    packets = folder / "packets"
    nights = f"{first_night}..{LAST_NIGHT}"
    if not packets.exists():
        run(program, "generate", "--packets", packets, "--objects", alerting, "--seed", 1, "--nights", nights)
    for count in sorted(objects):
        yield beside(program, folder, packets, count, first_night)


def beside(program, folder, packets, objects, first_night):
    warehouse = folder / f"survey-{objects}"
    shutil.rmtree(warehouse, ignore_errors=True)
    tables = Program(program, warehouse)
    tables.run("generate", "--objects", objects, "--seed", 1, "--nights", f"0..{first_night - 1}")
    before = tables.versions()
    rows = {table: sum(entry["added"]["rows"] for entry in tables.history(table)) for table in before}
    finished = tables.run("ingest", "--history", packets, log="warn,diaflight=debug")
    looked = [line for line in finished.logged if "looked for copies" in str(line)]
    found = {field(line, "table"): {name: field(line, name) for name in ("copies", "pages", "bytes", "strangers")} for line in looked}
    again = tables.run("ingest", "--history", packets)
    row = {
        "objects": objects,
        "rows": rows,
        "alerts": finished.output["packets"],
        "packets_bytes": size(packets),
        "seconds": finished.seconds,
        "cpu_seconds": finished.cpu_seconds,
        "repeated_seconds": again.seconds,
        "ingested": {table: finished.output[table] for table in before},
        "found": found,
        "storage_bytes_read": next(field(line, "bytes") for line in finished.logged if "read from the storage" in str(line)),
        "written": tables.added(before),
    }
    shutil.rmtree(warehouse)
    return row


def field(line, name):
    return line.get(name, line.get("fields", {}).get(name))
