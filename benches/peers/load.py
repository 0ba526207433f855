"""Measures lookups over HTTP with wrk on the same machine: latencies of one connection in each output format, and latencies and
requests per second at growing numbers of connections. Answers in all formats are compared with the engine's first."""

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from documents import summed
from lookups import COLUMNS, FOUR, compare
from readers import Measurer
from serving import Server, lookup_path

CONNECTIONS = [1, 2, 4, 8, 16, 32, 64]
FORMATS = ["json", "csv", "votable", "parquet", "arrow"]
IDS = 20_000
CHECKED = 20


def load(built, survey, arguments):
    """Pairs of a name in the results and what was measured."""
    with Server(built, survey) as server, ids_of(survey) as ids:
        checked(built, survey, server)

        def asked(about, connections, columns, output_format):
            counted = wrk(server, ids, connections, lookup_path(columns, output_format), arguments.seconds)
            return about | {"sources": survey.sources, "connections": connections} | counted

        asked({}, 4, FOUR, "json")  # to warm up
        yield "formats", [
            asked({"format": name, "columns": chosen}, 1, columns, name)
            for chosen, columns in COLUMNS.items()
            for name in FORMATS
        ]
        yield "connections", [asked({"columns": "4 columns"}, count, FOUR, "json") for count in CONNECTIONS]


@contextmanager
def ids_of(survey):
    """A file of ids, for lookup.lua."""
    with tempfile.NamedTemporaryFile("w", suffix=".ids") as ids:
        ids.write("".join(f"{dia_object_id}\n" for dia_object_id in survey.draw(0, IDS)))
        ids.flush()
        yield ids.name


def wrk(server, ids, connections, path, seconds):
    script = Path(__file__).with_name("lookup.lua")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script, f"http://{server.address}", "--", ids, path]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    counted = json.loads(said.splitlines()[-1])
    if counted["errors"] or not counted["requests"]:
        sys.exit(f"{counted['errors']} of {counted['requests']} requests failed: {path}")
    return counted | {"per second": counted["requests"] / counted["seconds"]}


def checked(built, survey, server):
    lookups = [[dia_object_id] for dia_object_id in survey.draw(1, CHECKED)]
    with Measurer([built.measurer, "--warehouse", survey.folder]) as measurer:
        engine = measurer.reader("engine")
        expected = engine.ask(FOUR, lookups)
    for name in FORMATS:
        tables = [summed(name, server.lookup(ids, FOUR, name)) for ids in lookups]
        answer = {
            "rows": [table["rows"] for table in tables],
            "values": sum(table["values"] for table in tables),
            "checksum": sum(table["checksum"] for table in tables) % 2**64,
        }
        compare([engine, SimpleNamespace(name=name)], [expected, answer])
