"""A customer finds its own prices, and what usage costs at them, in a browser."""

import datetime as dt

import pytest
from django.utils import timezone

from tests.builders import price
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_customer_finds_its_prices_with_one_click_and_calculates_with_them(page, acme, alice):
    soon = timezone.now() + dt.timedelta(days=3)
    price("SenseChat", "input_tokens", "0.009", begins_at=timezone.now(), ends_at=soon, customer=acme)
    page.goto("/sign-in")
    page.fill("[name=username]", alice.email)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("link", name="Your prices").first.click()
    page.get_by_text("your contract price", exact=True).first.wait_for()
    page.select_option("[name=service]", "SenseChat")
    page.fill("[name=input_tokens]", "1000000")
    page.get_by_role("button", name="Calculate").click()

    page.locator("#estimate-total").get_by_text("9.00", exact=True).wait_for()
