// Draws the light curve on an object's page and applies the reader's choices. The rest of the page works without this script.

import "./plotly-basic.min.js";
import { colours } from "./bands.js";
import { MOST_ARROWS, height, layout, ticks, traces } from "./plot.js";
import { points } from "./points.js";
import { ranges } from "./ranges.js";
import { steppable, tell } from "./readout.js";
import { moved, zoomed } from "./zoom.js";

const figure = document.querySelector("figure.curve");
const [plot, readout, controls] = ["#plot", "#readout", ".controls"].map((name) => figure.querySelector(name));
const state = { points: [], unplaced: 0, poor: 0, current: null, whole: null, goTo };

function choice() {
  const form = new FormData(controls);
  return { scale: form.get("scale"), bands: new Set(form.getAll("band")), whats: new Set(form.getAll("what")) };
}

function xRange() {
  return plot.layout ? plot.layout.xaxis.range.map(Number) : state.whole.x;
}

/** Redraws the plot and keeps the time range, and a range of the other axis if one is given; or shows all times. */
async function draw({ y, all = false } = {}) {
  const [chosen, palette] = [choice(), colours()];
  state.whole = ranges(state.points, chosen);
  const shape = layout(chosen.scale, all ? state.whole.x : xRange(), y ?? state.whole.home, plot.clientWidth, palette);
  await Plotly.react(plot, traces(state.points, chosen, palette), shape, {
    displayModeBar: false, doubleClick: false, responsive: true,
  });
  tellWithout(chosen, y ?? state.whole.home);
  figure.dataset.drawn = chosen.scale;
}

/** Says below the plot which points it does not show. */
function tellWithout({ scale, bands, whats }, yRange) {
  const chosen = state.points.filter((point) => whats.has(point.what) && bands.has(point.band));
  const heights = chosen.map((point) => height(point, scale));
  const [low, high] = yRange.toSorted((a, b) => a - b);
  const sentences = [
    [state.unplaced, "without a time or a flux"],
    [state.poor, "forced and withdrawn, or without an uncertainty"],
    [heights.filter((h) => !h).length, "without a positive flux, and so without a magnitude"],
    [heights.filter((h) => h && (h.y < low || h.y > high)).length, "beyond the axis: \u201call\u201d shows them"],
  ];
  const told = sentences.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const limits = scale === "mag" ? chosen.filter((point) => point.what === "limit").length : 0;
  figure.querySelector("#without").textContent = [
    told.length > 0 ? `Measurements not shown: ${told.join("; ")}.` : "",
    limits > MOST_ARROWS ? `The ${limits} limits are drawn small: there are too many for arrows.` : "",
  ].join(" ");
}

function show(range) {
  return Plotly.relayout(plot, { "xaxis.range": range });
}

/** Selects a point with the keyboard. */
async function goTo({ point, curveNumber, pointNumber }) {
  state.current = point;
  tell(readout, point);
  const next = moved(xRange(), point.mjd);
  if (next) await show(next);
  Plotly.Fx.hover(plot, [{ curveNumber, pointNumber }]);
}

function listen() {
  controls.addEventListener("change", () => draw());
  controls.addEventListener("click", ({ target }) => {
    const direction = target.dataset?.zoom;
    if (direction === "reset") reset();
    else if (direction) show(zoomed(xRange(), direction, state.current?.mjd, state.whole.x));
  });
  plot.on("plotly_hover", ({ points: [{ customdata }] }) => {
    state.current = customdata;
    tell(readout, customdata);
  });
  plot.on("plotly_doubleclick", reset);
  plot.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((name) => name.startsWith("xaxis.range") || name === "autosize")) retick();
  });
  for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", () => draw());
  steppable(plot, state);
}

function reset() {
  tellWithout(choice(), state.whole.y);
  return Plotly.relayout(plot, { "xaxis.range": state.whole.x, "yaxis.range": state.whole.y });
}

function retick() {
  const [below, above] = ticks(xRange(), plot.clientWidth);
  Plotly.relayout(plot, {
    "xaxis.tickvals": below.tickvals, "xaxis.ticktext": below.ticktext, "xaxis2.tickvals": above.tickvals, "xaxis2.ticktext": above.ticktext,
  });
}

function showNothing() {
  figure.classList.add("empty");
  const lacking = state.unplaced > 0 ? ` Without: ${state.unplaced}.` : "";
  readout.textContent = `There is nothing to draw: no measurement has a time and a flux.${lacking}`;
  figure.dataset.drawn = "nothing";
}

function isCurrent({ mjd, band, what }) {
  return state.current?.mjd === mjd && state.current.band === band && state.current.what === what;
}

/** Reads the measurements and draws them; called again, those that there are then. A range that the reader has chosen stays. */
export async function start() {
  try {
    Object.assign(state, await points(figure.dataset.sources, figure.dataset.fp));
    state.current = state.points.find(isCurrent) ?? null;
    if (state.points.length === 0) return showNothing();
    const isFirst = !plot.layout;
    if (isFirst) figure.classList.remove("empty");
    const all = isFirst || String(xRange()) === String(state.whole.x);
    await draw({ all, y: all ? undefined : plot.layout.yaxis.range });
    if (isFirst) listen();
    performance.mark("drawn");
  } catch (error) {
    if (!plot.layout) readout.textContent = `The light curve could not be drawn: ${error.message}`;
  }
}

start();
