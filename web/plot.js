// Points as plotly draws them. In: points, and what of them to show. Out: traces and layout.

import { symbol } from "./bands.js";
import { ticks } from "./dates.js";
import { magnitude } from "./points.js";
import { label } from "./readout.js";

/** Drawn in this order, so that detections lie on top. */
const LAYERS = ["limit", "forced", "poor", "detection"];
const SIZES = { limit: 5, forced: 6, poor: 8, detection: 8 };

/** Where a point is on the y axis, with its uncertainty; null where it has no place on it. */
export function height(point, scale) {
  if (scale === "flux") return { y: point.flux, error: point.fluxErr };
  if (point.what === "limit") {
    return point.limit > 0 ? { y: magnitude(point.limit), error: null } : null;
  }
  return point.mag === null || point.mag === undefined ? null : { y: point.mag, error: point.magErr };
}

/** The error bars of each band, then a trace of markers for each band and what its points are. */
export function traces(points, { scale, bands, whats }, colours) {
  const [bars, marks] = [[], []];
  for (const band of bands) {
    const ofBand = points.filter((point) => point.band === band && whats.has(point.what) && height(point, scale));
    if (ofBand.length > 0) bars.push(errorBars(ofBand, scale, colours.of(band)));
    for (const what of LAYERS) {
      const shown = ofBand.filter((point) => point.what === what);
      if (shown.length > 0) marks.push(markers(shown, scale, colours));
    }
  }
  marks.sort((a, b) => LAYERS.indexOf(a.meta) - LAYERS.indexOf(b.meta));
  return [...bars, ...marks];
}

function markers(shown, scale, colours) {
  const [{ band, what }] = shown;
  const colour = colours.of(band);
  const isFilled = what === "detection";
  return {
    type: "scatter",
    mode: "markers",
    meta: what,
    x: shown.map((point) => point.mjd),
    y: shown.map((point) => height(point, scale).y),
    customdata: shown,
    hovertext: shown.map(label),
    hovertemplate: "%{hovertext}<extra></extra>",
    hoverlabel: {
      bgcolor: colours.surface, bordercolor: colour, align: "left", font: { color: colours.text, family: fontFamily() },
    },
    opacity: isFilled ? 1 : 0.75,
    marker: {
      symbol: symbol(band, what),
      size: SIZES[what],
      color: colour,
      line: { width: isFilled ? 0.6 : 1.25, color: isFilled ? colours.outline : colour },
    },
    ...(scale === "mag" && what === "limit" ? arrows(shown, colour) : {}),
  };
}

/** From the limit to where the flux may be: fainter. */
function arrows(shown, colour) {
  return {
    mode: "markers+text", text: shown.map(() => "↓"), textposition: "bottom center", textfont: { color: colour, size: 14 },
  };
}

/** One path for them all: a hundred times less to lay out than a bar for each. */
function errorBars(shown, scale, colour) {
  const [x, y] = [[], []];
  for (const point of shown) {
    const { y: middle, error } = height(point, scale);
    if (error === null || error === undefined || isUnbounded(error, scale)) continue;
    x.push(point.mjd, point.mjd, null);
    y.push(middle - error, middle + error, null);
  }
  return {
    type: "scatter", mode: "lines", x, y, hoverinfo: "skip", opacity: 0.45,
    line: { color: colour, width: 1, simplify: false },
  };
}

/** Where the noise is as large as the flux, a magnitude has no fainter end. */
function isUnbounded(error, scale) {
  return scale === "mag" && error > 1;
}

function range(values, margin) {
  if (values.length === 0) return [0, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = margin * (most - least || 1);
  return [least - room, most + room];
}

/** All but the hundredth part at either end. */
function central(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return sorted.slice(Math.floor(0.01 * last), Math.ceil(0.99 * last) + 1);
}

/**
 * What the axes reach: `x` and `y` everything; `home` on the y axis what is shown at first, the good detections and the greater
 * part of all else, since a few bad measurements may be far from all others.
 */
export function ranges(points, { scale, bands, whats }) {
  const shown = points.filter((point) => whats.has(point.what) && bands.has(point.band));
  const told = shown.map((point) => ({ what: point.what, ...height(point, scale) })).filter(({ y }) => y !== undefined);
  const heights = (points) => points.map(({ y }) => y);
  const good = told.filter(({ what }) => what === "detection");
  const others = told.filter(({ what, error }) => what !== "detection" && !isUnbounded(error, scale));
  const oriented = (range) => (scale === "mag" ? range.reverse() : range);
  return {
    x: range(points.map((point) => point.mjd), 0.03),
    y: oriented(range(heights(told), 0.06)),
    home: oriented(range([...heights(good), ...central(heights(others))], 0.06)),
  };
}

function fontFamily() {
  return getComputedStyle(document.body).fontFamily;
}

/** `x` is the range of time to show, `y` that of the other axis. */
export function layout(scale, x, y, width, colours) {
  const axis = {
    gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.muted, zerolinewidth: 1,
    tickfont: { size: 12 }, title: { font: { size: 13 }, standoff: 8 },
  };
  const title = scale === "mag" ? "AB magnitude" : "psfFlux, nJy";
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: fontFamily(), color: colours.muted },
    margin: { l: 72, r: 12, t: 10, b: 62 }, // margins that plotly finds by itself cost it a second drawing
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    xaxis: { ...axis, ...ticks(x, width / 115), range: x, zeroline: false, title: { ...axis.title, text: "MJD (TAI), date (UTC)" } },
    yaxis: {
      ...axis, range: y, zeroline: scale === "flux", tickformat: scale === "flux" ? ",~r" : ".1f",
      title: { ...axis.title, text: title },
    },
  };
}
