// The buttons that zoom in time, for who has no mouse to drag with. In: the range shown. Out: the next one.

/** Half or twice the range, around a time in it; never more than the whole. */
export function zoomed([from, to], direction, around, whole) {
  if (direction === "reset") return whole;
  const factor = direction === "in" ? 0.5 : 2;
  const centre = around >= from && around <= to ? around : (from + to) / 2;
  const next = [centre - (centre - from) * factor, centre + (to - centre) * factor];
  return [Math.max(next[0], whole[0]), Math.min(next[1], whole[1])];
}

/** The range moved so that a time is in its middle; null where it is in it already. */
export function moved([from, to], time) {
  if (time >= from && time <= to) return null;
  const half = (to - from) / 2;
  return [time - half, time + half];
}
