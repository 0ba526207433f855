// Makes plotly's traces and layout from the points of a light curve and the reader's choice of what to show.

import { symbol } from "./bands.js";
import { dates, mjds } from "./dates.js";
import { magnitude } from "./points.js";
import { isUnbounded } from "./ranges.js";
import { label } from "./readout.js";

/** The kinds of points in drawing order: detections are on top. */
const LAYERS = ["limit", "forced", "poor", "detection"];
const SIZES = { limit: 5, forced: 6, poor: 8, detection: 8 };

/** With more upper limits than this, their arrows would merge into a solid bar, so they are drawn small. */
export const MOST_ARROWS = 300;

/** The y value of a point and its uncertainty; null if it cannot be drawn on this axis. */
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

/** The direction of an upper limit's arrow: towards fainter flux. */
function arrows(shown, colour) {
  return {
    mode: "markers+text", text: shown.map(() => "↓"), textposition: "bottom center", textfont: { color: colour, size: 14 },
  };
}

/** All error bars as one path, which plotly draws a hundred times faster than one bar each. */
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

/** The ticks of both time axes, as many as fit. */
export function ticks(x, width) {
  return [mjds(x, width / 100), dates(x, width / 100)];
}

/** The layout; `x` is the time range to show, `y` the range of the other axis. */
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
