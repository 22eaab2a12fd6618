"""A real browser: Chromium, without a screen, on a running server of the tests' own."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from pricing.catalogue.initial import load_catalogue
from tests.browser.stage import NOW, use_a_month
from tests.translations.test_pages import keep_everything

WHY = "there is no Chromium and Playwright: make test-browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# It asks for nothing but the server's pages.
FLAGS = [
    "--no-sandbox",  # root, as in most containers, has no other way
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const { effectiveDirective, blockedURI, sourceFile, lineNumber } = event;
  window.violated(`${effectiveDirective} refuses ${blockedURI} at ${sourceFile}:${lineNumber}`);
});
"""
WITHOUT_A_HOST = ("about:", "blob:", "data:")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason=WHY)
    if CHROMIUM is None:
        pytest.skip(WHY)
    # Playwright runs a loop in this thread, on which Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def visitor(browser: Any, live_server: Any) -> Iterator[Callable[[], Any]]:
    """Open an empty page of a new visitor, which fails the test by each of its faults (see `_watch`)."""
    load_catalogue()  # transactional tests find an empty database
    contexts: list[Any] = []
    faults: list[str] = []

    def open_page() -> Any:
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 1000})
        contexts.append(context)
        _watch(context, faults, server=live_server.url)
        opened = context.new_page()
        opened.faults = faults
        opened.set_default_timeout(10_000)
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(visitor: Callable[[], Any]) -> Any:
    """An empty page of a new visitor."""
    return visitor()


def _watch(context: Any, faults: list[str], *, server: str) -> None:
    """Note a fault of a script, a violation of the policy, an error on the console, a request elsewhere."""
    visited: set[str] = set()

    def note_request(request: Any) -> None:
        if request.is_navigation_request():
            visited.add(request.url)
        if not request.url.startswith((f"{server}/", *WITHOUT_A_HOST)):
            faults.append(f"{request.url} is of another host")

    def note_message(message: Any) -> None:
        # Chromium says so of each page that is refused or not found; tests look at its status.
        is_refused_page = "status of 4" in message.text and message.location["url"] in visited
        if message.type == "error" and not is_refused_page:
            faults.append(f"{message.location['url']}: {message.text}")

    context.expose_binding("violated", lambda source, words: faults.append(f"{source['page'].url}: {words}"))
    context.add_init_script(TELL_OF_VIOLATIONS)
    context.on("weberror", lambda fault: faults.append(str(fault.error)))  # of all its tabs
    context.on("request", note_request)
    context.on("console", note_message)


@pytest.fixture
def admin(page: Any, live_server: Any) -> Any:
    """Give a person that page, signed in, with the pages in a language."""

    def sign_in(person: Any, *, language: str = "en") -> Any:
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        session = settings.SESSION_COOKIE_NAME
        values = {session: client.cookies[session].value, settings.LANGUAGE_COOKIE_NAME: language}
        page.context.add_cookies(
            [{"name": name, "value": value, "url": live_server.url} for name, value in values.items()]
        )
        return page

    return sign_in


@pytest.fixture
def everything(
    page: Any, acme: Any, globex: Any, alice: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything has happened to Acme, and it is the last of its hours."""
    now = keep_everything(acme=acme, globex=globex, alice=alice, settings=settings)
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: now)


@pytest.fixture
def a_month(page: Any, acme: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acme has used services in November, and it is the 24th at noon."""
    use_a_month(acme, settings)
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: NOW)
