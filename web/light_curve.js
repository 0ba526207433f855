// Draws the light curve of an object's page, and keeps it as the reader wants it. Everything on the page is there without it.

import "./plotly-basic.min.js";
import { colours } from "./bands.js";
import { ticks } from "./dates.js";
import { height, layout, ranges, traces } from "./plot.js";
import { points } from "./points.js";
import { steppable, tell } from "./readout.js";
import { moved, zoomed } from "./zoom.js";

const figure = document.querySelector("figure.curve");
const [plot, readout, controls] = ["#plot", "#readout", ".controls"].map((name) => figure.querySelector(name));
const state = { points: [], current: null, whole: null, goTo };

function choice() {
  const form = new FormData(controls);
  return { scale: form.get("scale"), bands: new Set(form.getAll("band")), whats: new Set(form.getAll("what")) };
}

function xRange() {
  return plot.layout ? plot.layout.xaxis.range.map(Number) : state.whole.x;
}

/** Draws anew: the range of time stays as it is. */
async function draw() {
  const [chosen, palette] = [choice(), colours()];
  state.whole = ranges(state.points, chosen);
  const shape = layout(chosen.scale, xRange(), state.whole.home, plot.clientWidth, palette);
  await Plotly.react(plot, traces(state.points, chosen, palette), shape, {
    displayModeBar: false, doubleClick: false, responsive: true,
  });
  tellWithout(chosen, state.whole.home);
  figure.dataset.drawn = chosen.scale;
}

/** What the plot does not show is told, not dropped. */
function tellWithout({ scale, bands, whats }, yRange) {
  const chosen = state.points.filter((point) => whats.has(point.what) && bands.has(point.band));
  const heights = chosen.map((point) => height(point, scale));
  const [low, high] = yRange.toSorted((a, b) => a - b);
  const sentences = [
    [heights.filter((h) => !h).length, "without a positive flux, and so without a magnitude"],
    [heights.filter((h) => h && (h.y < low || h.y > high)).length, "beyond the axis: \u201call\u201d shows them"],
  ];
  const told = sentences.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  figure.querySelector("#without").textContent = told.length > 0 ? `Measurements not shown: ${told.join("; ")}.` : "";
}

function show(range) {
  return Plotly.relayout(plot, { "xaxis.range": range });
}

/** Moves to a point by keyboard. */
async function goTo({ point, curveNumber, pointNumber }) {
  state.current = point;
  tell(readout, point);
  const next = moved(xRange(), point.mjd);
  if (next) await show(next);
  Plotly.Fx.hover(plot, [{ curveNumber, pointNumber }]);
}

function listen() {
  controls.addEventListener("change", draw);
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
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  steppable(plot, state);
}

function reset() {
  tellWithout(choice(), state.whole.y);
  return Plotly.relayout(plot, { "xaxis.range": state.whole.x, "yaxis.range": state.whole.y });
}

function retick() {
  const { tickvals, ticktext } = ticks(xRange(), plot.clientWidth / 115);
  Plotly.relayout(plot, { "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext });
}

async function start() {
  try {
    state.points = await points(figure.dataset.sources, figure.dataset.fp);
    await draw();
    listen();
    performance.mark("drawn");
  } catch (error) {
    readout.textContent = `The light curve could not be drawn: ${error.message}`;
  }
}

start();
