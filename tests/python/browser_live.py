"""Watches the pages of a survey that goes on: new alerts come in on the home page, and the page of an object follows it. Nobody reloads.

Usage: browser_live.py URL ID CHROMIUM. Of the object with this id, alerts come within the first minutes.
"""
import re
import sys

from playwright.sync_api import sync_playwright

from chromium import FLAGS, drawn, markers, open_page

URL, ID, CHROMIUM = sys.argv[1:]
STREAM = re.compile("/api/v1/stream")
COUNT = "document.querySelector('.measurements .count').innerText"
# What a page listens to, and whether anybody sees it.
WATCHED = """
    window.streams = [];
    window.EventSource = class extends EventSource { constructor(url) { super(url); window.streams.push(this); } };
    window.show = (seen) => {
        Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    };
"""


def changed(page, expression, before):
    page.wait_for_function(f"before => {expression} !== before", arg=before)


def watch_home(page):
    page.goto(URL)
    page.locator("#newest tbody tr").first.wait_for()
    listed, counts = "document.querySelector('#newest tbody').innerText", "document.querySelector('.state').innerText"
    changed(page, listed, page.evaluate(listed))
    assert 1 <= page.locator("#newest tbody tr").count() <= 8
    line = page.locator("#newest tbody tr").first
    link, fields = line.locator("a"), line.locator("td").all_inner_texts()
    assert link.inner_text().isdigit() and len(link.inner_text()) > 16 and link.get_attribute("href") == link.inner_text()
    assert fields[0] in "ugrizy" and " ± " in fields[1] and fields[2].startswith("2026-"), fields
    line.hover()
    held = page.evaluate(listed)
    # It changes when alerts have come.
    changed(page, counts, page.evaluate(counts))
    assert page.evaluate(listed) == held, "the list waits while it is pointed at"
    page.mouse.move(1, 1)
    changed(page, listed, held)


def follow_the_object(page):
    page.goto(f"{URL}/{ID}")
    drawn(page)
    page.locator("details.measurements summary").nth(1).click()
    page.get_by_role("checkbox", name="g", exact=True).uncheck()
    # As if the object had not been seen in its last band yet: the choice of bands is renewed then.
    bands = page.locator(".controls [name=band]").count()
    page.locator(".controls fieldset:has([name=band]) label").last.evaluate("label => label.remove()")
    page.get_by_role("button", name="Zoom in").press("Enter")
    page.evaluate("() => scrollTo(0, 400)")
    shown = "() => JSON.stringify([scrollY, document.querySelectorAll('details')[1].open, document.querySelector('#plot').layout.xaxis.range])"
    points = "document.querySelector('#plot').data.reduce((sum, trace) => sum + (trace.customdata?.length ?? 0), 0)"
    chosen, count, drawn_points = page.evaluate(shown), page.evaluate(COUNT), page.evaluate(points)
    assert chosen.startswith("[400,true,"), chosen
    changed(page, COUNT, count)
    changed(page, points, drawn_points)
    assert page.evaluate(shown) == chosen
    assert page.locator(".controls [name=band]").count() == bands
    assert not page.get_by_role("checkbox", name="g", exact=True).is_checked()
    assert not any(name.startswith("g ") for name in markers(page))
    rows, count = page.evaluate(f"() => [document.querySelectorAll('details.measurements')[0].querySelectorAll('tbody tr').length, {COUNT}]")
    assert str(rows) == count.replace("\u202f", ""), (rows, count)


def out_of_sight(page):
    """A page that nobody sees listens to nothing, and catches up when it is seen again."""
    page.goto(f"{URL}/{ID}")
    page.wait_for_function("() => window.streams[0]?.readyState === EventSource.OPEN")
    page.evaluate("() => show(false)")
    assert page.evaluate("() => streams.map((stream) => stream.readyState)") == [2]
    page.evaluate("() => { document.querySelector('.measurements .count').innerText = 'old'; show(true); }")
    changed(page, COUNT, "old")
    page.wait_for_function("() => window.streams[1]?.readyState === EventSource.OPEN")


def refused(browser):
    """A page whose server tells it nothing is as it was."""
    trouble = []
    page = open_page(browser, URL, trouble)
    statuses = iter((401, 429) * 2)
    page.route(STREAM, lambda route: route.fulfill(status=next(statuses)))
    for path, part in (("/", ".state"), (f"/{ID}", ".facts")):
        for _ in range(2):
            with page.expect_response(STREAM):
                page.goto(URL + path)
            assert page.locator(part).is_visible() and not page.locator("#newest").is_visible()
    # Browsers tell it their developers.
    assert all("Failed to load resource" in told for told in trouble), trouble


with sync_playwright() as playwright:
    browser, trouble = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), []
    page = open_page(browser, URL, trouble, viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCHED)
    for use in (watch_home, follow_the_object, out_of_sight):
        use(page)
        print(f"{use.__name__}: as it should be")
    refused(browser)
    assert trouble == [], trouble
    browser.close()
