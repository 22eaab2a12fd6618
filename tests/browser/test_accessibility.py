"""axe-core finds nothing serious on any page: light and dark, on a desktop and on a phone."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import pytest

from tests.browser.pages import PAGES, admin_addresses
from tests.translations.test_pages import addresses

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
FINDINGS = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter((rule) => ["serious", "critical"].includes(rule.impact))
  .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)}`))
"""


def findings(page: Any, visited: Iterable[str]) -> str:
    """What is serious on these pages, in either colours on either screen."""
    found = []
    for address in visited:
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            page.set_viewport_size(DESKTOP)
            page.goto(address)
            page.evaluate(AXE)
            for screen in (DESKTOP, PHONE):
                page.set_viewport_size(screen)
                where = f"{address}, {colours}, {screen['width']} px"
                found += [f"{where}: {one}" for one in page.evaluate(FINDINGS)]
    return "\n".join(found)


def test_the_pages_of_customers(admin, everything, alice):
    visited = [address for name in PAGES for address in addresses(name, most=2)]

    assert findings(admin(alice), visited) == ""


def test_the_pages_without_a_sign_in(page, everything):
    assert findings(page, ["/sign-in", "/prices", "/nothing"]) == ""


def test_the_main_pages_of_the_admin(admin, everything, operator):
    assert findings(admin(operator), admin_addresses().values()) == ""
