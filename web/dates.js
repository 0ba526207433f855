// Times on the axis. A point's own date comes from the server, to the millisecond; here it is enough to be right to the minute.

const UNIX_EPOCH_MJD = 40587;
const DAY_MS = 86_400_000;
const TAI_MINUS_UTC_MS = 37_000; // since 2017

function utc(mjd) {
  return new Date((mjd - UNIX_EPOCH_MJD) * DAY_MS - TAI_MINUS_UTC_MS);
}

/** Ticks for a range of MJD, at most so many: the MJD, and below it the date in UTC. */
export function ticks([from, to], most) {
  const least = (to - from) / most;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((n) => n * decade).find((step) => step >= least) ?? 10 * decade;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const tickvals = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) tickvals.push(n * step);
  const date = (mjd) => {
    const [day, time] = utc(mjd).toISOString().split("T");
    return step < 1 ? `${day} ${time.slice(0, 5)}` : day;
  };
  return { tickvals, ticktext: tickvals.map((mjd) => `${mjd.toFixed(decimals)}<br>${date(mjd)}`) };
}
