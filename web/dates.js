// Ticks of the time axes, which are MJD in TAI. Dates are in UTC: a whole MJD in TAI is 37 s before midnight in UTC.

const UNIX_EPOCH_MJD = 40587;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** TAI - UTC in seconds from an MJD in UTC on (IERS Bulletin C); before 1972 there are no whole seconds, and no dates here. */
const TAI_MINUS_UTC = [
  [41317, 10], [41499, 11], [41683, 12], [42048, 13], [42413, 14], [42778, 15], [43144, 16], [43509, 17], [43874, 18], [44239, 19],
  [44786, 20], [45151, 21], [45516, 22], [46247, 23], [47161, 24], [47892, 25], [48257, 26], [48804, 27], [49169, 28], [49534, 29],
  [50083, 30], [50630, 31], [51179, 32], [53736, 33], [54832, 34], [56109, 35], [57204, 36], [57754, 37],
];

/** The MJD in TAI of a time of UTC in milliseconds since MJD 0; null before 1972. */
export function tai(utcMs) {
  const offset = TAI_MINUS_UTC.findLast(([from]) => from * DAY_MS <= utcMs);
  return offset ? (utcMs + offset[1] * SECOND_MS) / DAY_MS : null;
}

const SIXTIETHS = [1, 2, 5, 10, 20, 30];
const STEPS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...SIXTIETHS.map((n) => n * SECOND_MS), ...SIXTIETHS.map((n) => n * MINUTE_MS), ...[1, 2, 3, 6, 12].map((n) => n * HOUR_MS),
  ...[1, 10, 100, 1000, 10_000, 100_000].flatMap((power) => [1, 2, 5].map((n) => n * power * DAY_MS)),
];

function text(utcMs, stepMs) {
  const [day, time] = new Date(utcMs - UNIX_EPOCH_MJD * DAY_MS).toISOString().slice(0, -1).split("T");
  if (stepMs >= DAY_MS) return day;
  const digits = stepMs >= MINUTE_MS ? "00:00" : stepMs >= SECOND_MS ? "00:00:00" : "00:00:00.000";
  return `${day}<br>${time.slice(0, digits.length)}`;
}

/** Ticks at dates for a range of MJD, at most a given number; none if the range has no dates. */
export function dates([from, to], most) {
  const stepMs = STEPS_MS.find((step) => ((to - from) * DAY_MS) / step <= most);
  if (stepMs === undefined || !(from >= 0 && to < 1e7)) return { tickvals: [], ticktext: [] };
  const ticks = [];
  // TAI is ahead of UTC by less than a minute, which may be many steps.
  const last = Math.ceil((to * DAY_MS) / stepMs);
  for (let n = Math.floor((from * DAY_MS - MINUTE_MS) / stepMs); n <= last; n++) {
    const mjd = tai(n * stepMs);
    if (mjd !== null && mjd >= from && mjd <= to) ticks.push([mjd, text(n * stepMs, stepMs)]);
  }
  return { tickvals: ticks.map(([mjd]) => mjd), ticktext: ticks.map(([, date]) => date) };
}

/** Ticks at round MJD for a range, at most a given number. */
export function mjds([from, to], most) {
  const least = (to - from) / most;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((n) => n * decade).find((step) => step >= least) ?? 10 * decade;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const tickvals = [];
  for (let n = Math.ceil(from / step); n * step <= to && tickvals.length <= most; n++) tickvals.push(n * step);
  return { tickvals, ticktext: tickvals.map((mjd) => mjd.toFixed(Math.min(decimals, 12))) };
}
