// The points of a light curve. In: the rows of /api/v1/sources?withupperlim=True and of /api/v1/fp. Out: points in order of time.

const WHAT = { valid: "detection", badquality: "poor", upperlim: "limit" };

async function rows(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error((await answer.json()).text);
  return answer.json();
}

function point(row, what) {
  return {
    what,
    mjd: row["r:midpointMjdTai"],
    utc: row["v:dateUtc"],
    band: row["r:band"],
    visit: row["r:visit"],
    flux: row["r:psfFlux"],
    fluxErr: row["r:psfFluxErr"],
    mag: row["v:abMag"],
    magErr: row["v:abMagErr"],
    limit: row["v:fluxLimit"],
  };
}

/** The points, detections and what was forced; a forced measurement at a visit without a detection is in both answers, and once here. */
export async function points(sourcesUrl, fpUrl) {
  const [sources, fp] = await Promise.all([rows(sourcesUrl), rows(fpUrl)]);
  const inFp = ["forced", "badforced"];
  const seen = sources.filter((row) => !inFp.includes(row["v:tag"])).map((row) => point(row, WHAT[row["v:tag"]] ?? "detection"));
  const place = (point) => `${point.visit} ${point.mjd} ${point.band} ${point.flux}`;
  const limits = new Set(seen.filter((point) => point.what === "limit").map(place));
  const forced = fp.map((row) => point(row, "forced")).filter((point) => !limits.has(place(point)));
  const all = [...forced, ...seen].filter((point) => point.mjd !== null && point.flux !== null);
  return all.sort((a, b) => a.mjd - b.mjd);
}

/** Of a limit in nJy, as an AB magnitude. */
export function magnitude(fluxNjy) {
  return 31.4 - 2.5 * Math.log10(fluxNjy);
}
