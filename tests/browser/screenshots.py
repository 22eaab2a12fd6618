"""Pictures of every page, in both languages, light and dark, on a desktop and on a phone: `make screenshots`.

Not a test: somebody has to look at them. They are in var/screenshots.
"""

import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings

from tests.browser.pages import PAGES, admin_addresses
from tests.browser.test_accessibility import DESKTOP, PHONE
from tests.translations.test_pages import addresses

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = Path(settings.BASE_DIR, "var/screenshots")
WITHOUT_SIGN_IN = {"sign_in": "/sign-in", "prices": "/prices", "error": "/nothing"}


def customer_addresses():
    """Some addresses of each page, each with its name."""
    for name in PAGES:
        for number, address in enumerate(addresses(name, most=3)):
            yield f"{name}-{number}" if number else name, address


def picture(page, name, address, *, language):
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size(DESKTOP)
        page.goto(address)
        page.wait_for_load_state("networkidle")
        for screen in (DESKTOP, PHONE):
            page.set_viewport_size(screen)
            page.wait_for_timeout(100)  # a chart is drawn anew
            file = f"{re.sub('[^a-z0-9_-]', '-', name.lower())}-{language}-{colours}-{screen['width']}.png"
            page.screenshot(path=FOLDER / file, full_page=True)


def test_take_pictures(admin, everything, alice, operator):
    shutil.rmtree(FOLDER, ignore_errors=True)
    for language in ("en", "zh-hans"):
        page = admin(alice, language=language)
        for name, address in customer_addresses():
            picture(page, name, address, language=language)
        page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
        for name, address in WITHOUT_SIGN_IN.items():
            picture(page, f"visitor-{name}", address, language=language)
        page = admin(operator, language=language)
        for name, address in admin_addresses().items():
            picture(page, f"admin-{name}", address, language=language)
