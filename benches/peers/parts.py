"""The parts of a run, which can be measured one by one. Decides from the arguments and an earlier results.json which parts to measure and
which earlier results to keep."""

import argparse
import json
import sys

# Each with the names that it has in the results.
PARTS = {
    "surveys": ["surveys"],
    "lookups": ["one object", "by rows", "many objects"],
    "readiness": ["readiness"],
    "size": ["by size"],
    "storage": ["storage"],
    "http": ["formats", "connections"],
    "statements": ["statements"],
    "writing": ["writing"],
    "layouts": ["layouts"],
    "sky": ["cones", "matches", "field"],
}


def chosen(text):
    """Of a list with commas."""
    names = set(text.split(","))
    if unknown := names - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}")
    return names


def part_of(name):
    return next(part for part, names in PARTS.items() if name in names)


def earlier(arguments):
    """The results of other parts, of runs like this one."""
    if not arguments.results.exists():
        return {}
    results = json.loads(arguments.results.read_text())
    for what in ("rounds", "lookups"):
        if results[what] != getattr(arguments, what):
            sys.exit(f"--only: {arguments.results} is of a run with --{what} {results[what]}")
    return results


def check_complete(results):
    if missing := [part for part, names in PARTS.items() if not all(name in results for name in names)]:
        sys.exit(f"nothing was measured of {', '.join(missing)}: run.py --only {','.join(missing)}")
