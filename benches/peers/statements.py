"""Measures SQL over a whole table, and DuckDB over the same files: seconds of each statement, the median over rounds in which both run in
turn. The server is queried over Flight SQL; DuckDB runs in this process. The run fails if answers differ."""

import math
import statistics
import sys
import time

import duckdb
from adbc_driver_flightsql import dbapi

from serving import Server

STATEMENTS = {
    "count by band and night": "SELECT band, floor(midpointMjdTai) AS night, count(*) AS n FROM {sources} "
    "GROUP BY band, floor(midpointMjdTai) ORDER BY band, night",
    # About 22nd magnitude, of fluxes in nJy.
    "mean flux of a magnitude cut": "SELECT avg(psfFlux) AS mean, count(*) AS n FROM {sources} WHERE psfFlux > 5754.4",
}


def statements(built, survey, rounds):
    with (
        Server(built, survey) as server,
        dbapi.connect(f"grpc://{server.address}", autocommit=True) as connection,
        connection.cursor() as cursor,
        duckdb.connect() as duck,
    ):
        duck.execute("SET parquet_metadata_cache = true")

        def ours(statement):
            cursor.execute(statement.format(sources="sources"))
            return cursor.fetchall()

        def theirs(statement):
            return duck.execute(statement.format(sources=f"read_parquet({survey.files})")).fetchall()

        return [
            {"sources": survey.sources, "statement": name} | beside(name, statement, ours, theirs, rounds)
            for name, statement in STATEMENTS.items()
        ]


def beside(name, statement, ours, theirs, rounds):
    seconds = {"diaflight": [], "duckdb": []}
    for seed in range(rounds + 1):
        answers = []
        for reader, ask in (("diaflight", ours), ("duckdb", theirs)):
            begun = time.perf_counter()
            answers.append(ask(statement))
            if seed > 0:  # the first one is to warm up
                seconds[reader].append(time.perf_counter() - begun)
        if not same(*answers):
            sys.exit(f"{name}: the answers differ")
    return {reader: statistics.median(taken) for reader, taken in seconds.items()}


def same(ours, theirs):
    """A mean depends on the order in which it is summed."""
    close = lambda a, b: math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b
    return len(ours) == len(theirs) and all(close(a, b) for rows in zip(ours, theirs) for a, b in zip(*rows))
