"""Starts a server of a survey: gives its address, the time until it was ready, its memory, and its metrics of the index and caches."""

import http.client
import re
import subprocess
import sys
import time
from pathlib import Path

START_LIMIT_S = 120


class Server:
    def __init__(self, built, survey):
        command = [built.diaflight, "serve", "--warehouse", survey.folder, "--listen", "127.0.0.1:0"]
        self.command = [*command, "--max-concurrent-requests", "1024"]

    def __enter__(self):
        begun = time.perf_counter()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            said = self.process.stdout.readline()
            if "//" not in said:
                sys.exit("the server did not start")
            self.address = said.split("//")[1].strip()
            while self.get("/health/ready")[0] != 200:
                if time.perf_counter() - begun > START_LIMIT_S:
                    sys.exit("the server was not ready in time")
                time.sleep(0.002)
        except BaseException:
            self.__exit__()
            raise
        self.ready_s = time.perf_counter() - begun
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path):
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def lookup(self, ids, columns=None, output_format="json"):
        status, body = self.get(lookup_path(columns, output_format) + ",".join(map(str, ids)))
        return body if status == 200 else sys.exit(f"the server answered {status}: {body[:200]}")

    def memory_mib(self):
        """What it holds, and the most that it held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "VmHWM")}

    def held_bytes(self):
        """Its gauges in bytes, such as those of the index and of caches."""
        text = self.get("/metrics")[1].decode()
        return {name: float(value) for name, value in re.findall(r"^diaflight_(\w+)_bytes (\S+)$", text, re.M)}


def lookup_path(columns, output_format):
    chosen = f"columns={','.join(columns)}&" if columns else ""
    return f"/api/v1/sources?{chosen}output-format={output_format}&diaObjectId="
