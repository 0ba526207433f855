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
    if (error === null || error === undefined) continue;
    x.push(point.mjd, point.mjd, null);
    y.push(middle - error, middle + error, null);
  }
  return {
    type: "scatter", mode: "lines", x, y, hoverinfo: "skip", opacity: 0.45,
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

function fontFamily() {
  return getComputedStyle(document.body).fontFamily;
}

/** `x` is the range of time to show; `whole` what the axes reach without zooming. */
export function layout(scale, x, whole, width, colours) {
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
      ...axis, range: whole.y, zeroline: scale === "flux", tickformat: scale === "flux" ? ",~r" : ".1f",
      title: { ...axis.title, text: title },
    },
  };
}
