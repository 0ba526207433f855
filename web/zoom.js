// The zoom buttons of the time axis, for readers without a mouse: computes the next time range from the one that is shown.

/** Half or twice the range around a time in it, at most the whole range. */
export function zoomed([from, to], direction, around, whole) {
  if (direction === "reset") return whole;
  const factor = direction === "in" ? 0.5 : 2;
  const centre = around >= from && around <= to ? around : (from + to) / 2;
  const next = [centre - (centre - from) * factor, centre + (to - centre) * factor];
  return [Math.max(next[0], whole[0]), Math.min(next[1], whole[1])];
}

/** The range centred on a time, or null if the range already contains that time. */
export function moved([from, to], time) {
  if (time >= from && time <= to) return null;
  const half = (to - from) / 2;
  return [time - half, time + half];
}
