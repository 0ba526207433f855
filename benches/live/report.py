"""Writes the results into SCALING.md, between the comments that say where; no figure there is typed by hand.

    python benches/live/report.py
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
SCALING = HERE.parents[1] / "SCALING.md"


def main():
    results = json.loads((HERE / "results.json").read_text())
    lines = ["| | wanted | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows(results["backlog"], results["fresh"]))]
    place = re.compile(r"(<!-- live -->\n).*?(<!-- end -->)", re.DOTALL)
    text, count = place.subn(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], SCALING.read_text())
    assert count == 1
    SCALING.write_text(text)


def rows(backlogs, fresh):
    for one in backlogs:
        what = f"backlog of {one['alerts']:,} alerts of {one['bytes_each'] / 1e3:.0f} kB"
        yield f"{what}: alerts a second", "2,000", f"{one['alerts_a_second']:,.0f}"
        yield f"{what}: of them for each second of processor time of `live`", "", f"{one['alerts'] / one['cpu_s']:,.0f}"
        yield f"{what}: peak memory, MiB", "1,024", f"{one['peak_mib']:,.0f}"
    delays, lookups = fresh["delay_s"], fresh["lookup_ms"]
    what = f"{fresh['rate']} alerts a second of {fresh['bytes_each'] / 1e3:.0f} kB, and {fresh['burst']:,} more in a moment"
    alone, beside = delays["alone"], delays["beside lookups"]
    yield f"{what}: p50, p99 from produced to served, s", "p99 10", f"{alone['p50']:.1f}, {alone['p99']:.1f}"
    yield "the same, beside one client that looks ids up 100 times a second, s", "", f"{beside['p50']:.1f}, {beside['p99']:.1f}"
    yield "peak memory meanwhile, MiB", "1,024", f"{fresh['peak_mib']:,.0f}"
    for name, wanted in {"p50": "1.5", "p99": "2"}.items():
        without, beside = lookups["without"][name], lookups["with"][name]
        what = f"lookups meanwhile, {name}: {beside:.1f} ms, and {without:.1f} ms while nobody reads the alerts"
        yield what, f"{wanted} times", f"{beside / without:.2f} times"


if __name__ == "__main__":
    main()
