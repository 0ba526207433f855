// Renews the page of an object when it has a new source.

import { start } from "./light_curve.js";
import { renew, soon } from "./renew.js";
import { listen } from "./stream.js";

/** What new measurements change. The plot is drawn anew. */
const PARTS = [
  ".facts", ".labels", ".bands tbody", ".measurements .count", ".measurements tbody", ".controls fieldset:has([name=band])",
];

async function renewAll() {
  await renew(PARTS);
  await start();
}

// The object and its forced photometry are committed after its sources.
const told = soon(renewAll, 1000);
listen(document.querySelector("figure.curve").dataset.stream, told, told);
