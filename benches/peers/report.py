"""Writes BENCHMARKS.md and its plots from results.json and the text in BENCHMARKS.template.md; no figure is typed by hand.

    python benches/peers/report.py
"""

import argparse
import json
from pathlib import Path
from string import Template

import plots
import tables
from parts import check_complete
from targets import targets

HERE = Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--report", type=Path, default=HERE.parents[1] / "BENCHMARKS.md")
    parser.add_argument("--plots", type=Path, default=HERE / "plots")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text())
    check_complete(results)
    plots.draw(results, arguments.plots)
    template = Template((HERE / "BENCHMARKS.template.md").read_text())
    largest = max(row["sources"] for row in results["one object"])
    text = template.substitute(
        machine=tables.machine(results),
        rounds=results["rounds"],
        lookups=results["lookups"],
        compared=tables.millions(largest),
        targets=tables.targets(targets(results)),
        one_object=tables.one_object(results["one object"]),
        by_rows=tables.by_rows(results["by rows"], largest),
        by_size=tables.by_size(results["by size"]),
        many_objects=tables.many_objects(results["many objects"]),
        formats=tables.formats(results["formats"]),
        connections=tables.connections(results["connections"]),
        storage=tables.storage(results["storage"]),
        readiness=tables.readiness(results["readiness"]),
        statements=tables.statements(results["statements"]),
        surveys=tables.surveys(results["surveys"]),
        writing=tables.writing(results["writing"]),
        default_layout=tables.default_layout(results["layouts"]),
        layouts=tables.layouts(results["layouts"]),
        cones=tables.cones(results["cones"]),
        matches=tables.matches(results["matches"]),
        field=tables.field(results["field"]),
    )
    arguments.report.write_text(text)


if __name__ == "__main__":
    main()
