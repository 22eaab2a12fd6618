"""An admin onboards a customer in a browser: one page, eight fields and two clicks in the plain case."""

import re

import pytest

from accounts.api_keys.keys import recognise_service_key
from accounts.models import Customer
from pricing.models import Price, Service
from sensenova_billing.lib import clock
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "nora@initech.example"


def fill_the_plain_case(page):
    """Code, name, owner, two ticks and a reason: six fields."""
    page.fill("[name=code]", "initech")
    page.fill("[name=name]", "Initech")
    page.get_by_label("Owner's e-mail").fill(OWNER)
    page.get_by_label("report usage").check()
    page.get_by_label("read bills and usage").check()
    page.fill("[name=reason]", "Signed on Monday.")


def send(page):
    page.get_by_role("button", name="Onboard the customer").click()
    page.locator("#new-key, [role=alert]").first.wait_for()


def test_a_customer_is_onboarded_and_its_owner_signs_in(admin, operator, visitor):
    page = admin(operator)
    page.goto("/admin/accounts/customer/")
    page.get_by_role("link", name="Onboard a customer").click()
    fill_the_plain_case(page)
    send(page)

    key = recognise_service_key(text=page.locator("#new-key").inner_text(), now=clock.now())
    assert key is not None
    assert (key.customer, "initech" in page.locator("#first-call").inner_text()) == (
        Customer.objects.get(code="initech"),
        True,
    )
    noras = visitor()
    noras.goto(page.locator("#invitation-link").inner_text())
    noras.get_by_label("Password", exact=True).fill(PASSWORD)
    noras.get_by_label("Password again").fill(PASSWORD)
    noras.get_by_role("button", name="Accept the invitation").click()
    noras.wait_for_url("**/customers/initech")
    assert key.prefix in noras.goto("/customers/initech/keys").text()


def test_own_prices_and_limits_are_given_on_the_same_page(admin, operator):
    page, turbo = admin(operator), Service.objects.get(name="SenseChat-Turbo")
    page.goto("/admin/customers/onboard")
    fill_the_plain_case(page)
    page.get_by_text("Own limits (optional)").click()
    page.get_by_label("RPM of SenseChat-Turbo").fill("120")
    page.get_by_text("Own prices (optional)").click()
    page.get_by_label("Percent off").fill("12.5")
    page.get_by_label("SenseChat-Turbo", exact=True).check()
    send(page)

    assert page.get_by_text("SenseChat-Turbo: 120 RPM, no TPM, from now on").is_visible()
    assert Price.objects.filter(customer__code="initech").count() == turbo.billing_items.count()


def test_what_is_wrong_is_said_on_top_with_a_way_to_its_field(admin, operator, acme):
    page = admin(operator)
    page.goto("/admin/customers/onboard")
    fill_the_plain_case(page)
    page.fill("[name=code]", "acme")
    page.get_by_text("Own prices (optional)").click()
    page.get_by_label("Percent off").fill("10")
    send(page)

    alert = page.locator("[role=alert]")
    assert re.findall(r"Code|Percent off", alert.inner_text()) == ["Code", "Percent off"]
    alert.get_by_role("link", name="Percent off").click()
    assert page.get_by_label("Percent off").is_visible()
    assert page.input_value("[name=name]") == "Initech"
