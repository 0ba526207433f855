"""One machine in place of the containers of docker-compose.yml: its services as plain processes. Commands, variables, health checks and
order are the file's; `Machine` says where addresses, volumes and programs are here. The broker of Kafka is another one than the file's.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import noida_db

PATIENCE_S = 120
FETCH = "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[-1], timeout=5)"
CONNECT = "import sys, socket; socket.create_connection(sys.argv[-2:], timeout=5)"
BROKER = [str(Path(noida_db.__file__).parent / "noida-db"), "start", "--only", "kafka", "--host", "127.0.0.1"]
PROGRAMS = {
    "weed": [str(Path(sys.executable).parent / "weed")],
    "wget": [sys.executable, "-c", FETCH],
    "nc": [sys.executable, "-c", CONNECT],
}
DISCOVERED = "dns_sd_configs: [{names: [live], type: A, port: 9100}]"  # there is no such name before `live` runs


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Machine:
    """The services, where their addresses and volumes are, and what runs of them."""

    def __init__(self, repository, diaflight, services, folder):
        self.repository, self.diaflight = Path(repository), diaflight
        self.services, self.folder, self.running = services, folder, {}
        s3, http, prometheus, kafka, metrics, *others = free_ports(14)
        self.server, self.prometheus = f"127.0.0.1:{http}", f"127.0.0.1:{prometheus}"
        self.metrics = f"127.0.0.1:{metrics}"
        self.addresses = {
            r"\b(storage|127\.0\.0\.1):8333\b": f"127.0.0.1:{s3}",
            r"-s3\.port=8333\b": f"-s3.port={s3}",
            r"-ip\.bind=0\.0\.0\.0": "-ip.bind=127.0.0.1",
            r"\b(server|localhost|0\.0\.0\.0):8080\b": self.server,
            r"\b(127\.0\.0\.1|0\.0\.0\.0):9090\b": self.prometheus,
            r"\bbroker:9092\b": f"127.0.0.1:{kafka}",
            r"^9092$": str(kafka),
            r"\b0\.0\.0\.0:9100\b": self.metrics,
            r"(?<!\S)/replay\.py\b": f"{repository}/examples/replay.py",
        }
        shell, program = ["sh", "-c"], [diaflight]
        self.entrypoints = {  # as the images have them
            "server": program, "live": program, "data": shell, "producer": shell, "prometheus": ["prometheus"], "broker": BROKER,
        }
        self.programs = PROGRAMS | {"/usr/local/bin/diaflight": [diaflight]}
        # A container has these ports to itself.
        names = ["master", "volume", "filer", "admin"]
        ports = [f"{name}.port" for name in names] + [f"{name}.port.grpc" for name in [*names, "s3"]]
        sockets = [f"-{name}.localSocket={folder}/{name}.sock" for name in ["filer", "s3"]]
        self.more = {
            "storage": [f"-{name}={port}" for name, port in zip(ports, others, strict=True)] + sockets,
            "broker": ["--kafka-port", str(kafka), "--data-dir", f"{folder}/kafka"],
        }

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
            text = (self.repository / source).read_text().replace(DISCOVERED, "file_sd_configs: [{files: [discovered.json]}]")
            place.write_text(re.sub(r"\bserver:8080\b", self.server, text))
        return place

    def discover(self):
        """Lets Prometheus know that there is `live`."""
        new = self.folder / "discovered.new"
        new.write_text(json.dumps([{"targets": [self.metrics]}]))
        new.rename(self.folder / "discovered.json")

    def start(self, name, arguments):
        words = [self.placed(name, word) for word in arguments]
        words[:1] = self.programs.get(words[0], words[:1])
        with open(self.folder / f"{name}.log", "ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return subprocess.Popen(words, env=self.variables(name), cwd=self.folder, **streams)

    def variables(self, name):
        path = f"{Path(self.diaflight).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = self.services[name].get("environment", {})
        return {"PATH": path, "HOME": str(self.folder)} | {key: self.placed(name, own[key]) for key in own}

    def run(self, name):
        """Starts a service once those that it depends on are as far as it asks."""
        service = self.services[name]
        for other, needed in service.get("depends_on", {}).items():
            if needed["condition"] == "service_completed_successfully":
                code = self.running[other].wait(PATIENCE_S)
                assert code == 0, f"{other} ended with {code}"
            elif needed["condition"] == "service_healthy":
                self.healthy(other)
            else:
                assert needed["condition"] == "service_started" and other in self.running, needed
        entrypoint = service.get("entrypoint", self.entrypoints.get(name))
        self.running[name] = self.start(name, entrypoint + service.get("command", []) + self.more.get(name, []))

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
