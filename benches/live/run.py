"""How fast `diaflight live` reads a backlog, with how much memory, and how long after it was produced an alert is served; and what live
costs lookups. Python needs requirements.txt.

    python benches/live/run.py --program target/debug/diaflight --folder /tmp/diaflight-live
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import requests

from broker import Alerts, Stream, broker, free_port

HERE = Path(__file__).parent
PARTITIONS = 45  # as Rubin's topic has


def main():
    arguments = parse()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    packets = arguments.folder / "packets"
    if not packets.exists():
        run(arguments, "generate", "--packets", packets, "--objects", arguments.objects, "--seed", 1, "--nights", "390..399")
    alerts = Alerts(packets, arguments.alerts)
    alerts.save_schema(arguments.folder / "schemas")
    results = {"machine": {"date": date.today().isoformat(), "cores": os.cpu_count(), "system": platform.platform()}}
    with broker() as address:
        results["backlog"] = backlog(arguments, address, alerts)
    with broker() as address:
        results["fresh"] = fresh(arguments, address, alerts)
    arguments.results.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


def backlog(arguments, address, alerts):
    """Reads a topic that is full, into an empty warehouse."""
    stream = Stream(address, "backlog", PARTITIONS)
    for _, _, value in alerts.messages:
        stream.send(value)
    stream.flush()
    warehouse = arguments.folder / "backlog"
    shutil.rmtree(warehouse, ignore_errors=True)
    begun = time.monotonic()
    with live(arguments, address, "backlog", warehouse) as metrics:
        until(lambda: metrics()["diaflight_live_messages_total"] >= len(alerts.messages), 1200)
        seconds = time.monotonic() - begun
        peak = metrics.peak_mib()
    size = sum(len(value) for _, _, value in alerts.messages)
    count = len(alerts.messages)
    return {"alerts": count, "bytes": size, "seconds": seconds, "alerts_a_second": count / seconds, "peak_mib": peak}


def fresh(arguments, address, alerts):
    """Produces at a rate, with a burst in the middle, and asks a server for alerts until it has them; with and without live, it is asked
    for others, too."""
    warehouse = arguments.folder / "fresh"
    shutil.rmtree(warehouse, ignore_errors=True)
    run(arguments, "generate", "--warehouse", warehouse, "--objects", arguments.objects, "--seed", 1, "--nights", "0..389")
    stream = Stream(address, "fresh", PARTITIONS)
    with server(arguments, warehouse) as url:
        known = [key for key, _, _ in random.Random(1).sample(alerts.messages, 400)]
        alone = lookups(url, known, 20)
        with live(arguments, address, "fresh", warehouse) as metrics:
            asked, delays = [], []
            watcher = threading.Thread(target=watch, args=(url, asked, delays), daemon=True)
            watcher.start()
            beside = []
            asker = threading.Thread(target=lambda: beside.extend(lookups(url, known, arguments.seconds)))
            asker.start()
            produce(arguments, stream, alerts, asked)
            asker.join()
            until(lambda: all(found for found in asked) or None, 120)
            peak = metrics.peak_mib()
    delays.sort()
    return {
        "alerts": stream.count,
        "rate": arguments.rate,
        "burst": arguments.burst,
        "watched": len(delays),
        "delay_s": {name: delays[min(len(delays) - 1, int(len(delays) * share))] for name, share in SHARES.items()},
        "lookup_ms": {"without": quantiles(alone), "with": quantiles(beside)},
        "peak_mib": peak,
    }


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}


def produce(arguments, stream, alerts, asked):
    """At the rate, and half-way a burst in one second. Some alerts of each second are watched."""
    messages, begun = iter(alerts.messages), time.monotonic()
    for second in range(arguments.seconds):
        count = arguments.rate + (arguments.burst if second == arguments.seconds // 2 else 0)
        for at in range(count):
            message = next(messages, None)
            if message is None:
                return stream.flush()
            key, source, value = message
            if at % max(count // 8, 1) == 0:
                asked.append([key, source, time.monotonic(), None])
            stream.send(value)
            if count == arguments.rate:
                time.sleep(max(0, begun + second + at / count - time.monotonic()))
    stream.flush()


def watch(url, asked, delays):
    """Asks for the alerts that are not shown yet, again and again."""
    session = requests.Session()
    while True:
        for one in [one for one in asked if one[3] is None]:
            key, source, produced, _ = one
            rows = session.get(f"{url}/api/v1/sources", params={"diaObjectId": key, "columns": "r:diaSourceId"}).json()
            if any(row["r:diaSourceId"] == source for row in rows):
                one[3] = time.monotonic() - produced
                delays.append(one[3])
        time.sleep(0.05)


def lookups(url, keys, seconds):
    """The times of lookups, one after the other, for some seconds, in ms."""
    session, times, until_then = requests.Session(), [], time.monotonic() + seconds
    while time.monotonic() < until_then:
        begun = time.perf_counter()
        session.get(f"{url}/api/v1/sources", params={"diaObjectId": random.choice(keys), "columns": "r:midpointMjdTai,r:psfFlux"}).raise_for_status()
        times.append((time.perf_counter() - begun) * 1e3)
        time.sleep(0.01)
    return times


def quantiles(times):
    return {"p50": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98]}


class Metrics:
    """Of a running `live`."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def __call__(self):
        text = requests.get(f"http://127.0.0.1:{self.port}/metrics").text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@contextmanager
def live(arguments, address, topic, warehouse):
    port = free_port()
    command = ["live", "--warehouse", warehouse, "--kafka", address, "--topic", topic, "--schema-dir", arguments.folder / "schemas"]
    with started(arguments, *command, "--metrics", f"127.0.0.1:{port}") as process:
        metrics = Metrics(process, port)
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
        yield metrics


@contextmanager
def server(arguments, warehouse):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(arguments, "serve", "--warehouse", warehouse, "--listen", f"127.0.0.1:{port}", "--refresh-ms", 500):
        until(lambda: answers(f"{url}/health/ready"), 60)
        yield url


@contextmanager
def started(arguments, *command):
    log = (arguments.folder / f"{command[0]}.log").open("w")
    with subprocess.Popen([arguments.program, *map(str, command)], stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def answers(url):
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def until(done, seconds):
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            raise SystemExit("it takes too long")
        time.sleep(0.05)


def run(arguments, *command):
    subprocess.run([arguments.program, *map(str, command)], check=True, stdout=subprocess.DEVNULL)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="diaflight, built with optimisation")
    parser.add_argument("--folder", type=Path, required=True, help="for packets and warehouses")
    parser.add_argument("--objects", type=int, default=55_000)
    parser.add_argument("--alerts", type=int, default=40_000, help="most alerts of each part")
    parser.add_argument("--rate", type=int, default=300, help="alerts a second")
    parser.add_argument("--burst", type=int, default=10_000, help="alerts of one second, half-way")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
