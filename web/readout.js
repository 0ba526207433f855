// Describes in words the measurement under the cursor, or the one selected with the arrow keys.

import { called } from "./bands.js";

const NAMES = {
  detection: "detection",
  poor: "detection of poor quality",
  forced: "forced photometry",
  limit: "forced, below 5σ",
};

const nJy = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function date(point) {
  return point.utc ? `${point.utc.slice(0, 19).replace("T", " ")} UTC` : null;
}

/** A value with its uncertainty, where it has one. */
function measured(value, error, format, unit) {
  if (value === null || value === undefined) return null;
  return `${format(value)}${error > 0 ? ` ± ${format(error)}` : ""} ${unit}`;
}

/** The non-empty parts of a point's description. */
function parts(point) {
  const what = `${called(point.band)}, ${NAMES[point.what]}`;
  const flux = measured(point.flux, point.fluxErr, nJy.format, "nJy");
  const mag = point.what === "limit" ? null : measured(point.mag, point.magErr, (mag) => mag.toFixed(3), "AB mag");
  const limit = point.limit ? `5σ limit ${nJy.format(point.limit)} nJy` : null;
  return [what, flux, mag, limit, `MJD ${point.mjd.toFixed(5)}`, date(point)].filter(Boolean);
}

/** For plotly's label at the point. */
export function label(point) {
  const [what, ...rest] = parts(point);
  const plain = (text) => text.replaceAll("<", "‹"); // plotly takes tags for its own
  return [`<b>${plain(what)}</b>`, ...rest.map(plain)].join("<br>");
}

/** Writes the description of a point below the plot, where screen readers announce it. */
export function tell(output, point) {
  const visit = point.visit === null ? [] : [`visit ${point.visit}`];
  output.textContent = [...parts(point), ...visit].join(" · ");
}

/** Steps through the drawn points with the arrow keys, Home and End. */
export function steppable(plot, state) {
  plot.addEventListener("keydown", (event) => {
    const shown = plot.data
      .flatMap((trace, curveNumber) => (trace.customdata ?? []).map((point, pointNumber) => ({ point, curveNumber, pointNumber })))
      .sort((a, b) => a.point.mjd - b.point.mjd);
    const now = shown.findIndex(({ point }) => point === state.current);
    const step = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: shown.length - 1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey || shown.length === 0) return;
    event.preventDefault();
    const from = now < 0 && event.key === "ArrowLeft" ? shown.length - 1 : step;
    state.goTo(shown[Math.max(0, Math.min(shown.length - 1, from))]);
  });
}
