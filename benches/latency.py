"""Lookups beside long work: whether a runaway statement or a bulk read keeps them waiting.

Takes the built program and a folder with a survey, as bulk.py makes it. Prints a table of latencies of lookups of one object over REST,
all from one run.

    python benches/latency.py --program target/debug/diaflight --warehouse /tmp/bulk/survey-560000
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pyarrow.flight as flight
import pyarrow.parquet as parquet
from adbc_driver_flightsql import dbapi

RUNAWAY = (
    "SELECT count(*) FROM sources a JOIN sources b "
    "ON a.psfFlux + b.psfFlux > 1e30 AND a.ra < b.ra"
)
LOOKUPS = 1500


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--warehouse", required=True, type=Path)
    arguments = parser.parse_args()
    serve = [arguments.program, "serve", "--warehouse", arguments.warehouse, "--listen", "127.0.0.1:0"]
    serve += ["--sql-time-limit-ms", "10000"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = server.stdout.readline().split("//")[1].strip()
        ids = some_ids(arguments.warehouse)
        lookups(address, ids)  # warm
        print("| lookups of 4 columns, one client | p50 ms | p90 ms | p99 ms |")
        print("|---|---|---|---|")
        report("alone", lookups(address, ids))
        report("beside a runaway join", beside(lambda: runaway(address), address, ids))
        report("beside a bulk read", beside(lambda: bulk(address), address, ids))
    finally:
        server.terminate()
        server.wait()


def some_ids(warehouse):
    file = next((warehouse / "objects").rglob("*.parquet"))
    ids = parquet.read_table(file, columns=["diaObjectId"])["diaObjectId"].to_pylist()
    return random.Random(0).sample(ids, LOOKUPS)


def lookups(address, ids):
    connection = http.client.HTTPConnection(address)
    seconds = []
    for dia_object_id in ids:
        path = "/api/v1/sources?columns=r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr&diaObjectId="
        begun = time.perf_counter()
        connection.request("GET", f"{path}{dia_object_id}")
        assert connection.getresponse().read().startswith(b"[{")
        seconds.append(time.perf_counter() - begun)
    return seconds


def beside(work, address, ids):
    """Lookups while the work goes on, which must not end before them."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.5)
    seconds = lookups(address, ids[: LOOKUPS // 3])
    assert thread.is_alive(), "the work was over before the lookups were"
    thread.join()
    return seconds


def runaway(address):
    begun = time.perf_counter()
    with dbapi.connect(f"grpc://{address}", autocommit=True) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(RUNAWAY)
            cursor.fetchall()
            raise SystemExit("the runaway came to an end")
        except dbapi.Error as error:
            ended = time.perf_counter() - begun
            print(f"| (the runaway ended after {ended:.1f} s: {str(error)[:60]}...) | | | |")


def bulk(address):
    client = flight.connect(f"grpc://{address}")
    descriptor = flight.FlightDescriptor.for_command(json.dumps({"endpoint": "sources"}))
    for endpoint in client.get_flight_info(descriptor).endpoints:
        for _ in client.do_get(endpoint.ticket):
            pass


def report(name, seconds):
    cuts = statistics.quantiles(seconds, n=100)
    p50, p90, p99 = (f"{1000 * cuts[i - 1]:.2f}" for i in (50, 90, 99))
    print(f"| {name} | {p50} | {p90} | {p99} |", flush=True)


main()
