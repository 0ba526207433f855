"""Measures lookups in object storage where every request takes 20 ms: for each choice of columns the latency, requests, sequential
requests and bytes of one lookup with a warm index, which earlier lookups of other objects have filled."""

import numpy

from lookups import COLUMNS, WARM_SEED, compare
from readers import Measurer

DELAY_MS = 20
WARM_LOOKUPS = 500
LOOKUPS = 100


def storage(built, survey):
    with Measurer([built.measurer, "--warehouse", survey.folder]) as measurer:
        return traffic(measurer, survey, LOOKUPS)


def traffic(measurer, survey, count):
    """Of `count` lookups, or fewer."""
    lookups = [[dia_object_id] for dia_object_id in survey.draw(0, min(count, LOOKUPS))]
    asked = {dia_object_id for [dia_object_id] in lookups}
    warm = [[other] for other in survey.draw(WARM_SEED, WARM_LOOKUPS) if other not in asked]
    local, delayed = measurer.reader("engine"), measurer.reader("storage")
    results = []
    for name, columns in COLUMNS.items():
        delayed.ask(columns, warm)
        answer = delayed.ask(columns, lookups, delay_ms=DELAY_MS)
        compare([local, delayed], [local.ask(columns, lookups), answer])
        of_lookup = {key: [one[key] for one in answer["traffic"]] for key in ("requests", "in_sequence", "bytes")}
        millis = numpy.array(answer["micros"]) / 1000
        results.append({
            "sources": survey.sources, "columns": name, "delay_ms": DELAY_MS,
            "p50_ms": float(numpy.percentile(millis, 50)), "p99_ms": float(numpy.percentile(millis, 99)),
            **{key: float(numpy.median(values)) for key, values in of_lookup.items()},
            **{f"{key} at most": max(values) for key, values in of_lookup.items()},
        })
    return results
