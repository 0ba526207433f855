"""Draws the light curve of one object: flux in each band with error bars, and different symbols for clean detections, detections
of bad quality, forced photometry and upper limits.

Usage: pandas_light_curve.py http://localhost:8080 [diaObjectId] [PICTURE.png]
Needs: pip install pandas pyarrow requests matplotlib adbc-driver-flightsql
"""
import io
import sys

import matplotlib
import pandas
import requests
from adbc_driver_flightsql import dbapi

matplotlib.use("Agg")  # draws into a file, without a window
from matplotlib import pyplot
from matplotlib.markers import CARETDOWN

# Rubin's own colours and markers, which colour-blind readers can distinguish.
STYLES = {
    "u": ("#0c71ff", "o"), "g": ("#49be61", "^"), "r": ("#c61c00", "v"),
    "i": ("#ffc200", "s"), "z": ("#f341a2", "*"), "y": ("#5d0000", "p"),
}
COLUMNS = "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr"


def most_measured(url):
    """The id of the object with the most detections, found by SQL."""
    statement = "SELECT diaObjectId FROM objects ORDER BY nDiaSources DESC LIMIT 1"
    with dbapi.connect(url.replace("http", "grpc", 1), autocommit=True) as connection:
        return str(pandas.read_sql(statement, connection).iloc[0, 0])


def read(url, endpoint, dia_object_id, columns, **more):
    arguments = {"diaObjectId": dia_object_id, "columns": columns, "output-format": "parquet", **more}
    answer = requests.post(f"{url}/api/v1/{endpoint}", json=arguments, timeout=60)
    answer.raise_for_status()
    rows = pandas.read_parquet(io.BytesIO(answer.content))
    return rows.rename(columns=lambda name: name.split(":")[1])  # without the family


def draw(axes, rows, **style):
    for band, points in rows.groupby("band"):
        colour, marker = STYLES[band]
        axes.errorbar(
            points.midpointMjdTai, points.psfFlux, points.psfFluxErr,
            color=colour, marker=marker, linestyle="none", elinewidth=0.8, **style,
        )


url = sys.argv[1]
dia_object_id = sys.argv[2] if len(sys.argv) > 2 else most_measured(url)
picture = sys.argv[3] if len(sys.argv) > 3 else f"{dia_object_id}.png"
tagged = read(url, "sources", dia_object_id, f"{COLUMNS},v:tag,v:fluxLimit", withupperlim=True)
forced = read(url, "fp", dia_object_id, COLUMNS)
sources, limits = tagged[tagged.tag.isin(["valid", "badquality"])], tagged[tagged.tag == "upperlim"]

figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
draw(axes, forced, markersize=3, alpha=0.35, markerfacecolor="none")
draw(axes, sources[sources.tag == "badquality"], markersize=5, markerfacecolor="none")
draw(axes, sources[sources.tag == "valid"], markersize=5)
for band, points in limits.groupby("band"):
    axes.scatter(points.midpointMjdTai, points.fluxLimit, marker=CARETDOWN, color=STYLES[band][0], s=25)
axes.axhline(0, color="gray", linewidth=0.8)
axes.set(xlabel="MJD (TAI)", ylabel="difference flux (nJy)", title=f"diaObjectId {dia_object_id}")
named = [pyplot.Line2D([], [], color=c, marker=m, linestyle="none", label=b) for b, (c, m) in STYLES.items()]
axes.legend(handles=named, ncols=6, title="filled: clean detections; pale: forced photometry; carets: 5 sigma limits")
figure.savefig(picture, dpi=120)

print(f"object {dia_object_id}: {len(sources)} detections, {len(forced)} forced measurements, {len(limits)} upper limits, drawn in {picture}")
print(sources.groupby("band").psfFlux.describe()[["count", "mean", "min", "max"]].round(1).to_string())
