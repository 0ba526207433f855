// Points as plotly draws them. In: points, and what of them to show. Out: traces and layout.

import { symbol } from "./bands.js";
import { dates, mjds } from "./dates.js";
import { magnitude } from "./points.js";
import { isUnbounded } from "./ranges.js";
import { label } from "./readout.js";

/** Drawn in this order, so that detections lie on top. */
const LAYERS = ["limit", "forced", "poor", "detection"];
const SIZES = { limit: 5, forced: 6, poor: 8, detection: 8 };

/** Where there are more upper limits, their arrows would be one solid bar: they are drawn small. */
export const MOST_ARROWS = 300;

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
  const limits = points.filter((point) => point.what === "limit" && bands.has(point.band) && whats.has("limit"));
  const hasArrows = scale === "mag" && limits.length <= MOST_ARROWS;
  for (const band of bands) {
    const ofBand = points.filter((point) => point.band === band && whats.has(point.what) && height(point, scale));
    if (ofBand.length > 0) bars.push(errorBars(ofBand, scale, colours.of(band)));
    for (const what of LAYERS) {
      const shown = ofBand.filter((point) => point.what === what);
      if (shown.length > 0) marks.push(markers(shown, scale, colours, hasArrows));
    }
  }
  marks.sort((a, b) => LAYERS.indexOf(a.meta) - LAYERS.indexOf(b.meta));
  return [...bars, ...marks, ABOVE];
}

/** plotly draws an axis that has a trace. */
const ABOVE = { type: "scatter", mode: "markers", x: [null], y: [null], xaxis: "x2", hoverinfo: "skip" };

function markers(shown, scale, colours, hasArrows) {
  const [{ band, what }] = shown;
  const colour = colours.of(band);
  const isFilled = what === "detection";
  const isSmall = what === "limit" && scale === "mag" && !hasArrows;
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
    marker: {
      symbol: symbol(band, what),
      size: isSmall ? 3 : SIZES[what],
      color: colour,
      line: { width: isFilled ? 0.6 : 1.25, color: isFilled ? colours.outline : colour },
    },
    ...(what === "limit" && hasArrows ? arrows(shown, colour) : {}),
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

function fontFamily() {
  return getComputedStyle(document.body).fontFamily;
}

/** The ticks of both axes of time, as many as there is room for. */
export function ticks(x, width) {
  return [mjds(x, width / 100), dates(x, width / 100)];
}

/** `x` is the range of time to show, `y` that of the other axis. */
export function layout(scale, x, y, width, colours) {
  const axis = {
    gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.muted, zerolinewidth: 1,
    tickfont: { size: 12 }, tickangle: 0, title: { font: { size: 13 }, standoff: 8 },
  };
  const titled = (text) => ({ title: { ...axis.title, text } });
  const [below, above] = ticks(x, width);
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: fontFamily(), color: colours.muted },
    margin: { l: 72, r: 40, t: 64, b: 48 }, // margins that plotly finds by itself cost it a second drawing
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    xaxis: { ...axis, ...below, ...titled("MJD (TAI)"), range: x, zeroline: false },
    xaxis2: {
      ...axis, ...above, ...titled("date (UTC)"), range: x, matches: "x", overlaying: "x", side: "top", showgrid: false, zeroline: false,
      ticks: "outside", tickcolor: colours.line, ticklen: 4,
    },
    yaxis: {
      ...axis, ...titled(scale === "mag" ? "AB magnitude" : "psfFlux, nJy"), range: y, zeroline: scale === "flux",
      tickformat: scale === "flux" ? ",~r" : ".1f",
    },
  };
}
