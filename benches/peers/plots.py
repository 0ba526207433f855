"""The plots of the report: SVG files that are legible on light and dark pages, and identical for identical results."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from tables import NAMES

STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "peers", "font.size": 10, "figure.facecolor": "white", "axes.grid": True,
    "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
}
# Of Okabe and Ito, which all eyes tell apart.
COLOURS = {"engine": "#0072b2", "bare": "#999999", "postgres": "#d55e00"}
COLUMNS = ["4 columns", "all columns"]


def draw(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"size": by_size, "rows": by_rows, "connections": connections, "storage": storage}
    with plt.rc_context(STYLE):
        for name, plot in drawn.items():
            figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
            plot(results, axes)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


def by_size(results, axes):
    rows = [*results["by size"], *(row for row in results["one object"] if row["reader"] == "postgres")]
    lines(rows, "sources", axes)
    for ax, columns in zip(axes, COLUMNS):
        ax.set(xscale="log", xlabel="sources in the table", ylabel="p50, µs", title=f"one object, {columns}", ylim=0)


def by_rows(results, axes):
    largest = max(row["sources"] for row in results["by rows"])
    lines([row for row in results["by rows"] if row["sources"] == largest], "rows", axes)
    for ax, columns in zip(axes, COLUMNS):
        ax.set(xscale="log", yscale="log", xlabel="rows of the object", ylabel="p50, µs", title=columns)


def lines(rows, x, axes):
    for ax, columns in zip(axes, COLUMNS):
        for reader, colour in COLOURS.items():
            points = sorted((row[x], row["p50"]) for row in rows if (row["reader"], row["columns"]) == (reader, columns))
            ax.plot(*zip(*points), "o-", color=colour, label=NAMES[reader])
    axes[0].legend()


def connections(results, axes):
    rows = results["connections"]
    counts = [row["connections"] for row in rows]
    axes[0].plot(counts, [row["per second"] for row in rows], "o-", color=COLOURS["engine"])
    axes[0].set(ylabel="requests/s", title="throughput", ylim=0)
    for percentile, style in (("p50", "o-"), ("p99", "o--")):
        axes[1].plot(counts, [row[percentile] / 1000 for row in rows], style, color=COLOURS["engine"], label=percentile)
    axes[1].set(ylabel="ms", yscale="log", title="latency")
    axes[1].legend()
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.set_xticks(counts, counts)
        ax.set_xlabel("connections")


def storage(results, axes):
    rows = results["storage"]
    names = [row["columns"] for row in rows]
    places = range(len(rows))
    for shift, what, colour in ((-0.2, "requests", "#0072b2"), (0.2, "in_sequence", "#d55e00")):
        label = {"requests": "requests", "in_sequence": "of them in sequence"}[what]
        axes[0].bar([place + shift for place in places], [row[what] for row in rows], 0.4, color=colour, label=label)
    most = max(row["requests"] for row in rows)
    axes[0].set(title="requests of one lookup, warm index", ylim=(0, 1.4 * most))
    axes[0].legend(loc="upper center", ncols=2)
    axes[1].bar(places, [row["bytes"] / 1024 for row in rows], 0.5, color="#0072b2")
    axes[1].set(title="KiB read by one lookup")
    for ax in axes:
        ax.set_xticks(list(places), names)
