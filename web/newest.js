// The newest alerts on the home page: new ones come in at the top.

import { mark } from "./bands.js";
import { renew, soon } from "./renew.js";
import { listen } from "./stream.js";

const MOST = 8;
const section = document.querySelector("#newest");
const [list, template] = ["tbody", "template"].map((name) => section.querySelector(name));
let waiting = [];

/** The rows of an answer. An id has more digits than a JavaScript number can hold, so it becomes a text. */
function rows(json) {
  return JSON.parse(json.replace(/("r:diaObjectId": ?)(-?\d+)/g, '$1"$2"'));
}

function number(value, decimals) {
  return typeof value === "number" ? value.toFixed(decimals) : "–";
}

function line(row) {
  const made = template.content.cloneNode(true).firstElementChild;
  const [link, symbol] = ["a", "svg"].map((name) => made.querySelector(name));
  link.href = link.textContent = row["r:diaObjectId"];
  symbol.classList.add(`band-${mark(row["r:band"])}`);
  symbol.firstElementChild.setAttribute("href", `#band-${mark(row["r:band"])}`);
  const [, band, flux, date] = made.children;
  band.append(row["r:band"] ?? "–");
  flux.textContent = `${number(row["r:psfFlux"], 1)} ± ${number(row["r:psfFluxErr"], 1)}`;
  date.textContent = row["v:dateUtc"]?.slice(0, 19).replace("T", " ") ?? "–";
  return made;
}

/** Shows what came, unless the reader points at the list: a link must not move away. */
function show() {
  if (waiting.length === 0 || list.matches(":hover, :focus-within")) return;
  section.hidden = false;
  list.prepend(...waiting.toReversed().map(line));
  [...list.children].slice(MOST).forEach((old) => old.remove());
  waiting = [];
}

const renewCounts = soon(() => renew([".state"]), 5000);

function take(json) {
  const came = rows(json).sort((a, b) => a["r:midpointMjdTai"] - b["r:midpointMjdTai"]);
  waiting = [...waiting, ...came].slice(-MOST);
  show();
  renewCounts();
}

for (const event of ["mouseleave", "focusout"]) list.addEventListener(event, () => setTimeout(show));
listen(section.dataset.stream, take, renewCounts);
