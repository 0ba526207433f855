"""Runs the services of docker-compose.yml as plain processes: their commands, variables, health checks and order are the
file's; only places differ, and `Machine` says how. Then an id is looked up over S3, the data service is run a second
time, and Prometheus is asked what it sees.

Prints what was seen as one JSON object; fails at the first thing that is wrong.
Usage: compose.py REPOSITORY DIAFLIGHT [SERVICE...] (the services to leave out)
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

REPOSITORY, DIAFLIGHT, *LEFT_OUT = sys.argv[1:]
PATIENCE_S = 120
DRAIN_LIMIT_S = 8  # the default of --drain-limit-ms
FETCH = "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[-1], timeout=5)"
ENTRYPOINTS = {"server": [DIAFLIGHT], "data": ["sh", "-c"], "prometheus": ["prometheus"]}  # as their images have them
PROGRAMS = {
    "weed": str(Path(sys.executable).parent / "weed"),
    "/usr/local/bin/diaflight": DIAFLIGHT,
    "wget": [sys.executable, "-c", FETCH],
}


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def fetch(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
        return json.load(answer)


class Machine:
    """One machine in place of a network of containers: where their addresses and volumes are."""

    def __init__(self, services, folder):
        self.services, self.folder, self.running = services, folder, {}
        s3, http, prometheus, *others = free_ports(12)
        self.server, self.prometheus = f"127.0.0.1:{http}", f"127.0.0.1:{prometheus}"
        self.addresses = {
            r"\b(storage|127\.0\.0\.1):8333\b": f"127.0.0.1:{s3}",
            r"-s3\.port=8333\b": f"-s3.port={s3}",
            r"-ip\.bind=0\.0\.0\.0": "-ip.bind=127.0.0.1",
            r"\b(server|localhost|0\.0\.0\.0):8080\b": self.server,
            r"\b(127\.0\.0\.1|0\.0\.0\.0):9090\b": self.prometheus,
        }
        # A container has these ports to itself.
        names = ["master", "volume", "filer", "admin"]
        ports = [f"{name}.port" for name in names] + [f"{name}.port.grpc" for name in [*names, "s3"]]
        sockets = [f"-{name}.localSocket={folder}/{name}.sock" for name in ["filer", "s3"]]
        self.more = {"storage": [f"-{name}={port}" for name, port in zip(ports, others, strict=True)] + sockets}

    def placed(self, name, text):
        """A text of the service `name`, with this machine's folders and addresses."""
        for volume in self.services[name].get("volumes", []):
            source, target = volume.split(":")[:2]
            text = re.sub(rf"(?<![\w/]){re.escape(target)}(?![\w/])", str(self.volume(source)), text)
        for address, here in self.addresses.items():
            text = re.sub(address, here, text)
        return text

    def volume(self, source):
        place = self.folder / Path(source).name
        if not source.startswith("."):
            place.mkdir(exist_ok=True)
        elif not place.exists():
            text = (Path(REPOSITORY) / source).read_text()
            place.write_text(re.sub(r"\bserver:8080\b", self.server, text))
        return place

    def start(self, name, arguments):
        words = [self.placed(name, word) for word in arguments]
        program = PROGRAMS.get(words[0], words[0])
        words[:1] = program if isinstance(program, list) else [program]
        with open(self.folder / f"{name}.log", "ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return subprocess.Popen(words, env=self.variables(name), cwd=self.folder, **streams)

    def variables(self, name):
        path = f"{Path(DIAFLIGHT).parent}:{os.environ['PATH']}"
        own = self.services[name].get("environment", {})
        return {"PATH": path, "HOME": str(self.folder)} | {key: self.placed(name, own[key]) for key in own}

    def run(self, name):
        """Starts a service once those that it depends on are as far as it asks."""
        service = self.services[name]
        for other, needed in service.get("depends_on", {}).items():
            if needed["condition"] == "service_completed_successfully":
                code = self.running[other].wait(PATIENCE_S)
                assert code == 0, f"{other} ended with {code}"
            else:
                assert needed["condition"] == "service_healthy", needed
                self.healthy(other)
        entrypoint = service.get("entrypoint", ENTRYPOINTS.get(name))
        self.running[name] = self.start(name, entrypoint + service["command"] + self.more.get(name, []))

    def healthy(self, name):
        kind, *test = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD", "an image without a shell cannot run anything else"
        end = time.monotonic() + PATIENCE_S
        while self.start(name, test).wait(PATIENCE_S) != 0:
            assert self.running[name].poll() is None, f"{name} ended"
            assert time.monotonic() < end, f"{name} is never healthy"
            time.sleep(0.3)

    def stop(self):
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def looked_up(machine):
    """The light curve of some object, and how many versions the table has."""
    statement = "SELECT diaObjectId, nDiaSources FROM objects ORDER BY nDiaSources DESC LIMIT 1"
    command = [DIAFLIGHT, "sql", "--server", f"http://{machine.server}", "--format", "json", statement]
    (row,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    rows = fetch(f"http://{machine.server}/api/v1/sources?diaObjectId={row['diaObjectId']}")
    assert len(rows) == row["nDiaSources"] > 0, f"{len(rows)} rows of {row}"
    return len(rows)


def scraped(machine):
    """What Prometheus says of the server."""
    machine.healthy("prometheus")
    asked = "/api/v1/query?query=" + urllib.parse.quote('diaflight_requests_total{endpoint="/api/v1/sources"}')
    end = time.monotonic() + PATIENCE_S
    while not (found := fetch(f"http://{machine.prometheus}{asked}")["data"]["result"]):
        assert time.monotonic() < end, "Prometheus never sees the lookups"
        time.sleep(0.3)
    (target,) = fetch(f"http://{machine.prometheus}/api/v1/targets")["data"]["activeTargets"]
    assert target["health"] == "up", target
    return {"target": target["health"], "lookups": found[0]["value"][1]}


def main():
    services = yaml.safe_load((Path(REPOSITORY) / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        hardened(name, service)
    folder = Path(tempfile.mkdtemp())
    machine = Machine(services, folder)
    try:
        for name in [name for name in services if name not in LEFT_OUT]:
            machine.run(name)
        machine.healthy("server")
        seen = {"detections": looked_up(machine)}
        log = (folder / "data.log").read_text()
        machine.run("data")
        assert machine.running["data"].wait(PATIENCE_S) == 0, "the data cannot be made a second time"
        assert "generated" in log and "generated" not in (folder / "data.log").read_text()[len(log) :]
        if "prometheus" not in LEFT_OUT:
            seen["prometheus"] = scraped(machine)
        print(json.dumps(seen))
    except BaseException:
        for log in folder.glob("*.log"):
            print(f"== {log.stem}", *log.read_text(errors="replace").splitlines()[-20:], sep="\n", file=sys.stderr)
        raise
    finally:
        machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
