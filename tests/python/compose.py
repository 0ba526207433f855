"""Runs the services of docker-compose.yml as plain processes: their commands, variables, health checks and order are the
file's; only places differ, and machine.py says how. An id is looked up over S3, the data service is run a second time, and
Prometheus is asked what it sees. Then those of the profile `live` are started, until the server shows alerts of the stream.

Prints what was seen as one JSON object; fails at the first thing that is wrong.
Usage: compose.py REPOSITORY DIAFLIGHT [SERVICE...] (the services to leave out)
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from machine import PATIENCE_S, Machine

REPOSITORY, DIAFLIGHT, *LEFT_OUT = sys.argv[1:]
DRAIN_LIMIT_S = 8  # the default of --drain-limit-ms


def fetch(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
        return json.load(answer)


def hardened(name, service):
    assert service["read_only"] and service["cap_drop"] == ["ALL"], f"{name} may more than it needs"
    assert service["security_opt"] == ["no-new-privileges:true"], name
    assert "build" in service or re.fullmatch(r".+:v?\d+\.\d+(\.\d+)?", service["image"]), f"{name}: a version that moves"
    for variable in service.get("environment", {}):
        assert not re.search("KEY|SECRET|TOKEN|PASSWORD", variable), f"{name}: {variable} in the file"
    if "serve" in service.get("command", []):
        seconds = int(service["stop_grace_period"].removesuffix("s"))
        assert seconds > DRAIN_LIMIT_S, f"{name}: running answers are killed after {seconds} s"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network"


def first_row(machine, statement):
    command = [DIAFLIGHT, "sql", "--server", f"http://{machine.server}", "--format", "json", statement]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]


def light_curve(machine, row):
    return fetch(f"http://{machine.server}/api/v1/sources?diaObjectId={row['diaObjectId']}")


def looked_up(machine):
    """How many detections some object has."""
    row = first_row(machine, "SELECT diaObjectId, nDiaSources FROM objects ORDER BY nDiaSources DESC LIMIT 1")
    rows = light_curve(machine, row)
    assert len(rows) == row["nDiaSources"] > 0, f"{len(rows)} rows of {row}"
    return len(rows)


def newest(machine):
    return first_row(machine, "SELECT diaObjectId, midpointMjdTai FROM sources ORDER BY midpointMjdTai DESC LIMIT 1")


def grown(machine, before):
    """The time of the newest detection of an object of which an alert has come since `before`."""
    end = time.monotonic() + PATIENCE_S
    while (row := newest(machine))["midpointMjdTai"] <= before:
        assert time.monotonic() < end, "no alert comes"
        time.sleep(0.3)
    time_of_first = light_curve(machine, row)[0]["r:midpointMjdTai"]
    assert time_of_first >= row["midpointMjdTai"], f"{time_of_first} is older than {row}"
    return time_of_first


def prometheus(machine, path, **arguments):
    return fetch(f"http://{machine.prometheus}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")["data"]


def scraped(machine, jobs, counter):
    """Waits until Prometheus reads metrics of these jobs alone, and has a counter; no alert may be about `live`."""
    machine.healthy("prometheus")
    end = time.monotonic() + PATIENCE_S
    while True:
        targets = {target["labels"]["job"]: target["health"] for target in prometheus(machine, "targets")["activeTargets"]}
        if targets == dict.fromkeys(jobs, "up") and prometheus(machine, "query", query=f"{counter} > 0")["result"]:
            break
        assert time.monotonic() < end, f"Prometheus reads {targets}, and not {counter} of {jobs}"
        time.sleep(0.3)
    alerts = [alert["labels"]["alertname"] for alert in prometheus(machine, "alerts")["alerts"]]
    assert not any(name.startswith("DiaflightLive") for name in alerts), alerts
    return targets


def without_live(machine):
    for name in [name for name, service in machine.services.items() if "profiles" not in service]:
        machine.run(name)
    machine.healthy("server")
    detections = looked_up(machine)
    log = (machine.folder / "data.log").read_text()
    machine.run("data")
    assert machine.running["data"].wait(PATIENCE_S) == 0, "the data cannot be made a second time"
    assert "generated" in log and "generated" not in (machine.folder / "data.log").read_text()[len(log) :]
    if "prometheus" in machine.services:
        scraped(machine, ["diaflight"], 'diaflight_requests_total{endpoint="/api/v1/sources"}')
    return {"detections": detections}


def with_live(machine):
    before = newest(machine)["midpointMjdTai"]
    for name in [name for name, service in machine.services.items() if service.get("profiles") == ["live"]]:
        machine.run(name)
    seen = {"before": before, "after": grown(machine, before)}
    if "prometheus" in machine.services:
        machine.discover()
        seen["prometheus"] = scraped(machine, ["diaflight", "diaflight-live"], "diaflight_live_sources_total")
    return seen


def main():
    text = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", (Path(REPOSITORY) / "docker-compose.yml").read_text())
    services = yaml.safe_load(text)["services"]
    for name, service in services.items():
        hardened(name, service)
    folder = Path(tempfile.mkdtemp())
    machine = Machine(REPOSITORY, DIAFLIGHT, {name: services[name] for name in services if name not in LEFT_OUT}, folder)
    try:
        print(json.dumps(without_live(machine) | with_live(machine)))
    except BaseException:
        for log in folder.glob("*.log"):
            print(f"== {log.stem}", *log.read_text(errors="replace").splitlines()[-20:], sep="\n", file=sys.stderr)
        raise
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
