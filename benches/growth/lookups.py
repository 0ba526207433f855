"""Lookups of single objects over HTTP, by one client that waits for each answer."""

import http.client
import re
import statistics
import subprocess
import time

COLUMNS = {"sources": "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr", "objects": "r:ra,r:dec,r:nDiaSources"}


class Served:
    """A server of a warehouse, until the end of the block."""

    def __init__(self, program, warehouse):
        self.program, self.warehouse = str(program), str(warehouse)
        self.command = [self.program, "serve", "--warehouse", self.warehouse, "--listen", "127.0.0.1:0"]

    def __enter__(self):
        command = [*self.command, "--log-file", "/dev/null"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # It is the one line that it prints.
        address = re.search(r"listening on \S*?//([\d.]+):(\d+)", self.process.stdout.readline())
        if not address:
            raise SystemExit("the server ended")
        self.connection = http.client.HTTPConnection(address[1], int(address[2]))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stdout.close()
        self.process.wait()

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]}")
        return body

    def p50_ms(self, lookups, table="sources"):
        """The median of so many lookups of random objects, each of which has been asked for once before."""
        sql = f'SELECT "diaObjectId" FROM objects ORDER BY "diaObjectId" % 10007, "diaObjectId" LIMIT {lookups}'
        asked = [self.program, "sql", "--warehouse", self.warehouse, "--format", "csv", sql]
        keys = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1:]
        paths = [f"/api/v1/{table}?diaObjectId={key}&columns={COLUMNS[table]}" for key in keys]
        took = []
        for repeated in (False, True):
            for path in paths:
                began = time.perf_counter()
                self.get(path)
                took.extend([1000 * (time.perf_counter() - began)] * repeated)
        return statistics.median(took)
