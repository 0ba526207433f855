// Replaces parts of the page by what the server has now. All else stays: what the reader has opened, chosen and scrolled to.

/** Reads the page again, and replaces the elements of some selectors that have changed. A page that cannot be read stays as it is. */
export async function renew(selectors) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const selector of selectors) {
    const [shown, read] = [document, page].map((of) => [...of.querySelectorAll(selector)]);
    if (shown.length === read.length) shown.forEach((element, i) => replace(element, read[i]));
  }
}

function replace(shown, read) {
  if (shown.isEqualNode(read)) return;
  const chosen = [...shown.querySelectorAll("input")];
  for (const input of read.querySelectorAll("input")) {
    const same = chosen.find(({ name, value }) => name === input.name && value === input.value);
    if (same) input.checked = same.checked;
  }
  shown.replaceWith(read);
}

/** A function that does some work a while after it is called, once for all calls until then. */
export function soon(work, ms) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, ms);
  };
}
