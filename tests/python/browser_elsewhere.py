"""Uses the pages behind a proxy that serves them below a path and strips it, and the pages of another camera's tables.

Usage: browser_elsewhere.py URL ID URL_OF_OTHER_CAMERA CHROMIUM. The server of the first URL trusts proxies of 127.0.0.1.
"""
import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from playwright.sync_api import sync_playwright

from chromium import FLAGS, copied, drawn, find, markers, open_page, tried

SERVER, ID, OTHER, CHROMIUM = sys.argv[1:]
PREFIX = "/some/path"


class Proxy(http.server.BaseHTTPRequestHandler):
    """Answers what is below PREFIX, and nothing else."""

    def do_GET(self):
        self.pass_on(None)

    def do_POST(self):
        self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def pass_on(self, body):
        if not self.path.startswith(PREFIX + "/"):
            return self.send_error(404)
        request = urllib.request.Request(SERVER + self.path.removeprefix(PREFIX), body)
        for name in ("Accept", "Content-Type", "If-None-Match"):
            if name in self.headers:
                request.add_header(name, self.headers[name])
        for name, value in (("Proto", "http"), ("Host", self.headers["Host"]), ("Prefix", PREFIX)):
            request.add_header(f"X-Forwarded-{name}", value)
        try:
            answer = OPENER.open(request)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unfollowed)


def below_a_path(browser, trouble):
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
    page = open_page(browser, base + "/", trouble)
    page.goto(base + "/")
    page.get_by_role("searchbox").fill(ID)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/{ID}")
    drawn(page)
    assert sum(markers(page).values()) > 100
    with page.expect_download() as download:
        page.locator(".downloads a", has_text="json").first.click()
    assert json.load(open(download.value.path()))[0]["r:diaObjectId"] == int(ID)
    request = copied(page, "curl")
    assert f"'{base}/api/v1/sources?" in request, request
    rows = subprocess.run(request, shell=True, check=True, capture_output=True).stdout
    assert rows.count(b"\n") > 100
    assert page.locator("[data-copy=flight]").count() == 0, "an address of gRPC has no path"
    find(page, f"{ID}, 12")
    page.get_by_role("link", name=ID).click()
    page.wait_for_url(f"{base}/{ID}")
    page.get_by_role("link", name="diaflight").click()
    page.wait_for_url(base + "/")
    page.get_by_role("link", name="API", exact=True).click()
    page.wait_for_url(base + "/docs/")
    assert re.search(r'"r:diaObjectId": \d+', tried(page, "objects-get_objects"))
    assert page.goto(f"{base}/docs").status == 200 and page.url == base + "/docs/"
    missing = page.goto(f"{base}/12")
    assert missing.status == 404
    page.get_by_role("link", name="Search, and what is here").click()
    page.wait_for_url(base + "/")
    proxy.shutdown()
    print("below a path: as it should be")


def of_another_camera(browser, trouble):
    page = open_page(browser, OTHER, trouble)
    page.goto(f"{OTHER}/1")
    drawn(page)
    assert markers(page) == {"3 detection": 2, " detection": 1, "4 forced": 1}, markers(page)
    height = page.locator("details.measurements .wide").first.bounding_box()["height"]
    assert height < 250, f"a table of three rows takes {height} pixels"
    page.get_by_role("checkbox", name="no band").uncheck()
    page.wait_for_function("() => document.querySelector('#plot').data.every((t) => t.customdata?.[0].band !== '')")
    page.goto(f"{OTHER}/2")
    drawn(page, "nothing")
    text = page.inner_text("main")
    assert "There is nothing to draw" in text and "1858" not in text and "Without: 1." in text, text
    page.goto(f"{OTHER}/3")
    drawn(page)
    assert markers(page) == {"1 detection": 12345}
    print("of another camera: as it should be")


with sync_playwright() as playwright:
    browser, trouble = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), []
    below_a_path(browser, trouble)
    of_another_camera(browser, trouble)
    assert trouble == [], trouble
    browser.close()
