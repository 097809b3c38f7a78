"""What an attacker tries: hostile documents, other sites, and sessions of others."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from web.browser.browsing import Browser
from web.browser.sites import Site

import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient

#: Texts that run a script if a page does not escape them in one of its contexts.
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "{{7*7}}${7*7}",
    "</title></textarea></style><script>alert(1)</script>",
)

#: A page of another site: `localhost` is another site than `127.0.0.1`.
OTHER_HOST = "localhost"


def sign_in(page: Any, site: Site, token: str) -> None:
    page.goto(f"{site.url}sign-in")
    page.locator("input[name=token]").fill(token)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(site.url)


@contextmanager
def other_site(html: str) -> Iterator[str]:
    """Serve a page of another site, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode() if self.path == "/" else b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{OTHER_HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join(10)


def test_hostile_texts_are_only_shown(browser: Browser, demo: Site) -> None:
    with ExchangeClient(demo.address, timeout=20) as client:
        for number, text in enumerate(HOSTILE):
            version = ir.new_model_version(
                id=f"{text}{number}",
                model_id=text,
                version="1.0.0",
                custom_stage=text,
                metrics={text: 0.5},
                description=text,
                tags=[text],
                created_by=text,
                options={text: {text: [text]}},
            )
            client.publish(version)
            version.description = f"{text} again"
            client.publish(version)
        config = ir.new_training_config(
            id="config", model_ref={"id": HOSTILE[0]}, dataset_ref={"name": HOSTILE[1]}
        )
        run = ir.new_training_run(id=HOSTILE[2], config=config, tags=[HOSTILE[0]])
        run.metrics_history.add(values={HOSTILE[1]: 1.0, "loss": 2.0}, step=1)
        run.metrics_history.add(values={HOSTILE[1]: 2.0, "loss": 1.0}, step=2)
        client.publish(run)
    page = browser.page()
    lists = {"documents/ModelVersion": len(HOSTILE), "documents/TrainingRun": 1, "runs": 1}
    for path, count in lists.items():
        page.goto(demo.url + path)
        links = {}
        for row in page.locator("[data-row]").all()[:count]:
            # The first link is that of the document; in the list of runs a box precedes it.
            link = row.locator("a").first
            links[link.inner_text()] = urljoin(page.url, link.get_attribute("href"))
        assert len(links) == count
        for text, url in links.items():
            assert page.goto(url).status == 200
            assert text in page.locator("h1").inner_text()
            for href in page.eval_on_selector_all(
                "main a[href]", "all => all.map(a => a.getAttribute('href'))"
            ):
                assert urlsplit(href).scheme in ("", "http", "https"), href
            if path.startswith("documents"):
                assert page.goto(f"{url}/history").status == 200
                assert page.goto(f"{url}/lineage").status == 200
    for path in ("", "audit", "evaluations", "deployments", "feedback"):
        page.goto(demo.url + path)
    for text in HOSTILE:
        page.goto(f"{demo.url}find?q={quote(text)}")
        page.goto(f"{demo.url}documents/ModelVersion?where={quote(text)}&sort={quote(text)}")
        page.goto(f"{demo.url}{quote(text, safe='')}")
    # No dialog appeared, and no policy was violated: that would be among the problems.
    browser.problems = [
        text for text in browser.problems if not re.search(r"status of 4\d\d", text)
    ]


def test_hostile_yaml_is_only_shown(browser: Browser, demo: Site) -> None:
    page = browser.page()
    for text in HOSTILE:
        page.goto(f"{demo.url}playground")
        yaml = f"id: {json.dumps(text)}\nname: {json.dumps(text)}\n{json.dumps(text)}: 1\n"
        page.locator("#format").select_option("yaml")
        page.locator("#text").fill(yaml)
        with page.expect_navigation():
            page.get_by_role("button", name="Check", exact=True).click()
        assert page.locator("#text").input_value().splitlines() == yaml.splitlines()
        assert "Not a valid" in page.locator("main").inner_text()


def test_another_site_cannot_sign_in_or_post(
    browser: Browser, guarded: Site, tokens: dict[str, str]
) -> None:
    page = browser.page()
    form = (
        f'<form method="post" action="{guarded.url}sign-in">'
        f'<input name="token" value="{tokens["guest"]}"></form>'
        "<script>document.forms[0].submit()</script>"
    )
    with other_site(form) as url, page.expect_response(f"{guarded.url}sign-in") as answer:
        page.goto(url)
    assert answer.value.status == 403
    assert page.context.cookies(guarded.url) == []
    browser.problems = [
        text for text in browser.problems if not re.search(r"status of 40[34]", text)
    ]


def test_no_other_site_can_frame_the_console(browser: Browser, demo: Site) -> None:
    page = browser.page()
    with other_site(f'<iframe src="{demo.url}"></iframe>') as url:
        page.goto(url)
        page.wait_for_timeout(500)
        [frame] = [frame for frame in page.frames if frame is not page.main_frame]
        assert frame.locator("main").count() == 0
    assert any("frame-ancestors" in text or "X-Frame" in text for text in browser.problems)
    browser.problems = []


@pytest.mark.parametrize(
    "target",
    [
        "https://other.example/",
        "//other.example/",
        "/\\other.example/",
        "\\\\other.example/",
        "/%09/other.example/",
        "javascript:alert(1)",
        "/\t/other.example",
    ],
)
def test_signing_in_leads_to_no_other_site(
    browser: Browser, guarded: Site, tokens: dict[str, str], target: str
) -> None:
    page = browser.page()
    page.route(re.compile(r"^https?://other\.example"), lambda route: route.abort())
    page.goto(f"{guarded.url}sign-in?next={quote(target, safe='')}")
    page.locator("input[name=token]").fill(tokens["guest"])
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    assert page.url.startswith(guarded.url)
    browser.problems = [text for text in browser.problems if "status of 404" not in text]


def test_signing_in_begins_a_new_session(
    browser: Browser, guarded: Site, tokens: dict[str, str]
) -> None:
    page = browser.page()
    page.goto(guarded.url)
    assert urlsplit(page.url).path == "/sign-in"
    sign_in(page, guarded, tokens["guest"])
    [cookie] = [c for c in page.context.cookies() if c["httpOnly"]]
    assert cookie["sameSite"] == "Strict"
    # A second signing in, as over a session that an attacker fixed, gets another id.
    sign_in(page, guarded, tokens["guest"])
    [again] = [c for c in page.context.cookies() if c["httpOnly"]]
    assert again["value"] != cookie["value"]
    # An id that the server did not give is no session, and does not become one.
    fixed = browser.page()
    fixed.context.add_cookies([{**cookie, "value": "chosen-by-an-attacker"}])
    fixed.goto(guarded.url)
    assert urlsplit(fixed.url).path == "/sign-in"
    sign_in(fixed, guarded, tokens["guest"])
    [own] = [c for c in fixed.context.cookies() if c["httpOnly"]]
    assert own["value"] not in ("chosen-by-an-attacker", again["value"])
    # The first id ended with the second signing in.
    old = browser.page()
    old.context.add_cookies([cookie])
    old.goto(guarded.url)
    assert urlsplit(old.url).path == "/sign-in"


def test_a_wrong_token_does_not_sign_in(browser: Browser, guarded: Site) -> None:
    page = browser.page()
    page.goto(f"{guarded.url}sign-in")
    page.locator("input[name=token]").fill(f"cir_{'0' * 16}_{'0' * 64}")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.goto(guarded.url)
    assert urlsplit(page.url).path == "/sign-in"
    browser.problems = [text for text in browser.problems if not re.search(r"of 40[0-9]", text)]


def test_a_token_is_in_no_url_page_storage_or_log(
    browser: Browser, guarded: Site, tokens: dict[str, str]
) -> None:
    page = browser.page()
    urls: list[str] = []
    page.on("request", lambda request: urls.append(f"{request.url} {request.headers}"))
    token = tokens["mateo"]
    sign_in(page, guarded, token)
    for path in ("", "documents/ModelVersion", "documents/ModelVersion/ticket-router-1.3.0"):
        page.goto(guarded.url + path)
        assert token not in page.content()
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    places = (*urls, stored, str(page.context.cookies()), guarded.log.read_text())
    secret = token.rpartition("_")[2]
    assert not [place for place in places if secret in place]
    page.get_by_role("button", name="Sign out").click()
    page.goto(guarded.url)
    assert urlsplit(page.url).path == "/sign-in"
