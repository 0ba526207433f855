"""Follows every link of the pages that nginx serves below a path, in a browser, and reads by Arrow Flight through it.

Prints how many links were followed and how many rows came as one JSON object; fails at the first thing that is wrong.
Usage: proxy.py URL ID,ID,... CERTIFICATE CHROMIUM
"""
import json
import re
import subprocess
import sys
import urllib.parse

import pyarrow.flight as flight
from playwright.sync_api import sync_playwright

from chromium import FLAGS, drawn, markers, open_page, tried

BASE, IDS, CERTIFICATE, CHROMIUM = sys.argv[1:]
IDS = IDS.split(",")
LINKS = """() => [...document.querySelectorAll("[href], [src], [action], [formaction], [data-document]")].flatMap((element) =>
    ["href", "src", "action", "formaction", "data-document"].filter((name) => element.hasAttribute(name))
        .map((name) => [name, new URL(element.getAttribute(name), document.baseURI).href]))"""


def followed(page, path):
    """How many links a page has; each has to lead below the path, or to another site."""
    assert page.goto(f"{BASE}{path}", wait_until="networkidle").status == 200, path
    links = {(name, urllib.parse.urldefrag(url).url) for name, url in page.evaluate(LINKS)}
    for name, url in sorted(links):
        if urllib.parse.urlsplit(url).netloc != urllib.parse.urlsplit(BASE).netloc:
            continue
        assert url.startswith(f"{BASE}/"), f"{path}: {name} {url}"
        if name in ("action", "formaction"):
            answer = page.request.post(url, form={"diaObjectId": IDS[0]})
        else:
            answer = page.request.get(url)
        assert answer.status == 200, f"{path}: {name} {url} is {answer.status}"
    return len(links)


def browse(page):
    listed = "/objects?diaObjectId=" + ",".join(IDS[:3])
    links = sum(followed(page, path) for path in ("/", f"/{IDS[0]}", listed, "/docs/", "/docs"))
    assert page.url == f"{BASE}/docs/"
    assert '"r:diaObjectId"' in tried(page, "objects-get_objects")
    asked = page.locator("#operations-objects-get_objects .request-url").inner_text()
    assert f"{BASE}/api/v1/objects?" in asked, asked
    for asked in (BASE, f"{BASE}//", f"{BASE}/"):
        page.goto(asked)
        page.get_by_role("searchbox").fill(IDS[0])
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"^{BASE}/+{IDS[0]}$"))  # nginx may have made one slash of two
    page.goto(f"{BASE}/{IDS[0]}/")
    assert page.url == f"{BASE}/{IDS[0]}"
    drawn(page)
    assert sum(markers(page).values()) > 100
    for request in ("curl", "python"):
        text = page.locator(f"#{request}").inner_text()
        assert f"{BASE}/api/v1/sources?" in text, text
        if request == "curl":
            command = text.replace("curl", f"curl --fail --cacert {CERTIFICATE} --noproxy '*'", 1)
            rows = subprocess.run(command, shell=True, check=True, capture_output=True).stdout
            assert rows.count(b"\n") > 100
    page.goto(f"{BASE}{listed}")
    with page.expect_download() as download:
        page.locator("button[formaction='objects/sources'][value=csv]").click()
    assert open(download.value.path()).read().count("\n") > 100
    for private in ("/metrics", "/metrics/", "//metrics"):
        assert page.request.get(f"{BASE}{private}").status == 404, private
    page.goto(f"{BASE}/12")
    page.get_by_role("link", name="Search, and what is here").click()
    page.wait_for_url(f"{BASE}/")
    return links


def read():
    """How many rows a whole table has; those of one object are read before."""
    url = "grpc+tls://" + urllib.parse.urlsplit(BASE).netloc
    client = flight.connect(url, tls_root_certs=open(CERTIFICATE).read())
    one = client.get_flight_info(flight.FlightDescriptor.for_path("sources", IDS[0]))
    rows = client.do_get(one.endpoints[0].ticket).read_all().num_rows
    assert rows > 100, rows
    whole = client.get_flight_info(flight.FlightDescriptor.for_path("sources"))
    read = sum(client.do_get(endpoint.ticket).read_all().num_rows for endpoint in whole.endpoints)
    assert read == whole.total_records, (read, whole.total_records)
    return read


with sync_playwright() as playwright:
    browser, trouble = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), []
    links = browse(open_page(browser, BASE, trouble, ignore_https_errors=True))
    assert trouble == [], trouble
    browser.close()
print(json.dumps({"links": links, "rows": read()}))
