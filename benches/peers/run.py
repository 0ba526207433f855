"""diaflight beside its peers, all in one run on the same generated rows.

Takes a folder for surveys and programs, and the sizes of the surveys. Writes results.json, from which report.py writes BENCHMARKS.md
and its plots. It ends every process that it starts, even if it fails. Surveys are kept, and the next run replaces them.

    python benches/peers/run.py --folder /tmp/diaflight-peers

A long run can be made in pieces: `--only lookups,layouts` measures these parts alone, and keeps what results.json has of the others.
"""

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import machine
import programs
from layouts import layouts
from load import load
from lookups import by_rows, by_size, many_objects, many_objects_of_files, one_object
from parts import PARTS, chosen, earlier, part_of
from postgres import Cluster
from readers import DuckFiles, DuckTable, Measurer, Postgres
from readiness import readiness
from sky import sky
from statements import statements
from storage import storage
from survey import Survey
from writing import writing

HERE = Path(__file__).parent


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    programs.install()
    built = programs.built_in(arguments.programs) if arguments.programs else programs.build(arguments.folder)
    results = earlier(arguments) if arguments.only != set(PARTS) else {}
    results |= {"machine": machine.describe(built), "rounds": arguments.rounds, "lookups": arguments.lookups}
    replaced = set()
    for name, measured in measurements(arguments, built):
        results[name] = [*(results[name] if name in replaced else []), *measured]
        replaced.add(name)
        results.setdefault("made", {})[part_of(name)] = {what: results["machine"][what] for what in ("date", "diaflight")}
        arguments.results.write_text(json.dumps(results, indent=1) + "\n")
        print(f"measured: {name}", file=sys.stderr)


def measurements(arguments, built):
    """Pairs of a name in the results and what was measured. The largest surveys are made when the peers' own tables are gone."""
    only, surveys = arguments.only, []
    for objects in sorted(arguments.objects):
        survey = made(built, arguments, objects)
        surveys.append(survey)
        if "surveys" in only:
            yield "surveys", [survey.described()]
        if "lookups" in only:
            with ExitStack() as opened:
                if objects <= arguments.peers_up_to:
                    readers = peers(opened, built, survey)
                    yield "one object", one_object(survey, readers, arguments)
                    yield "by rows", by_rows(survey, readers, arguments)
                    yield "many objects", many_objects(survey, readers, arguments)
                else:
                    readers = of_files(opened, built, survey)
                    yield "many objects", many_objects_of_files(survey, readers, arguments)
        if "readiness" in only:
            yield "readiness", readiness(built, survey, arguments)
    largest_beside = [survey for survey in surveys if survey.objects <= arguments.peers_up_to][-1]
    if "size" in only:
        yield "by size", by_size(built, surveys, arguments)
    if "storage" in only:
        yield "storage", storage(built, surveys[-1])
    if "http" in only:
        yield from load(built, largest_beside, arguments)
    if "statements" in only:
        yield "statements", statements(built, largest_beside, arguments.rounds)
    if "writing" in only:
        yield "writing", writing(built, surveys[0], arguments)
    if "layouts" in only:
        yield "layouts", layouts(built, surveys[0], arguments)
    if "sky" in only:
        yield from sky(built, arguments)


def made(built, arguments, objects):
    survey = Survey.made(built, arguments.folder, objects, arguments.reuse)
    with Measurer([built.measurer, "--warehouse", survey.folder]) as measurer:
        survey.columns = measurer.hello["columns"]
    return survey


def peers(opened, built, survey):
    """The readers of a survey, the engine first."""
    measurer = opened.enter_context(Measurer([built.measurer, "--warehouse", survey.folder]))
    cluster = opened.enter_context(Cluster())
    cluster.load(survey)
    client = opened.enter_context(Measurer([built.postgres, cluster.parameters], hello=False))
    return [
        measurer.reader("engine"),
        measurer.reader("bare"),
        Postgres(client, survey),
        opened.enter_context(DuckFiles(survey)),
        opened.enter_context(DuckFiles(survey, join=True)),
        opened.enter_context(DuckTable(survey)),
    ]


def of_files(opened, built, survey):
    """Those that load nothing."""
    measurer = opened.enter_context(Measurer([built.measurer, "--warehouse", survey.folder]))
    duck = [opened.enter_context(DuckFiles(survey, join)) for join in (False, True)]
    return [measurer.reader("engine"), *duck]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, type=Path, help="for surveys and built programs")
    parser.add_argument("--objects", type=int, nargs="+", default=[56_000, 560_000, 5_600_000])
    parser.add_argument("--peers-up-to", type=int, default=560_000, help="objects of the largest survey that peers load")
    parser.add_argument("--sky-objects", type=int, nargs="+", default=[1_000_000, 10_000_000], help="of the tables that are searched by place")
    parser.add_argument("--sky-peers-up-to", type=int, default=10_000_000, help="objects of the largest of them that peers load")
    parser.add_argument("--reuse", action="store_true", help="surveys of an earlier run, with its figures of making them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lookups", type=int, default=300, help="of one object, in each round, for each reader")
    parser.add_argument("--seconds", type=int, default=10, help="of load at each number of connections")
    parser.add_argument("--programs", type=Path, help="folder of built programs, instead of building them")
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--only", type=chosen, default=set(PARTS), metavar="PART,...", help=f"of {', '.join(PARTS)}")
    arguments = parser.parse_args()
    if min(arguments.objects) > arguments.peers_up_to:
        parser.error("--peers-up-to: no survey is that small")
    return arguments


if __name__ == "__main__":
    main()
