// Computes the ranges of the axes from the points and the reader's choice of what to show.

import { height } from "./plot.js";

/** How far an axis extends to either side of its value if it has only one. */
const ALONE = { mjd: 0.5, flux: 1, mag: 0.5 };

/** The least and the greatest value. Math.min(...values) would fail on long light curves: a call has a limited number of arguments. */
function ends(values) {
  return values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
}

function range(values, margin, alone) {
  const [least, most] = ends(values);
  if (!(least <= most)) return [0, 1];
  const room = most > least ? margin * (most - least) : Math.max(alone, alone === ALONE.flux ? 0.1 * Math.abs(most) : 0);
  return [least - room, most + room];
}

/** The range of the values without the lowest and the highest percent. */
function central(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return sorted.slice(Math.floor(0.01 * last), Math.ceil(0.99 * last) + 1);
}

/** Where the noise is as large as the flux, a magnitude has no fainter end. */
export function isUnbounded(error, scale) {
  return scale === "mag" && error > 1;
}

/** The range of a value, including its error bar if that is drawn. */
function reach({ y, error }, scale) {
  return error > 0 && !isUnbounded(error, scale) ? [y - error, y + error] : [y];
}

/**
 * `x` and `y` reach everything; `home` on the y axis what is shown at first, the good detections with their error bars and the greater
 * part of all else, since a few bad measurements may be far from all others.
 */
export function ranges(points, { scale, bands, whats }) {
  const shown = points.filter((point) => whats.has(point.what) && bands.has(point.band));
  const told = shown.map((point) => ({ what: point.what, ...height(point, scale) })).filter(({ y }) => y !== undefined);
  const reached = (points) => points.flatMap((point) => reach(point, scale));
  const good = told.filter(({ what }) => what === "detection");
  const others = told.filter(({ what, error }) => what !== "detection" && !isUnbounded(error, scale));
  const oriented = (range) => (scale === "mag" ? range.reverse() : range);
  return {
    x: range(points.map((point) => point.mjd), 0.03, ALONE.mjd),
    y: oriented(range(reached(told), 0.06, ALONE[scale])),
    home: oriented(range([...reached(good), ...central(reached(others))], 0.06, ALONE[scale])),
  };
}
