"""Uses the pages as people do: searches, looks, points, switches, takes away. Fails where something is not as it should be.

Prints what it saw, and how long drawing took. Usage: browser.py URL ID,ID,... FOLDER_FOR_PICTURES CHROMIUM
"""
import io
import json
import re
import subprocess
import sys

import astropy.io.votable
import pandas
import pyarrow
import requests
from playwright.sync_api import sync_playwright

URL, IDS, FOLDER, CHROMIUM = sys.argv[1], sys.argv[2].split(","), sys.argv[3], sys.argv[4]
LONG = IDS[0]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
READERS = {
    "json": lambda body: pandas.DataFrame(json.loads(body)),
    "csv": lambda body: pandas.read_csv(io.BytesIO(body)),
    "votable": lambda body: astropy.io.votable.parse_single_table(io.BytesIO(body)).to_table(use_names_over_ids=True),
    "parquet": lambda body: pandas.read_parquet(io.BytesIO(body)),
    "arrow": lambda body: pyarrow.ipc.open_stream(body).read_pandas(),
}

PATIENCE_MS = 120_000


def open_page(browser, trouble, **options):
    """A page that tells of what should not happen: errors of scripts, failures, requests to others."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
    page = context.new_page()
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("request", lambda request: request.url.startswith((URL, "data:", "blob:")) or trouble.append(request.url))
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


def seconds_across(page):
    return page.evaluate("() => document.querySelector('#plot').layout.xaxis.range.reduce((a, b) => b - a)")


def search(page):
    page.goto(URL)
    assert page.get_by_role("heading", level=1).inner_text() == "Light curves of Rubin alerts"
    page.get_by_role("searchbox").fill(f" {LONG} ")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{URL}/{LONG}")
    page.get_by_role("searchbox").fill(f"{IDS[1]}, {LONG} 12 nonsense")
    page.get_by_role("button", name="Find").click()
    assert "2 of 4 objects" in page.inner_text("h1")
    assert page.locator("tbody th a").all_inner_texts() == [IDS[1], LONG]
    assert "nonsense" in page.inner_text("main")
    page.get_by_role("link", name=LONG).click()
    page.wait_for_url(f"{URL}/{LONG}")
    page.goto(URL)
    page.locator(".examples a").first.click()
    drawn(page)


def look(page):
    page.goto(f"{URL}/{LONG}")
    drawn(page)
    took = page.evaluate("() => performance.getEntriesByName('drawn')[0].startTime")
    counts, tables = markers(page), [len(requests.get(f"{URL}/api/v1/{table}?diaObjectId={LONG}&columns=r:visit").json())
                                     for table in ("sources", "fp")]
    assert sum(counts.values()) == sum(tables) > 2000, (counts, tables)
    print(f"{sum(tables)} points drawn {took:.0f} ms after the request")
    assert page.locator("details.measurements").first.locator("tbody tr").count() == tables[0]
    for part in ("ICRS", "First detection", "SIMBAD", "main_label_classifier", "Mean psfFlux"):
        assert part in page.inner_text("main"), part


def read(page):
    """Under the cursor, and by keyboard."""
    point = page.evaluate("""() => { const plot = document.querySelector('#plot'), { _offset, d2p } = plot._fullLayout.xaxis;
        const trace = plot.data.findLast((trace) => trace.customdata), y = plot._fullLayout.yaxis;
        return [_offset + d2p(trace.x[0]), y._offset + y.d2p(trace.y[0])]; }""")
    box = page.locator("#plot").bounding_box()
    page.mouse.move(box["x"] + point[0], box["y"] + point[1])
    page.wait_for_selector(".hoverlayer .hovertext")
    assert re.search(r"^[ugrizy], .* nJy · .*MJD 6\d{4}\.\d{5} · .*UTC · visit \d+$", page.inner_text("#readout"))
    page.focus("#plot")
    page.keyboard.press("Home")
    first = page.inner_text("#readout")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("first => document.querySelector('#readout').innerText !== first", arg=first)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("first => document.querySelector('#readout').innerText === first", arg=first)


def switch(page):
    before = markers(page)
    page.get_by_role("checkbox", name="g", exact=True).uncheck()
    page.wait_for_function("() => document.querySelector('#plot').data.every((t) => t.customdata?.[0].band !== 'g')")
    assert markers(page) == {name: count for name, count in before.items() if not name.startswith("g ")}
    page.get_by_role("checkbox", name="g", exact=True).check()
    page.get_by_role("checkbox", name="forced").uncheck()
    page.wait_for_function("() => document.querySelector('#plot').data.every((t) => t.meta !== 'forced')")
    page.get_by_role("checkbox", name="forced").check()
    page.get_by_role("radio", name="AB magnitude").check()
    drawn(page, "mag")
    top, bottom = page.evaluate("() => document.querySelector('#plot').layout.yaxis.range.toReversed()")
    assert 14 < top < bottom < 32, (top, bottom)
    assert any("limit" in name for name in markers(page))
    assert page.locator("#plot .textpoint").count() > 0 and "without a magnitude" in page.inner_text("#without")
    page.get_by_role("radio", name="flux").check()
    drawn(page, "flux")


def zoom(page):
    whole = seconds_across(page)
    page.get_by_role("button", name="Zoom in").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_function("whole => { const [a, b] = document.querySelector('#plot').layout.xaxis.range; return b - a < whole / 3; }", arg=whole)
    page.get_by_role("button", name="Zoom out").press("Enter")
    page.get_by_role("button", name="all").press("Enter")
    page.wait_for_function("whole => { const [a, b] = document.querySelector('#plot').layout.xaxis.range; return Math.abs(b - a - whole) < 1e-6; }", arg=whole)


def take_away(page):
    for link in page.locator(".downloads a").all():
        with page.expect_download() as download:
            link.click()
        name, form = download.value.suggested_filename, link.inner_text()
        rows = READERS[form](open(download.value.path(), "rb").read())
        expected = 1 if name.startswith("objects") else 100
        assert LONG in name and len(rows) >= expected and rows["r:diaObjectId"][0] == int(LONG), (name, len(rows))
    for name in ("python", "curl", "flight"):
        page.locator(f"[data-copy={name}]").click()
        page.get_by_text("Copied").first.wait_for()
        copied = page.evaluate("() => navigator.clipboard.readText()")
        assert copied == page.inner_text(f"#{name}")
        if name == "curl":
            rows = subprocess.run(copied, shell=True, check=True, capture_output=True).stdout
            assert len(READERS["csv"](rows)) > 100
        else:
            names = {}
            exec(copied, names)
            assert len(names["light_curve"]) > 100


def go_wrong(page):
    for path, said in (("/12", "no diaObjectId 12"), ("/M31", "up to 19 digits"), ("/<b>", "There is no /<b>")):
        answer = page.goto(URL + path)
        assert answer.status == 404 and said in page.inner_text("main"), page.inner_text("main")
        assert page.get_by_role("searchbox").is_visible()


def without_scripts(browser, trouble):
    seen = []
    page = open_page(browser, seen, java_script_enabled=False)
    page.goto(f"{URL}/{LONG}")
    assert page.locator("noscript img").count() == 1 and not page.locator("#plot").is_visible()
    assert page.locator("details.measurements").first.locator("tbody tr").count() > 100
    assert not page.locator("[data-copy]").first.is_visible() and not page.locator(".controls").is_visible()
    assert page.locator("noscript img").evaluate("image => image.complete && image.naturalWidth > 0")
    # Scripts and rows that were asked for in advance are left.
    trouble.extend(told for told in seen if not told.startswith(("failed", "console")))


def pictures(browser, trouble):
    for scheme in ("light", "dark"):
        for size, viewport in SIZES.items():
            page = open_page(browser, trouble, viewport=viewport, color_scheme=scheme, has_touch=size == "phone")
            for name, path in (("home", "/"), ("object", f"/{LONG}"), ("list", f"/objects?diaObjectId={','.join(IDS)},12"), ("missing", "/12")):
                page.goto(URL + path)
                if name == "object":
                    drawn(page)
                    page.locator("footer").scroll_into_view_if_needed()
                width = page.evaluate("() => document.documentElement.scrollWidth")
                assert width == viewport["width"], (name, size, width)
                page.screenshot(path=f"{FOLDER}/{name}-{size}-{scheme}.png", full_page=True)
            page.context.close()


def follow_the_system(browser, trouble):
    """A page that is open turns dark with the system."""
    page = open_page(browser, trouble, color_scheme="light")
    page.goto(f"{URL}/{LONG}")
    drawn(page)
    colours = "() => document.querySelector('#plot').data.filter((t) => t.customdata).map((t) => t.marker.color)"
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => !({colours})().some((colour) => light.includes(colour))", arg=light)


with sync_playwright() as playwright:
    browser, trouble = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), []
    page = open_page(browser, trouble, viewport=SIZES["desktop"])
    for use in (search, look, read, switch, zoom, take_away, go_wrong):
        use(page)
        print(f"{use.__name__}: as it should be")
    for use in (without_scripts, follow_the_system, pictures):
        use(browser, trouble)
        print(f"{use.__name__}: as it should be")
    assert trouble == [], trouble
    browser.close()
