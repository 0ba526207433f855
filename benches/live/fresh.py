"""How soon an alert is served after it was produced, at a rate and in a burst, and what `live` costs lookups of the same server.

In turns. In one, alerts are produced that nobody reads, then the same that `live` reads, and ids are looked up meanwhile: so lookups are compared
beside the same producer and broker. In the next, nothing is asked but for the alerts that are not served yet. Alerts come in any order, whatever their night: the fields of one night of the survey are alike, and so are the sizes of its alerts."""

import multiprocessing
import random
import statistics
import threading
import time

import requests

from broker import broker, topic
from program import until

WATCHED = 40  # one alert of so many


def fresh(program, alerts, rate, burst, seconds, turns):
    random.seed(1)
    asked = [alert.diaObjectId for alert in random.sample(alerts, 400)]
    alerts = random.sample(alerts, len(alerts))
    delays, lookups = {"alone": [], "beside lookups": []}, {"without": [], "with": []}
    peaks, each = [], rate * seconds + burst
    warehouse = program.warehouse("fresh")
    with program.server(warehouse) as url, broker() as address:
        for turn in range(turns):
            own, looks_up = alerts[turn * each : (turn + 1) * each], turn % 2 == 0
            if looks_up:
                unread = topic(address, f"unread-{turn}")
                lookups["without"] += beside(url, asked, lambda: produce(unread, own, rate, burst, []))
            with program.live(address, f"fresh-{turn}", warehouse) as live:
                stream, watched, of_turn = topic(address, f"fresh-{turn}"), [], []
                watcher = threading.Thread(target=watch, args=(url, watched, of_turn), daemon=True)
                watcher.start()
                if looks_up:
                    lookups["with"] += beside(url, asked, lambda: produce(stream, own, rate, burst, watched))
                else:
                    produce(stream, own, rate, burst, watched)
                until(lambda: not watched, 300)
                delays["beside lookups" if looks_up else "alone"] += of_turn
                peaks.append(live.peak_mib())
    return {
        "alerts": each * turns,
        "bytes_each": statistics.mean(len(alert.value) for alert in alerts[: each * turns]),
        "rate": rate,
        "burst": burst,
        "watched": {name: len(times) for name, times in delays.items()},
        "delay_s": {name: quantiles(times) | {"most": max(times)} for name, times in delays.items()},
        "lookup_ms": {name: quantiles(times) for name, times in lookups.items()},
        "peak_mib": max(peaks),
    }


def produce(stream, alerts, rate, burst, watched):
    """At the rate, and half-way a burst as fast as it can."""
    begun, before = time.monotonic(), (len(alerts) - burst) // 2
    for at, alert in enumerate(alerts):
        if at < before or at >= before + burst:
            due = at if at < before else at - burst
            time.sleep(max(0, begun + due / rate - time.monotonic()))
        if at % WATCHED == 0:
            watched.append((alert, time.monotonic()))
        stream.send(None, alert.value)
    stream.flush()


def watch(url, watched, delays):
    """Asks for the alerts that are not served yet, again and again."""
    session = requests.Session()
    while True:
        waiting = list(watched)
        ids = ",".join(str(alert.diaObjectId) for alert, _ in waiting)
        if ids:
            rows = session.post(f"{url}/api/v1/sources", json={"diaObjectId": ids, "columns": "r:diaSourceId"}, timeout=60).json()
            served, now = {row["r:diaSourceId"] for row in rows}, time.monotonic()
            for one in waiting:
                if one[0].diaSourceId in served:
                    delays.append(now - one[1])
                    watched.remove(one)
        # Seldom enough to leave the processors to the others.
        time.sleep(0.25)


def beside(url, ids, work):
    """The times of lookups by another process while something is done, in ms."""
    context = multiprocessing.get_context("spawn")
    done, times = context.Event(), context.SimpleQueue()
    process = context.Process(target=look_up, args=(url, ids, done, times), daemon=True)
    process.start()
    work()
    done.set()
    found = times.get()
    process.join()
    return found


def look_up(url, ids, done, times):
    """Looks ids up, one after the other, until it is done."""
    session, found = requests.Session(), []
    while not done.is_set():
        begun = time.perf_counter()
        asked = {"diaObjectId": random.choice(ids), "columns": "r:midpointMjdTai,r:psfFlux"}
        session.get(f"{url}/api/v1/sources", params=asked, timeout=60).raise_for_status()
        found.append((time.perf_counter() - begun) * 1e3)
        time.sleep(0.01)
    times.put(found)


def quantiles(values):
    return {"p50": statistics.median(values), "p99": statistics.quantiles(values, n=100)[98]}
