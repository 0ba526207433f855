"""Runs the program, and says what it takes."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import requests

TICKS = os.sysconf("SC_CLK_TCK")


class Program:
    """The program, and a folder for its surveys, schemas and logs."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments):
        subprocess.run([self.path, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    def warehouse(self, name):
        """A copy of the survey that alerts are added to."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.folder / "survey", place)
        return place

    @contextmanager
    def live(self, address, topic, warehouse):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ["live", "--warehouse", warehouse, "--kafka", address, "--topic", topic, "--schema-dir", self.folder / "schemas"]
        with self.started(*command, "--metrics", f"127.0.0.1:{port}") as process:
            until(lambda: answers(f"{url}/health"), 60)
            yield Live(process, url)

    @contextmanager
    def server(self, warehouse):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with self.started("serve", "--warehouse", warehouse, "--listen", f"127.0.0.1:{port}", "--refresh-ms", 500):
            until(lambda: answers(f"{url}/health/ready"), 60)
            yield url

    @contextmanager
    def started(self, *command):
        with (self.folder / f"{command[0]}.log").open("a") as log:
            # `live` as deploy/diaflight-live.service runs it.
            nice = ["nice", "-n", "5"] if command[0] == "live" else []
            process = subprocess.Popen([*nice, self.path, *map(str, command)], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Live:
    """A running `live`."""

    def __init__(self, process, url):
        self.process, self.url = process, url

    def messages(self):
        """How many it has committed."""
        text = requests.get(f"{self.url}/metrics", timeout=30).text
        (count,) = [line.split()[1] for line in text.splitlines() if line.startswith("diaflight_live_messages_total ")]
        return int(count)

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def cpu_s(self):
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / TICKS


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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
