"""Bulk reading over Flight, beside readers of the same files, in one run.

Takes the built program and a folder, which is filled with a synthetic survey of ten million sources if it does not exist. Prints a table
in Markdown, with medians of several rounds. Every round runs every reader once, so that noise affects all alike.

    python benches/bulk.py --program target/debug/diaflight --folder /tmp/bulk
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as parquet

OBJECTS = 560_000  # about 10 million sources
FOUR = ["r:diaObjectId", "r:midpointMjdTai", "r:band", "r:psfFlux"]
IDS = 100_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warehouse = arguments.folder / f"survey-{arguments.objects}"
    if not (warehouse / "objects" / "_delta_log").exists():
        generate = ["generate", "--warehouse", warehouse, "--objects", str(arguments.objects)]
        subprocess.run([arguments.program, *generate], check=True, stdout=subprocess.DEVNULL)
    serve = [arguments.program, "serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = server.stdout.readline().split("//")[1].strip()
        measure(arguments.rounds, server.pid, address, warehouse)
    finally:
        server.terminate()
        server.wait()


def measure(rounds, pid, address, warehouse):
    files = sorted(str(file) for file in (warehouse / "sources").rglob("*.parquet"))
    client = flight.connect(f"grpc://{address}")
    ids = some_ids(warehouse)
    readers = {
        "all columns: pyarrow.parquet, 2 threads, same files": lambda: files_whole(files, None),
        "all columns: do_get, one endpoint after the other": lambda: whole(client, None, 1),
        "all columns: do_get, 2 endpoints at once": lambda: whole(client, None, 2),
        "4 columns: pyarrow.parquet, 2 threads, same files": lambda: files_whole(files, FOUR),
        "4 columns: do_get, one endpoint after the other": lambda: whole(client, FOUR, 1),
        "4 columns: do_get, 2 endpoints at once": lambda: whole(client, FOUR, 2),
        f"{IDS} ids, 4 columns: DuckDB, join": lambda: duckdb_join(files, ids, FOUR),
        f"{IDS} ids, 4 columns: do_exchange": lambda: exchange(client, ids, FOUR),
        f"{IDS} ids, all columns: DuckDB, join": lambda: duckdb_join(files, ids, None),
        f"{IDS} ids, all columns: do_exchange": lambda: exchange(client, ids, None),
    }
    seconds = {name: [] for name in readers}
    rows = {}
    for _ in range(rounds):
        for name, read in readers.items():
            begun = time.perf_counter()
            rows[name] = read()
            seconds[name].append(time.perf_counter() - begun)
    report(readers, seconds, rows, pid)


def report(readers, seconds, rows, pid):
    print("| what | rows | s | rows/s | of the first reader |")
    print("|---|---|---|---|---|")
    first = {}
    for name in readers:
        what = name.split(":")[0]
        median = statistics.median(seconds[name])
        rate = rows[name] / median
        peer = first.setdefault(what, (rows[name], rate))
        if peer[0] != rows[name]:
            sys.exit(f"{name}: {rows[name]} rows, where the first reader has {peer[0]}")
        print(f"| {name} | {rows[name]:,} | {median:.2f} | {rate:,.0f} | {rate / peer[1]:.2f} |")
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)
    print(f"\nPeak memory of the server: {int(peak.split()[1]) / 1024:.0f} MiB")


def stored(columns):
    return columns and [name.split(":")[1] for name in columns]


def files_whole(files, columns):
    """Batch by batch, as a client of Flight gets them: the table is never whole in memory."""
    rows = 0
    for file in files:
        for batch in parquet.ParquetFile(file).iter_batches(65536, columns=stored(columns)):
            rows += batch.num_rows
    return rows


def whole(client, columns, at_once):
    command = {"endpoint": "sources"} | ({"columns": columns} if columns else {})
    descriptor = flight.FlightDescriptor.for_command(json.dumps(command))
    endpoints = client.get_flight_info(descriptor).endpoints
    with ThreadPoolExecutor(at_once) as pool:
        return sum(pool.map(lambda endpoint: count(client.do_get(endpoint.ticket)), endpoints))


def count(reader):
    return sum(chunk.data.num_rows for chunk in reader if chunk.data is not None)


def some_ids(warehouse):
    objects = [str(file) for file in (warehouse / "objects").rglob("*.parquet")]
    ids = parquet.read_table(objects, columns=["diaObjectId"])["diaObjectId"].to_pylist()
    return random.Random(0).sample(ids, min(IDS, len(ids)))


def duckdb_join(files, ids, columns):
    connection = duckdb.connect()
    asked = pa.table({"diaObjectId": pa.array(ids, pa.int64())})
    connection.register("asked", asked)
    chosen = ", ".join(f"s.{name}" for name in stored(columns)) if columns else "s.*"
    statement = f"SELECT {chosen} FROM read_parquet({files}) s JOIN asked USING (diaObjectId)"
    reader = connection.execute(statement).to_arrow_reader(65536)
    return sum(batch.num_rows for batch in reader)


def exchange(client, ids, columns):
    command = {"endpoint": "sources"} | ({"columns": columns} if columns else {})
    descriptor = flight.FlightDescriptor.for_command(json.dumps(command))
    writer, reader = client.do_exchange(descriptor)
    with writer:
        table = pa.table({"diaObjectId": pa.array(ids, pa.int64())})
        writer.begin(table.schema)
        writer.write_table(table)
        writer.done_writing()
        return count(reader)


main()
