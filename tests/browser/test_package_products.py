"""An admin puts a package on sale in a real browser, and everybody finds it on the price page."""

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_admin_puts_a_package_on_sale_and_the_price_page_has_it(admin, operator):
    page = admin(operator)
    page.goto(reverse("admin:pricing_packageterms_changelist"))
    page.get_by_role("link", name="Put a package on sale").click()
    page.fill("[name=product]", "SenseChat-5 10M")
    page.get_by_label("SenseChat-5", exact=True).check()
    for name, text in {
        "tokens": "10,000,000",
        "validity": "1",
        "list_price": "480",
        "offer_price": "450",
    }.items():
        page.fill(f"[name={name}]", text)
    page.get_by_role("button", name="Show the effect").click()
    assert page.get_by_text("10,000,000 tokens for 1 month, 450.00 RMB (list price 480.00)").count()
    page.fill("[name=reason]", "The board decided it.")
    page.get_by_role("button", name="Sell SenseChat-5 10M").click()
    page.get_by_text("Done: Sell SenseChat-5 10M for 450.00 RMB").wait_for()

    page.goto(reverse("prices"))

    row = page.locator("#packages tbody tr")
    assert "SenseChat-5 10M" in row.inner_text()
    assert row.locator("s").inner_text() == "480.00"
