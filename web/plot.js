// Points as plotly draws them. In: points, and what of them to show. Out: traces and layout.

import { symbol } from "./bands.js";
import { ticks } from "./dates.js";
import { magnitude } from "./points.js";
import { label } from "./readout.js";

/** Drawn in this order, so that detections lie on top. */
const LAYERS = ["limit", "forced", "poor", "detection"];
const SIZES = { limit: 6, forced: 6, poor: 8, detection: 8 };

/** Where a point is on the y axis, with its uncertainty; null where it has no place on it. */
export function height(point, scale) {
  if (scale === "flux") return { y: point.flux, error: point.fluxErr };
  if (point.what === "limit") {
    return point.limit > 0 ? { y: magnitude(point.limit), error: null } : null;
  }
  return point.mag === null || point.mag === undefined ? null : { y: point.mag, error: point.magErr };
}

/** A trace of markers for each band and what its points are, and before each one line of all their error bars. */
export function traces(points, { scale, bands, whats }, colours) {
  const made = [];
  for (const what of LAYERS.filter((what) => whats.has(what))) {
    for (const band of bands) {
      const shown = points.filter((point) => point.what === what && point.band === band && height(point, scale));
      if (shown.length > 0) made.push(bars(shown, scale, colours.of(band)), markers(shown, scale, colours));
    }
  }
  return made;
}

function markers(shown, scale, colours) {
  const [{ band, what }] = shown;
  const colour = colours.of(band);
  const asLimit = scale === "mag" && what === "limit";
  const isOpen = what !== "detection";
  return {
    type: "scatter",
    mode: "markers",
    x: shown.map((point) => point.mjd),
    y: shown.map((point) => height(point, scale).y),
    customdata: shown,
    text: shown.map(label),
    hovertemplate: "%{text}<extra></extra>",
    hoverlabel: { bgcolor: colours.surface, bordercolor: colour, font: { color: colours.text }, align: "left" },
    opacity: isOpen ? 0.75 : 1,
    marker: {
      symbol: symbol(band, what, asLimit),
      size: asLimit ? 9 : SIZES[what],
      color: colour,
      line: { width: isOpen ? 1.25 : 0.6, color: isOpen ? colour : colours.outline },
    },
  };
}

/** One path for them all: hundreds of times less to lay out than a bar for each. */
function bars(shown, scale, colour) {
  const [x, y] = [[], []];
  for (const point of shown) {
    const { y: middle, error } = height(point, scale);
    if (error === null || error === undefined) continue;
    x.push(point.mjd, point.mjd, null);
    y.push(middle - error, middle + error, null);
  }
  const isFaint = shown[0].what !== "detection";
  return {
    type: "scatter", mode: "lines", x, y, hoverinfo: "skip", opacity: isFaint ? 0.3 : 0.6,
    line: { color: colour, width: 1, simplify: false },
  };
}

/** The range of values that the points themselves take: the bars of faint ones reach too far. */
function range(values, margin) {
  if (values.length === 0) return [0, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = margin * (most - least || 1);
  return [least - room, most + room];
}

/** The whole range in time and on the y axis. */
export function ranges(points, { scale, bands, whats }) {
  const shown = points.filter((point) => whats.has(point.what) && bands.has(point.band));
  // Where the noise is as large as the flux, a magnitude says little and would stretch the axis.
  const told = shown.map((point) => height(point, scale)).filter((h) => h && !(scale === "mag" && h.error > 1));
  const y = range(told.map((h) => h.y), 0.06);
  return { x: range(points.map((point) => point.mjd), 0.03), y: scale === "mag" ? y.reverse() : y };
}

/** `x` is the range of time to show; `whole` what the axes reach without zooming. */
export function layout(scale, x, whole, width, colours) {
  const axis = {
    gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.muted, zerolinewidth: 1,
    tickfont: { size: 12 }, title: { font: { size: 13 } }, automargin: true,
  };
  const title = scale === "mag" ? "AB magnitude" : "psfFlux, nJy";
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: colours.muted },
    margin: { l: 10, r: 12, t: 10, b: 10 },
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    xaxis: { ...axis, ...ticks(x, width / 115), range: x, zeroline: false, title: { ...axis.title, text: "MJD (TAI), date (UTC)" } },
    yaxis: {
      ...axis, range: whole.y, zeroline: scale === "flux", tickformat: scale === "flux" ? ",~r" : ".1f",
      title: { ...axis.title, text: title },
    },
  };
}
