"""Starts Chromium for the tests of pages, and collects errors that pages must not cause."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PATIENCE_MS = 120_000


def open_page(browser, url, trouble, **options):
    """A page that tells of what should not happen: errors of scripts, failures, requests to others than `url` and what is below it."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
    page = context.new_page()
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("request", lambda request: request.url.startswith((url, "data:", "blob:")) or trouble.append(request.url))
    # A page that is left while it loads aborts its requests.
    page.on("requestfailed", lambda request: "ERR_ABORTED" in (request.failure or "")
            or trouble.append(f"failed: {request.url} {request.failure}"))
    # A page that is not there is one that the test asked for; on a busy machine what is preloaded is used late.
    page.on("console", lambda said: said.type in ("error", "warning") and "status of 404" not in said.text
            and "preloaded" not in said.text and trouble.append(f"console: {said.text}"))
    page.set_default_timeout(PATIENCE_MS)
    return page


def drawn(page, scale="flux"):
    page.wait_for_selector(f'figure[data-drawn="{scale}"]')


def markers(page):
    """How many measurements the plot shows, by band and kind."""
    return page.evaluate("""() => Object.fromEntries(document.querySelector('#plot').data
        .filter((trace) => trace.customdata).map((trace) => [`${trace.customdata[0].band} ${trace.meta}`, trace.x.length]))""")


def find(page, text):
    """Searches with the button. Before it returns the page of the answer is there, of which all may be asked at once."""
    page.get_by_role("searchbox").fill(text)
    with page.expect_navigation():
        page.get_by_role("button", name="Find").click()


def copied(page, name):
    """The request of this name, once the button has copied it."""
    page.locator(f"[data-copy={name}]").click()
    page.get_by_text("Copied").first.wait_for()
    page.wait_for_function("async (name) => await navigator.clipboard.readText() === document.getElementById(name).innerText", arg=name)
    return page.inner_text(f"#{name}")


def tried(page, operation):
    """What the form at /docs/ shows of an operation's answer when it is sent as it is filled in."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response-col_description .highlight-code, .live-responses-table .response-col_description pre").first.inner_text()
