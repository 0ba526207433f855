"""Runs the program, and measures what its commands take and write."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TABLES = ("sources", "fp", "objects")


@dataclass
class Finished:
    seconds: float
    cpu_seconds: float
    output: dict
    logged: list  # the lines of the log


class Program:
    """The program, and one warehouse."""

    def __init__(self, path, warehouse):
        self.path, self.warehouse = Path(path), Path(warehouse)

    def run(self, *arguments, log="warn"):
        """Runs a command on the warehouse."""
        return run(self.path, *arguments, "--warehouse", self.warehouse, log=log)

    def history(self, table):
        return self.run("table", "history", "--table", table, "--limit", 100_000).output[table]

    def versions(self):
        return {table: self.history(table)[0]["version"] for table in TABLES}

    def added(self, since):
        """The rows and bytes that commits after the versions `since` have added, by table and operation."""
        added = {}
        for table in TABLES:
            for entry in self.history(table):
                if entry["version"] > since[table]:
                    sums = added.setdefault(table, {}).setdefault(entry["operation"], {"rows": 0, "bytes": 0})
                    sums["rows"] += entry["added"]["rows"] or 0
                    sums["bytes"] += entry["added"]["bytes"]
        return added


def run(path, *arguments, log="warn"):
    """Runs a command that prints JSON; what it logs at this filter is kept."""
    with tempfile.NamedTemporaryFile("r") as logged:
        command = [path, *arguments, "--json", "--log", log, "--log-file", logged.name]
        before, began = usage(), time.monotonic()
        finished = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        seconds, cpu_seconds = time.monotonic() - began, usage() - before
        if finished.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: {finished.stderr}")
        lines = [json.loads(line) for line in logged if line.strip()]
        return Finished(seconds, cpu_seconds, json.loads(finished.stdout or "{}"), lines)


def usage():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def size(folder):
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
