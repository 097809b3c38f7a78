"""Sessions, cookies, hosts, origins, redirects and headers."""

from __future__ import annotations

import asyncio
import logging

import pytest
from web.console.browsing import BASE, Browser, Exchange, parse

from crucible_ir.web.console.sessions import IDLE_SECONDS, Sessions
from crucible_ir.web.console.urls import own_path


def sign_in(browser: Browser, exchange: Exchange, role: str = "reader", **form: str) -> str:
    """Sign in and return the id of the session."""
    response = browser.post("/sign-in", token=exchange.tokens[role], **form)
    assert response.status_code == 303, response.text
    return str(response.cookies["crucible_session_8080"])


def test_reader_signs_in_and_out(guarded: Exchange) -> None:
    with guarded.browser() as browser:
        response = browser.get("/?before=9", 303, follow_redirects=False)
        assert response.headers["location"] == "/sign-in?next=%2F%3Fbefore%3D9"
        assert browser.json("/index.json", 401)["code"] == "UNAUTHENTICATED"
        response = browser.post("/sign-in", token="wrong.token", next="/")
        assert response.status_code == 401 and "rejects this token" in response.text
        response = browser.post("/sign-in", token="two words", next="/")
        assert response.status_code == 401 and "Paste the token" in response.text
        token = f" Bearer {guarded.tokens['reader']}\n"
        response = browser.post("/sign-in", token=token, next="/sign-in")
        assert response.headers["location"] == "/sign-in"
        cookie = response.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
        assert "signed in" in browser.page("/").one("footer").text
        browser.post("/sign-out")
        assert browser.get("/", 303, follow_redirects=False)


def test_token_is_in_no_page_cookie_or_log(
    guarded: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = guarded.tokens["publisher"]
    with guarded.browser() as browser:
        sign_in(browser, guarded, "publisher")
        answers = [browser.get(path) for path in ("/", "/index.json", "/sign-in")]
        assert not [each for each in answers if token in each.text + str(each.headers)]
        assert token not in str(dict(browser.client.cookies))
    assert token not in caplog.text


def test_session_is_new_at_each_sign_in(guarded: Exchange) -> None:
    with guarded.browser() as browser:
        # An id that an attacker chose is not taken over, and an id of before does not stay valid.
        browser.client.cookies.set("crucible_session_8080", "chosen")
        first = sign_in(browser, guarded)
        second = sign_in(browser, guarded, "publisher")
        assert len({"chosen", first, second}) == 3
        for old in ("chosen", first):
            browser.client.cookies.clear()
            browser.client.cookies.set("crucible_session_8080", old)
            browser.get("/", 303, follow_redirects=False)


def test_sessions_end_when_they_are_not_used() -> None:
    class Client:
        closed = False

        async def close(self) -> None:
            self.closed = True

    now = 0.0
    made: list[Client] = []

    def connect(token: str | None) -> Client:
        made.append(Client())
        return made[-1]

    async def use() -> None:
        nonlocal now
        sessions = Sessions(connect, lambda: now)  # type: ignore[arg-type]
        session = await sessions.begin(sessions.connect("t"))
        now = IDLE_SECONDS - 1.0
        assert await sessions.find(session.id) is session
        now = 2.0 * IDLE_SECONDS
        assert await sessions.find(session.id) is None and made[0].closed
        await sessions.begin(sessions.connect("t"))
        await sessions.close()
        assert len(sessions) == 0 and made[1].closed

    asyncio.run(use())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:8081"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
    ],
)
def test_form_of_another_site_is_rejected(browser: Browser, headers: dict[str, str]) -> None:
    response = browser.client.post("/theme", data={"theme": "dark"}, headers=headers)
    assert response.status_code == 403 and "theme" not in response.cookies
    # Programs that mistype a path of the API get here too.
    assert "crucible-ir openapi" in response.text


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "a b", "[::2]:1"])
def test_unknown_host_is_rejected(browser: Browser, host: str) -> None:
    assert "--http-host" in browser.get("/", 400, headers={"host": host}).text


def test_hosts_may_be_named(exchange: Exchange) -> None:
    with exchange.browser(hosts=["Console.Example"]) as browser:
        browser.get("/sign-in", headers={"host": "console.example:443"})
        browser.get("/sign-in", 400)


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/console/../../evil",
        "",
        "/x\r\nset-cookie: a=b",
    ],
)
def test_redirect_leads_to_no_other_site(browser: Browser, to: str) -> None:
    response = browser.post("/theme", theme="dark", next=to)
    assert response.headers["location"] == "/"
    assert own_path(to, "/console") == "/console/"


@pytest.mark.parametrize("theme", ["日本", "x" * 100_000, "a\r\nset-cookie: b=c", ""])
def test_unknown_theme_is_not_kept(browser: Browser, theme: str) -> None:
    response = browser.post("/theme", theme=theme)
    assert response.status_code == 303
    assert response.cookies["theme"] == "auto"


def test_no_page_links_to_another_site(browser: Browser) -> None:
    for path in ("//evil.example/x", "///evil.example/"):
        page = parse(browser.client.get(f"{BASE}{path}").text)
        links = [
            element.attributes[name]
            for name in ("href", "src", "action")
            for element in page.all()
            if name in element.attributes
        ]
        assert len(links) > 20
        assert [each for each in links if each.startswith("//")] == []


def test_every_answer_has_the_headers(browser: Browser) -> None:
    for path, status in (("/", 200), ("/none", 404), ("/static/style.css", 200)):
        headers = browser.get(path, status).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_pages_below_a_prefix_stay_below_it(exchange: Exchange) -> None:
    with exchange.browser(root_path="/console") as browser:
        page = browser.page("/console/")
        addresses = [
            element.attributes[name]
            for name in ("href", "src", "action", "data-live")
            for element in page.all()
            if name in element.attributes
        ]
        assert len(addresses) > 20
        assert [each for each in addresses if not each.startswith(("/console/", "#"))] == []
        response = browser.post("/console/theme", theme="dark", next="/documents")
        assert response.headers["location"] == "/console/"
        assert "Path=/console" in response.headers["set-cookie"]
