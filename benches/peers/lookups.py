"""Measures lookups by id with several readers: the percentiles of the latencies in each round, and their median over rounds.

Every round draws new ids and asks every reader for the same ones, in turn, so that noise falls on all alike; before the first round
each reader is asked once for others. The run ends where answers differ."""

import statistics
import sys
from contextlib import ExitStack

import numpy

from readers import Measurer

FOUR = ["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"]
COLUMNS = {"4 columns": FOUR, "all columns": None}
ROWS = [1, 3, 10, 30, 100, 300, 1000]
MANY = {1: 20, 100: 5, 10_000: 1}  # ids in a lookup: lookups in a round
WARM_SEED = 10_000  # no round has so high a number
SLOW = ("duckdb", "duckdb join", "duckdb table")  # to be asked only a few times


def one_object(survey, readers, arguments):
    readers = [reader for reader in readers if reader.name not in SLOW]
    draw = lambda seed: [[dia_object_id] for dia_object_id in survey.draw(seed, arguments.lookups)]
    return measured(survey, readers, draw, arguments.rounds)


def by_rows(survey, readers, arguments):
    """Objects by the number of their sources."""
    readers = [reader for reader in readers if reader.name not in SLOW]
    parts = arguments.rounds + 1  # other objects in each round, and to warm up
    results = []
    for rows in ROWS:
        lookups = [[dia_object_id] for dia_object_id in survey.with_rows(rows, 20 * parts)]
        draw = lambda seed: lookups[min(seed, arguments.rounds) :: parts]
        results += measured(survey, readers, draw, arguments.rounds)
    return results


def many_objects(survey, readers, arguments, columns=COLUMNS, cached=False):
    readers = [reader for reader in readers if reader.name != "bare"]  # it knows one object at a time
    results = []
    for count, lookups in MANY.items():
        if count <= survey.objects:
            draw = lambda seed: [survey.draw(1000 * seed + i, count) for i in range(lookups)]
            results += [{"ids": count, **result} for result in measured(survey, readers, draw, arguments.rounds, columns, cached)]
    return results


def many_objects_of_files(survey, readers, arguments):
    """Where the table is too large for peers to load it, for the system's cache, and for DuckDB to read all columns again and again."""
    return many_objects(survey, readers, arguments, {"4 columns": FOUR}, cached=True)


def by_size(built, surveys, arguments):
    """The same lookups in surveys of all sizes: a smaller one is part of a larger one."""
    with ExitStack() as opened:
        measurers = [opened.enter_context(Measurer([built.measurer, "--warehouse", s.folder])) for s in surveys]
        readers = [measurer.reader(name) for measurer in measurers for name in ("engine", "bare")]
        draw = lambda seed: [[dia_object_id] for dia_object_id in surveys[0].draw(seed, arguments.lookups)]
        results = measured(surveys[0], readers, draw, arguments.rounds, cached=True)
        for i, result in enumerate(results):
            survey = surveys[i % len(readers) // 2]
            result |= {"objects": survey.objects, "sources": survey.sources}
        return results


def measured(survey, readers, draw, rounds, chosen=COLUMNS, cached=False):
    """One result for each reader and choice of columns; `draw` makes the lookups of a round. `cached`: each is asked once before, so that the
    system has its pages in memory, whatever the size of the table."""
    results = []
    for name, columns in chosen.items():
        for reader in readers:
            reader.ask(columns, draw(WARM_SEED))
        of_readers, rows = [[] for _ in readers], []
        for seed in range(rounds):
            lookups = draw(seed)
            if cached:
                [reader.ask(columns, lookups) for reader in readers]
            answers = [reader.ask(columns, lookups) for reader in readers]
            compare(readers, answers)
            for percentiles, answer in zip(of_readers, answers):
                percentiles.append(numpy.percentile(answer["micros"], [50, 90, 99]))
            rows += answers[0]["rows"]
        for reader, percentiles in zip(readers, of_readers):
            micros = {f"p{p}": statistics.median(column) for p, column in zip((50, 90, 99), zip(*percentiles))}
            about = {"objects": survey.objects, "sources": survey.sources, "reader": reader.name, "columns": name}
            results.append(about | {"rows": statistics.mean(rows)} | micros)
    return results


def compare(readers, answers):
    """All readers must have answered the same, whatever the order of rows."""
    for reader, answer in zip(readers, answers):
        for what in ("rows", "values", "checksum"):
            if answer[what] != answers[0][what]:
                sys.exit(f"{reader.name} and {readers[0].name} differ in {what}: {answer[what]}, {answers[0][what]}")
