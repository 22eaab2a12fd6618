"""Pictures of every page, in both languages, light and dark, on a desktop and on a phone: `make screenshots`.

Not a test: somebody has to look at them. They are in var/screenshots.
"""

import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings

from accounts.customer_views import start_view
from accounts.models import Customer, Member, MemberRole
from pricing.changes.rows import cells_of
from pricing.changes.stored import price_row
from pricing.models import Price, Proposal
from sensenova_billing.lib import clock
from tests.browser.pages import PAGES
from tests.browser.test_accessibility import DESKTOP, PHONE
from tests.conftest import PASSWORD
from tests.query_counts.stage import add_one_of_each, now_of
from tests.test_tenancy import STAFFED
from tests.translations.test_admin_pages import addresses as addresses_of_admin
from tests.translations.test_pages import addresses

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = Path(settings.BASE_DIR, "var/screenshots")
WITHOUT_SIGN_IN = {"sign_in": "/sign-in", "prices": "/prices", "error": "/nothing"}
COLOURS = ("light", "dark")
# Pages of the theme and of Django that no link of ours leads to, and files.
NO_LOOK = re.compile("_delete$|jsi18n|autocomplete|_csv$|_xlsx$|login|logout|view_on_site")
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh-hans"])
# Pages of a customer that has used and bought nothing.
UNUSED = ("", "/usage", "/bills", "/limits", "/packages", "/packages/buy", "/keys", "/people", "/records")


def customer_addresses():
    """Some addresses of each page, each with its name."""
    for name in PAGES:
        for number, address in enumerate(addresses(name, most=3)):
            yield f"{name}-{number}" if number else name, address


def picture(page, name, address, *, language):
    for colours in COLOURS:
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size(DESKTOP)
        page.goto(address)
        if page.locator("canvas").count():
            page.wait_for_load_state("networkidle")
        shots(page, name, language=language, colours=colours)


def shots(page, name, *, language, colours):
    for screen in (DESKTOP, PHONE):
        page.set_viewport_size(screen)
        page.wait_for_timeout(100)  # a chart is drawn anew
        file = f"{re.sub('[^a-z0-9_-]', '-', name.lower())}-{language}-{colours}-{screen['width']}.png"
        page.screenshot(path=FOLDER / file, full_page=True)


def picture_of_answer(page, name, *, language):
    """Take pictures of the page as it is: an answer to a form cannot be asked for again."""
    for colours in COLOURS:
        page.emulate_media(color_scheme=colours)
        shots(page, name, language=language, colours=colours)


def send(page, address, fields):
    """Fill in the form of a page and send it."""
    page.set_viewport_size(DESKTOP)
    page.goto(address)
    for name, value in fields.items():
        field = page.locator(f"main [name={name}]").first
        if field.get_attribute("type") in {"radio", "checkbox"}:
            page.locator(f"main [name={name}][value='{value}']").check()
        else:
            field.fill(value)
    page.locator("main form button[type=submit], main form button:not([type])").first.click()
    page.wait_for_load_state("networkidle")


def pictures_of_answers(page, *, language):
    """What a form answers: a key, an invitation, refusals."""
    acme, email = "/customers/acme", f"{language}@acme.example"
    sent = {
        "new_key": (f"{acme}/keys/new", {"name": "chat gateway", "scopes": "usage:write"}),
        "invited": (f"{acme}/people/invite", {"email": email, "role": "finance"}),
        "refused_settings": (f"{acme}/settings", {"time_zone": "x"}),
        "refused_password": ("/account/password", {"password": "x", "password1": "1"}),
        "second_factor_begun": ("/account/second-factor", {"password": PASSWORD}),
    }
    for name, (address, fields) in sent.items():
        send(page, address, fields)
        picture_of_answer(page, f"answer-{name}", language=language)


def propose():
    row = price_row(Price.objects.with_names().latest("pk"))
    return Proposal.objects.create(
        deed="Change the price",
        rows=[{"sheet": row.sheet, **cells_of(row)}],
        reason="The list of December.",
        proposed_by="carol@sensenova.example",
        proposed_at=clock.now(),
    )


def admin_addresses(client):
    """An address of each page of the admin, with its name: what is refused or leads on is none."""
    for name in sorted(STAFFED):
        if "/" in name or NO_LOOK.search(name):
            continue
        address = next(iter(addresses_of_admin(name)), None)
        answer = address and client.get(address)
        if answer:
            answer.getvalue()  # a file is read as it is sent
        if answer and answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            yield name.removeprefix("admin:"), address


def more_addresses_of_admin(acme):
    """Some pages of the admin that need an argument."""
    return {
        "search": "/admin/search?q=acme",
        "search_nothing": "/admin/search?q=nowhere",
        "list_nothing": "/admin/pricing/price/?q=nowhere",
        "proposal": f"/admin/pricing/proposal/{propose().pk}/change/",
        "view_as": f"/admin/accounts/customer/{acme.pk}/view-as/",
        "own_limits": f"/admin/pricing/callspecification/add/?customer={acme.pk}",
    }


@pytest.fixture(scope="module", autouse=True)
def empty_folder():
    shutil.rmtree(FOLDER, ignore_errors=True)


@LANGUAGES
def test_take_pictures_of_customers_pages(language, admin, everything, alice):
    new = Customer.objects.create(code="new", name="New Ltd")
    Member.objects.create(customer=new, user=alice, role=MemberRole.OWNER)
    page = admin(alice, language=language)
    for name, address in customer_addresses():
        picture(page, name, address, language=language)


@LANGUAGES
def test_take_pictures_of_what_is_empty_refused_or_answered(language, admin, everything, alice):
    new = Customer.objects.create(code="new", name="New Ltd")
    Member.objects.create(customer=new, user=alice, role=MemberRole.OWNER)
    page = admin(alice, language=language)
    for path in UNUSED:
        picture(page, f"unused-{path.strip('/')}", f"/customers/new{path}", language=language)
    picture(page, "refused", "/customers/globex/keys/new", language=language)
    pictures_of_answers(page, language=language)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    for name, address in WITHOUT_SIGN_IN.items():
        picture(page, f"visitor-{name}", address, language=language)


@LANGUAGES
def test_take_pictures_of_the_admin(
    language, admin, everything, acme, operator, operator_client, monkeypatch
):
    add_one_of_each(0)
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: now_of(1))
    page = admin(operator, language=language)
    visited = dict(admin_addresses(operator_client)) | more_addresses_of_admin(acme)
    for name, address in visited.items():
        picture(page, f"admin-{name}", address, language=language)
    start_view(person=operator, customer=acme, reason="Ticket 7", now=clock.now())
    picture(page, "viewed_overview", "/customers/acme", language=language)
