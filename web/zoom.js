// The buttons that zoom in time, for who has no mouse to drag with. In: the range shown. Out: the next one.

/** Half or twice the range, around a time in it; never more than the whole. */
export function zoomed([from, to], direction, around, whole) {
  if (direction === "reset") return whole;
  const factor = direction === "in" ? 0.5 : 2;
  const centre = around >= from && around <= to ? around : (from + to) / 2;
  const next = [centre - (centre - from) * factor, centre + (to - centre) * factor];
  return [Math.max(next[0], whole[0]), Math.min(next[1], whole[1])];
}

/** The same range, moved just so far that a time is in it. */
export function moved([from, to], time) {
  if (time >= from && time <= to) return [from, to];
  const half = (to - from) / 2;
  return [time - half, time + half];
}
