"""Lookups of single objects over HTTP, by one client that waits for each answer."""

import http.client
import re
import statistics
import subprocess
import tempfile
import time

COLUMNS = "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr"


class Served:
    """A server of a warehouse, until the end of the block."""

    def __init__(self, program, warehouse):
        self.program, self.warehouse = str(program), str(warehouse)
        self.command = [self.program, "serve", "--warehouse", self.warehouse, "--listen", "127.0.0.1:0"]

    def __enter__(self):
        self.log = tempfile.NamedTemporaryFile("r")
        self.process = subprocess.Popen([*self.command, "--log-file", self.log.name])
        for line in self.lines():
            if address := re.search(r"listening on \S*?//([\d.]+):(\d+)", line):
                self.connection = http.client.HTTPConnection(address[1], int(address[2]))
                return self

    def lines(self):
        """What the server logs, as it comes."""
        while self.process.poll() is None:
            yield self.log.readline() or time.sleep(0.05) or ""
        raise SystemExit("the server ended")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]}")
        return body

    def p50_ms(self, lookups):
        """The median of so many lookups of random objects, each of which has been asked for once before."""
        sql = f'SELECT "diaObjectId" FROM objects ORDER BY md5("diaObjectId"::text) LIMIT {lookups}'
        asked = [self.program, "sql", "--warehouse", self.warehouse, "--format", "csv", sql]
        keys = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1:]
        paths = [f"/api/v1/sources?diaObjectId={key}&columns={COLUMNS}" for key in keys]
        took = []
        for repeated in (False, True):
            for path in paths:
                began = time.perf_counter()
                self.get(path)
                took.extend([1000 * (time.perf_counter() - began)] * repeated)
        return statistics.median(took)
