// How bands look: the symbols of Rubin's RTN-045, and the colours of palette.css, one set for each background.

const SYMBOLS = { u: "circle", g: "triangle-up", r: "triangle-down", i: "square", z: "star", y: "pentagon" };
const VARIANTS = { detection: "", poor: "-open-dot", forced: "-open", limit: "-open" };

/** plotly's symbol of what a point is, in its band. */
export function symbol(band, what) {
  return (SYMBOLS[band] ?? "diamond") + VARIANTS[what];
}

/** The name of a band's colour and symbol on the page. */
export function mark(band) {
  return band in SYMBOLS ? band : "other";
}

/** The label of a band; measurements without a band form a group of their own. */
export function called(band) {
  return band === "" ? "no band" : band;
}

/** The colours of the page as it is now, light or dark. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    text: named("--text"),
    muted: named("--muted"),
    line: named("--line"),
    surface: named("--surface"),
    outline: named("--outline"),
    of: (band) => named(`--band-${mark(band)}`),
  };
}
