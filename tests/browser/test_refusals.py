"""A viewer is refused what an owner may do, and not offered it; another customer's address is not found."""

from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.urls import resolve

from accounts.models import Member, MemberRole, User
from pricing.models import QuotaPackage
from tests.browser.pages import FRAGMENTS
from tests.customer_routes import FINANCE_FORMS, FINANCE_ONLY, OWNERS_ONLY, customer_addresses

pytestmark = pytest.mark.django_db(transaction=True)

TAKE_NO_FORM = {"choose_product", "customer_webhooks", "customer_webhook", "webhook_delivery"}
FILES = (".csv", ".xlsx", ".pdf")
TARGETS = """
() => [...document.querySelectorAll("a[href], form[action]")].map((one) => one.href || one.action)
"""


@pytest.fixture
def addresses(everything):
    """An address for each route of Acme, to which everything has happened, by the name of the route."""
    return customer_addresses()


def colleague(acme, role):
    """Acts for Acme in this role."""
    user = User.objects.create_user(f"{role}@acme.example")
    Member.objects.create(customer=acme, user=user, role=role)
    return user


def sent(page, address):
    """The status for an empty form, sent with the session and the token of the page."""
    token = next(one["value"] for one in page.context.cookies() if one["name"] == settings.CSRF_COOKIE_NAME)
    return page.request.post(address, headers={"X-CSRFToken": token}, max_redirects=0).status


def offered(page, addresses):
    """The routes to which links and forms of these pages lead."""
    paths = set()
    for address in addresses:
        assert page.goto(address, wait_until="domcontentloaded").status == 200
        paths |= {urlsplit(target).path for target in page.evaluate(TARGETS)}
    return {resolve(path).view_name for path in paths if path}


@pytest.mark.parametrize("role", [MemberRole.VIEWER, MemberRole.FINANCE])
def test_what_is_for_owners_is_refused_to_others(admin, addresses, acme, role):
    page = admin(colleague(acme, role))
    page.goto("/customers/acme")
    refused = OWNERS_ONLY | (FINANCE_ONLY if role == MemberRole.VIEWER else set())

    found = {name: page.request.get(address).status for name, address in addresses.items()}

    assert {name for name, status in found.items() if status != 200} == refused | FINANCE_FORMS
    assert {found[name] for name in refused} == {403, 405}  # 405: it takes forms alone
    assert {name for name in refused if sent(page, addresses[name]) != 403} == TAKE_NO_FORM & refused


def test_no_page_of_a_viewer_offers_what_is_for_owners(admin, addresses, acme):
    page = admin(colleague(acme, MemberRole.VIEWER))
    refused = OWNERS_ONLY | FINANCE_ONLY
    pages = [addresses[name] for name in set(addresses) - refused - FRAGMENTS]

    found = offered(page, [address for address in pages if not address.endswith(FILES)])

    assert {"customer_keys", "customer_people", "customer_package"} < found
    assert found & refused == set()


def test_the_pages_of_an_owner_offer_all_of_it(admin, addresses, acme, alice):
    """The control."""
    names = ["customer_packages", "choose_product", "customer_keys", "customer_people", "change_member"]
    names += ["customer_account", "customer_budgets", *sorted(FINANCE_ONLY - FINANCE_FORMS)]
    names += ["customer_einvoice"]
    packages = [f"/packages/{number}" for number in QuotaPackage.objects.values_list("number", flat=True)]
    hooks = [f"/customers/acme/webhooks/{pk}" for pk in acme.webhook_endpoints.values_list("pk", flat=True)]

    found = offered(admin(alice), [*(addresses[name] for name in names), *packages, *hooks])

    assert (OWNERS_ONLY | FINANCE_ONLY) - found == set()


def test_no_address_of_another_customer_is_found(admin, addresses, bob):
    page = admin(bob)
    page.goto("/customers/globex")

    found = {name: page.request.get(address).status for name, address in addresses.items()}
    actions = {name for name, status in found.items() if status == 405}

    assert actions < OWNERS_ONLY | FINANCE_FORMS
    assert {sent(page, address) for address in addresses.values()} == {404, 405}
    for name in set(addresses) - actions:
        assert page.goto(addresses[name], wait_until="commit").status == 404, name
        assert "acme" not in page.inner_text("body").lower()
