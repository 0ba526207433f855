"""Measures the start and the memory of a server: seconds from the start of the process until `/health/ready` answers, the median of
several starts; its memory then, and after lookups of many objects over many connections; bytes of its index and caches."""

import statistics

from load import ids_of, wrk
from lookups import COLUMNS
from serving import Server, lookup_path

CONNECTIONS = 32


def readiness(built, survey, arguments):
    seconds = []
    for _ in range(arguments.rounds - 1):
        with Server(built, survey) as server:
            seconds.append(server.ready_s)
    with Server(built, survey) as server, ids_of(survey) as ids:
        seconds.append(server.ready_s)
        at_start = server.memory_mib()["VmRSS"]
        for columns in COLUMNS.values():
            wrk(server, ids, CONNECTIONS, lookup_path(columns, "json"), arguments.seconds)
        return [{
            "objects": survey.objects, "sources": survey.sources, "ready_s": statistics.median(seconds),
            "at start MiB": at_start, **server.memory_mib(), "held": server.held_bytes(),
        }]
