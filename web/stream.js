// Listens to the new sources that the server tells of, while somebody sees the page.

/**
 * Gives new rows to `told`, as the text of a JSON array; `missed` is called where there may be others. A page that is out of sight does not
 * listen, since a browser has six connections to a server of HTTP/1.1 for all of its pages. A server that refuses, since it has no room, is
 * asked again when the page is seen again.
 */
export function listen(url, told, missed) {
  let stream = null;
  const open = () => {
    stream = new EventSource(url);
    stream.addEventListener("sources", ({ data }) => told(data));
    stream.addEventListener("missed", missed);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
    } else {
      if (stream) missed();
      open();
    }
  });
  if (!document.hidden) open();
}
