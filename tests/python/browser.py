"""Uses the pages as people do: searches, reads, points at measurements, switches, downloads. Fails at the first error.

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
from astropy.time import Time
from playwright.sync_api import sync_playwright

from chromium import FLAGS, copied, drawn, find, markers, open_page, tried

URL, IDS, FOLDER, CHROMIUM = sys.argv[1], sys.argv[2].split(","), sys.argv[3], sys.argv[4]
LONG = IDS[0]
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
READERS = {
    "json": lambda body: pandas.DataFrame(json.loads(body)),
    "csv": lambda body: pandas.read_csv(io.BytesIO(body)),
    "votable": lambda body: astropy.io.votable.parse_single_table(io.BytesIO(body)).to_table(use_names_over_ids=True),
    "parquet": lambda body: pandas.read_parquet(io.BytesIO(body)),
    "arrow": lambda body: pyarrow.ipc.open_stream(body).read_pandas(),
}

def seconds_across(page):
    return page.evaluate("() => document.querySelector('#plot').layout.xaxis.range.reduce((a, b) => b - a)")


def search(page):
    page.goto(URL)
    assert page.get_by_role("heading", level=1).inner_text() == "Light curves of Rubin alerts"
    assert "The data here are synthetic" in page.inner_text("main")
    page.get_by_role("searchbox").fill(f" {LONG} ")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{URL}/{LONG}")
    find(page, f"{IDS[1]}, {LONG} 12 nonsense")
    assert "2 of 4 objects" in page.inner_text("h1")
    assert page.locator("tbody th a").all_inner_texts() == [IDS[1], LONG]
    assert "nonsense" in page.inner_text("main")
    many = " ".join(map(str, range(1, 6_000)))
    find(page, f"{LONG} {many} {IDS[1]}")
    assert "2 of 6001 objects" in page.inner_text("h1") and "5999" in page.inner_text("main")
    for table, least in (("objects", 2), ("sources", 100)):
        with page.expect_download() as download:
            page.locator(f".downloads button[formaction$={table}][value=parquet]").click()
        rows = pandas.read_parquet(download.value.path())
        assert set(rows["r:diaObjectId"]) == {int(LONG), int(IDS[1])} and len(rows) >= least, len(rows)
    page.get_by_role("link", name=LONG).click()
    page.wait_for_url(f"{URL}/{LONG}")
    page.goto(URL)
    page.locator(".examples a").first.click()
    drawn(page)


def look_around(page):
    """A place in the search box, its chart by pointer and by keyboard, and back to an object, where what is near is listed."""
    rows = requests.get(f"{URL}/api/v1/sources?diaObjectId={LONG}&columns=r:ra,r:dec").json()
    ra, dec = rows[0]["r:ra"], rows[0]["r:dec"]
    page.goto(URL)
    find(page, f"{ra} {dec:+} r=18000")
    ids = page.locator(".found tbody th a").all_inner_texts()
    found = requests.get(f"{URL}/api/v1/conesearch?ra={ra}&dec={dec}&radius=18000&ids=text&columns=r:diaObjectId").json()
    assert ids == [row["r:diaObjectId"] for row in found] and ids[0] == LONG and len(ids) > 10, ids
    marks = page.locator(".field svg a")
    assert sorted(mark.get_attribute("href") for mark in marks.all()) == sorted(ids)
    chart = page.get_by_role("group", name="Field of 18000″")
    assert chart.get_by_role("link").count() == len(ids)
    told = page.locator(".field .readout >> visible=true")
    assert told.count() == 0
    page.locator(f".field a[href='{LONG}'] .reach").hover(force=True)
    assert told.count() == 1 and "″ · " in told.text_content()
    page.mouse.move(0, 0)
    page.locator(".field .skip").focus()
    assert page.locator(".field .skip").bounding_box()["x"] > 0
    page.keyboard.press("Tab")
    first = page.evaluate("() => document.activeElement.getAttribute('href')")
    assert first in ids and told.count() == 1 and told.text_content().startswith(f"{first} · "), (first, told.count())
    with page.expect_download() as download:
        page.locator(".downloads a", has_text="parquet").click()
    rows = pandas.read_parquet(download.value.path())
    assert [str(id) for id in rows["r:diaObjectId"]] == ids and rows["v:separation_degree"].is_monotonic_increasing
    page.get_by_label("Radius, arcsec").fill("60")
    with page.expect_navigation():
        page.get_by_role("button", name="Search").click()
    assert " within 60″" in page.inner_text("h1") and LONG in page.locator(".found tbody th a").all_inner_texts()
    page.locator(".found").get_by_role("link", name=LONG).click()
    page.wait_for_url(f"{URL}/{LONG}")
    page.get_by_role("link", name="a chart of the field").click()
    page.wait_for_url(f"{URL}/cone?**")
    assert " within 60″" in page.inner_text("h1")


def look(page):
    page.goto(f"{URL}/{LONG}")
    drawn(page)
    took = page.evaluate("() => performance.getEntriesByName('drawn')[0].startTime")
    counts, tables = markers(page), [len(requests.get(f"{URL}/api/v1/{table}?diaObjectId={LONG}&columns=r:visit").json())
                                     for table in ("sources", "fp")]
    assert sum(counts.values()) == sum(tables) > 2000, (counts, tables)
    print(f"{sum(tables)} points drawn {took:.0f} ms after the request")
    assert page.locator("details.measurements").first.locator("tbody tr").count() == tables[0]
    for part in ("ICRS", "First detection", "SIMBAD", "main_label_classifier", "Latest psfFlux", "Peak psfFlux", "synthetic"):
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
    without, limits = page.inner_text("#without"), sum(count for name, count in markers(page).items() if "limit" in name)
    assert "without a magnitude" in without and (limits > 300) == (f"The {limits} limits are drawn small" in without), (limits, without)
    assert page.locator("#plot .textpoint").count() == (0 if limits > 300 else limits)
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


def tell_dates(page):
    """A label of an axis is the date in UTC where its tick stands, held against astropy: far out, near in, and at a leap second."""
    shown = page.evaluate("() => (({ tickvals, ticktext }) => ({ tickvals, ticktext }))(document.querySelector('#plot').layout.xaxis2)")
    ticks = [shown] + [page.evaluate("""async (range) => {
        const { dates } = await import(document.querySelector('script[src$="light_curve.js"]').src.replace('light_curve', 'dates'));
        return dates(range, 6);
    }""", [start, start + span]) for start in (61041.3, 57753.99, 44785.9, 41320.1) for span in (3000, 40, 1.5, 0.1, 2e-3, 4e-5, 1e-6)]
    assert len(shown["tickvals"]) > 1 and sum(len(these["tickvals"]) for these in ticks) > 60
    for these in ticks:
        for mjd, label in zip(these["tickvals"], these["ticktext"]):
            iso, label = Time(mjd, format="mjd", scale="tai", precision=3).utc.iso, label.replace("<br>", " ")
            assert iso.startswith(label) and not re.search("[1-9]", iso[len(label):]), (mjd, label, iso)
    assert page.evaluate("""async () => {
        const { dates } = await import(document.querySelector('script[src$="light_curve.js"]').src.replace('light_curve', 'dates'));
        return dates([0, 1], 6).tickvals.length;
    }""") == 0, "before 1972 there are no dates"


def reach(page):
    """An axis has room for the error bar of one point."""
    ends = page.evaluate("""async () => {
        const { ranges } = await import(document.querySelector('script[src$="light_curve.js"]').src.replace('light_curve', 'ranges'));
        const point = { what: "detection", band: "g", mjd: 61000, flux: 1231, fluxErr: 233 }, all = { has: () => true };
        const many = Array.from({ length: 300_000 }, () => point);
        return [[point], many].map((points) => ranges(points, { scale: "flux", bands: all, whats: all }).home);
    }""")
    for low, high in ends:
        assert 900 < low < 998 and 1464 < high < 1560, ends


def try_requests(page):
    """Ids in an answer are those that were sent, digit by digit."""
    page.goto(f"{URL}/docs/")
    text = tried(page, "sources-get_sources")
    assert re.search(r'"r:midpointMjdTai": \d+\.\d+', text), text[:300]
    block = page.locator("#operations-sources-get_sources")
    block.get_by_placeholder("diaObjectId").fill(IDS[1])
    block.get_by_placeholder("columns").fill("r:diaObjectId,r:diaSourceId")
    block.get_by_role("button", name="Execute").click()
    page.wait_for_function("() => document.querySelector('#operations-sources-get_sources .live-responses-table').innerText.includes('diaSourceId')")
    shown = block.locator(".live-responses-table").inner_text()
    url = block.locator(".request-url pre").inner_text()
    sent = requests.get(url).json()
    assert len(sent) > 1 and all(f'"r:diaSourceId": {row["r:diaSourceId"]}' in shown for row in sent), (shown[:600], url)
    assert re.search(r'"r:diaObjectId": \d+', tried(page, "objects-get_objects"))
    family = "selector => getComputedStyle(document.querySelector(selector)).fontFamily"
    assert page.evaluate(family, ".swagger-ui .opblock-tag") == page.evaluate(family, "body")


def print_all(page):
    """On paper there are all rows, of what is folded, too."""
    page.goto(f"{URL}/{LONG}")
    drawn(page)
    page.emulate_media(media="print")
    hidden = page.evaluate("""() => [...document.querySelectorAll('details.measurements')].flatMap((details) => {
        const [frame, last] = [details.querySelector('.wide'), details.querySelector('tbody tr:last-child')];
        const inside = last.getBoundingClientRect().bottom <= frame.getBoundingClientRect().bottom + 1;
        return inside && last.checkVisibility({ contentVisibilityAuto: true }) && last.getBoundingClientRect().height > 0 ? [] : [details.innerText.slice(0, 40)];
    })""")
    assert hidden == [], hidden
    page.pdf(path=f"{FOLDER}/object.pdf")
    page.emulate_media(media="screen")


def take_away(page):
    for link in page.locator(".downloads a").all():
        with page.expect_download() as download:
            link.click()
        name, form = download.value.suggested_filename, link.inner_text()
        rows = READERS[form](open(download.value.path(), "rb").read())
        expected = 1 if name.startswith("objects") else 100
        assert LONG in name and len(rows) >= expected and rows["r:diaObjectId"][0] == int(LONG), (name, len(rows))
    for name in ("python", "curl", "flight"):
        request = copied(page, name)
        if name == "curl":
            rows = subprocess.run(request, shell=True, check=True, capture_output=True).stdout
            assert len(READERS["csv"](rows)) > 100
        else:
            names = {}
            exec(request, names)
            assert len(names["light_curve"]) > 100


def go_wrong(page):
    for path, said in (("/12", "no diaObjectId 12"), ("/M31", "up to 19 digits"), ("/<b>", "There is no /<b>")):
        answer = page.goto(URL + path)
        assert answer.status == 404 and said in page.inner_text("main"), page.inner_text("main")
        assert page.get_by_role("searchbox").is_visible()


def without_scripts(browser, trouble):
    seen = []
    page = open_page(browser, URL, seen, java_script_enabled=False)
    page.goto(f"{URL}/{LONG}")
    assert page.locator("noscript img").count() == 1 and not page.locator("#plot").is_visible()
    assert page.locator("details.measurements").first.locator("tbody tr").count() > 100
    assert not page.locator("[data-copy]").first.is_visible() and not page.locator(".controls").is_visible()
    assert page.locator("noscript img").evaluate("image => image.complete && image.naturalWidth > 0")
    # Scripts and rows that were asked for in advance are left.
    trouble.extend(told for told in seen if not told.startswith(("failed", "console")))


# Tables that scroll within the page.
SCROLLING = """() => [...document.querySelectorAll('.wide')].filter((frame) => frame.checkVisibility()
    && (frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight + 1)).map((frame) => frame.outerHTML.slice(0, 80))"""
# Labels of the axes of time that run into each other or into a title.
MEETING = """() => {
    const boxes = (selector) => [...document.querySelectorAll(selector)].map((of) => ({ text: of.textContent, box: of.getBoundingClientRect() }));
    const ticks = boxes('#plot .xtick text, #plot .x2tick text'), all = [...ticks, ...boxes('#plot .xtitle, #plot .x2title')];
    const meet = ({ box: a }, { box: b }) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    return ticks.length < 4 || all.length < ticks.length + 2 ? ['too few']
        : ticks.flatMap((one) => all.filter((other) => other !== one && meet(one, other)).map((other) => `${one.text} ${other.text}`));
}"""


def pictures(browser, trouble):
    row = requests.get(f"{URL}/api/v1/sources?diaObjectId={LONG}&columns=r:ra,r:dec").json()[0]
    field = f"/cone?ra={row['r:ra']}&dec={row['r:dec']}&radius=9000"
    for scheme in ("light", "dark"):
        for size, viewport in SIZES.items():
            page = open_page(browser, URL, trouble, viewport=viewport, color_scheme=scheme, has_touch=size == "phone")
            for name, path in (("home", "/"), ("object", f"/{LONG}"), ("list", f"/objects?diaObjectId={','.join(IDS)},12"), ("field", field), ("missing", "/12"), ("docs", "/docs/")):
                page.goto(URL + path)
                if name == "object":
                    drawn(page)
                    page.locator("footer").scroll_into_view_if_needed()
                if name == "docs":
                    tried(page, "sources-get_sources")
                width = page.evaluate("() => document.documentElement.scrollWidth")
                assert width == viewport["width"], (name, size, width)
                assert size != "phone" or page.evaluate(SCROLLING) == [], (name, page.evaluate(SCROLLING))
                assert name != "object" or page.evaluate(MEETING) == [], (size, page.evaluate(MEETING))
                page.screenshot(path=f"{FOLDER}/{name}-{size}-{scheme}.png", full_page=True)
            page.context.close()


def follow_the_system(browser, trouble):
    """A page that is open turns dark with the system, and light on paper."""
    page = open_page(browser, URL, trouble, color_scheme="light")
    page.goto(f"{URL}/{LONG}")
    drawn(page)
    colours = "() => document.querySelector('#plot').data.filter((t) => t.customdata).map((t) => t.marker.color)"
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => !({colours})().some((colour) => light.includes(colour))", arg=light)
    page.emulate_media(media="print")
    page.wait_for_function(f"light => ({colours})().every((colour) => light.includes(colour))", arg=light)


with sync_playwright() as playwright:
    browser, trouble = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), []
    page = open_page(browser, URL, trouble, viewport=SIZES["desktop"])
    for use in (search, look_around, look, read, tell_dates, reach, switch, zoom, take_away, try_requests, print_all, go_wrong):
        use(page)
        print(f"{use.__name__}: as it should be")
    for use in (without_scripts, follow_the_system, pictures):
        use(browser, trouble)
        print(f"{use.__name__}: as it should be")
    assert trouble == [], trouble
    browser.close()
