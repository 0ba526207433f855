// Makes the points of a light curve, in order of time, from the rows of /api/v1/sources?withupperlim=True and of /api/v1/fp.

const WHAT = { valid: "detection", badquality: "poor", upperlim: "limit" };

async function rows(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error((await answer.json()).text);
  return answer.json();
}

/** The value as a number, or null if it is none: a table of another camera may have any type. */
function number(value) {
  return typeof value === "number" ? value : null;
}

function point(row, what) {
  return {
    what,
    mjd: number(row["r:midpointMjdTai"]),
    utc: row["v:dateUtc"],
    band: String(row["r:band"] ?? ""),
    visit: row["r:visit"] ?? null,
    flux: number(row["r:psfFlux"]),
    fluxErr: number(row["r:psfFluxErr"]),
    mag: number(row["v:abMag"]),
    magErr: number(row["v:abMagErr"]),
    limit: number(row["v:fluxLimit"]),
  };
}

/** Forced, and withdrawn by Rubin or without an uncertainty above zero, of a table that has uncertainties. */
function isPoor(row) {
  const isUncertain = "r:psfFluxErr" in row && !(number(row["r:psfFluxErr"]) > 0);
  return (row["r:timeWithdrawnMjdTai"] ?? null) !== null || isUncertain;
}

/**
 * The points, detections and what was forced, and how many rows have no place on a plot; a forced measurement at a visit without a
 * detection is in both answers, and once here.
 */
export async function points(sourcesUrl, fpUrl) {
  const [sources, fp] = await Promise.all([rows(sourcesUrl), rows(fpUrl)]);
  const inFp = ["forced", "badforced"];
  const seen = sources.filter((row) => !inFp.includes(row["v:tag"])).map((row) => point(row, WHAT[row["v:tag"]] ?? "detection"));
  const place = (point) => `${point.visit} ${point.mjd} ${point.band} ${point.flux}`;
  const limits = new Set(seen.filter((point) => point.what === "limit").map(place));
  const measured = fp.filter((row) => !isPoor(row));
  const forced = measured.map((row) => point(row, "forced")).filter((point) => !limits.has(place(point)));
  const all = [...forced, ...seen];
  const placed = all.filter((point) => point.mjd !== null && point.flux !== null);
  return { points: placed.sort((a, b) => a.mjd - b.mjd), unplaced: all.length - placed.length, poor: fp.length - measured.length };
}

/** The AB magnitude of a limit in nJy. */
export function magnitude(fluxNjy) {
  return 31.4 - 2.5 * Math.log10(fluxNjy);
}
