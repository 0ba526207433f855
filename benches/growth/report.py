"""Draws the results, and writes their tables into SCALING.md, between the comments that say where; no figure there is typed by hand.

    python benches/growth/report.py
"""

import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
SCALING = HERE.parents[1] / "SCALING.md"
# Legible on light and dark pages, and identical for identical results.
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 10, "figure.facecolor": "white", "axes.grid": True, "grid.alpha": 0.3,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
}
# Of Okabe and Ito, which all eyes tell apart.
COLOURS = {"sources": "#0072b2", "fp": "#d55e00", "objects": "#009e73"}
MB = 1e6


def main():
    results = json.loads((HERE / "results.json").read_text())
    with plt.rc_context(STYLE):
        draw(results["one night"])
    text = SCALING.read_text()
    for name, make in {"one night": one_night, "many nights": many_nights, "unmerged nights": unmerged, "many files": many_files}.items():
        if name in results:
            place = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
            text, count = place.subn(lambda found: found[1] + "\n".join(make(results[name])) + "\n" + found[2], text)
            assert count == 1, name
    SCALING.write_text(text)


def draw(rows):
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    sources = [row["rows"]["sources"] for row in rows]
    axes[0].plot(sources, [row["seconds"] for row in rows], "o-", color="#555555")
    axes[0].set(title="seconds")
    for table, colour in COLOURS.items():
        written = [sum(sums["bytes"] for sums in row["written"].get(table, {}).values()) / MB for row in rows]
        axes[1].plot(sources, written, "o-", color=colour, label=table)
    axes[1].set(title="MB written")
    axes[1].legend()
    axes[2].plot(sources, [row["storage_bytes_read"] / MB for row in rows], "o-", color="#555555")
    axes[2].set(title="MB read from the storage")
    for ax in axes:
        ax.set(xscale="log", xlabel="sources in the table", ylim=0)
    figure.savefig(HERE / "one-night.svg", metadata={"Date": None})
    plt.close(figure)


def table(heads, rows):
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


def one_night(rows):
    def bytes_of(row, name):
        return sum(sums["bytes"] for sums in row["written"].get(name, {}).values()) / MB

    def line(row):
        compared = sum(found["copies"] for found in row["found"].values())
        written = ", ".join(f"{bytes_of(row, name):.1f}" for name in COLOURS)
        read = f"{row['storage_bytes_read'] / MB:.0f}"
        held = ", ".join(f"{row['rows'][name]:,}" for name in COLOURS)
        return [held, f"{row['alerts']:,}", f"{compared:,}", read, written, f"{row['seconds']:.1f}", f"{row['repeated_seconds']:.1f}"]

    heads = ["sources, fp, objects in the table", "alerts", "stored rows compared", "MB read", "MB written (sources, fp, objects)", "s", "s, again"]
    yield from table(heads, map(line, rows))


def many_nights(rows):
    def line(row):
        amplification = ", ".join(f"{row['amplification'][name]:.1f}" for name in COLOURS)
        lookups = row["lookup_ms"]
        timed = f"{lookups['as it is']:.2f}, {lookups['as one run']:.2f}"
        begins = ", ".join(f"{row['begins'][name]:,}" for name in COLOURS)
        return [begins, row["nights"], amplification, f"{row['ingest_s']:.1f}, {row['maintain_s']:.1f}", timed]

    heads = ["begins with sources, fp, objects", "nights", "bytes written for each ingested (sources, fp, objects)", "s a night: ingest, maintain", "lookup p50, ms: as it is, one run"]
    yield from table(heads, map(line, rows))


def unmerged(rows):
    for row in rows:
        states = ["as ingested", "merged", "one run"]
        lines = [[state, *(f"{row[state][name]:.2f}" for name in ("sources", "objects"))] for state in states]
        yield from table([f"{row['nights']} nights", "sources, p50 ms", "objects, p50 ms"], lines)


def many_files(rows):
    lines = [[row["storage"], f"{row['files']:,}", f"{row['commits']:,}", f"{row['ready_s']:.2f}", f"{row['memory_mib']:.0f}"] for row in rows]
    yield from table(["storage", "files", "commits", "s until ready", "MiB then"], lines)


if __name__ == "__main__":
    main()
