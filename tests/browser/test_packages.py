"""A package in a real browser, from its product to its end; everybody sees what is theirs."""

import datetime as dt

import pytest

from accounts.models import Member, MemberRole
from invoices.closing.close import close_hour
from invoices.models import PackagePurchase
from sensenova_billing.lib.clock import now
from tests.builders import record, report
from tests.packages import tpm_product
from usage.models import HOUR

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGES = "/customers/acme/packages"


def press(page, words):
    page.get_by_role("button", name=words).click()


def follow(page, words):
    page.get_by_role("link", name=words, exact=True).first.click()


def sees(page, words):
    page.get_by_text(words).first.wait_for()


def sell(page):
    """Put 1,000 tokens of SenseChat-5 for a month on sale, for 27 instead of 30 RMB."""
    page.goto("/admin/pricing/packageterms/")
    follow(page, "Put a package on sale")
    page.get_by_label("SenseChat-5", exact=True).check()
    fields = {
        "product": "A thousand",
        "tokens": "1,000",
        "validity": "1",
        "list_price": "30",
        "offer_price": "27",
    }
    for name, text in fields.items():
        page.fill(f"[name={name}]", text)
    press(page, "Show the effect")
    sees(page, "1,000 tokens for 1 month, 27.00 RMB (list price 30.00)")
    page.fill("[name=reason]", "The board decided it.")
    press(page, "Sell A thousand")
    sees(page, "Done: Sell A thousand for 27.00 RMB")


def use(package, *, input_tokens):
    """Two calls in the first hour of a package, which then is closed."""
    hour = package.begins_at
    for name, minute in (("first", 1), ("second", 2)):
        instant = hour + dt.timedelta(minutes=minute)
        call = report(name, occurred_at=instant, input_tokens=input_tokens, output_tokens=0)
        record(call, now=instant)
    close_hour(hour=hour, now=hour + HOUR * 1.5)


def test_a_package_is_sold_bought_drawn_on_and_used_up(admin, operator, alice, bob):
    page = admin(operator)
    sell(page)
    page.goto("/prices")
    assert page.locator("#packages s").inner_text() == "30.00"

    admin(alice).goto(PACKAGES)
    follow(page, "Show the products on sale")
    follow(page, "Choose A thousand")
    sees(page, "Tokens Postpaid,")
    press(page, "Buy for RMB 27.00")
    sees(page, "Nothing was drawn yet.")
    package = PackagePurchase.objects.get(bought_by=alice.email).package

    use(package, input_tokens=600)
    page.goto(PACKAGES)
    sees(page, "used up")
    follow(page, package.number)
    sees(page, "ran out at")
    sees(page, "none left")

    Member.objects.filter(user=alice).update(role=MemberRole.VIEWER)
    page.goto(PACKAGES)
    sees(page, package.number)
    assert page.get_by_role("link", name="Buy a package").count() == 0
    assert page.goto(f"{PACKAGES}/buy").status == 403

    assert admin(bob).goto(f"/packages/{package.number}").status == 404


def test_an_owner_chooses_units_and_days(admin, alice):
    page = admin(alice)
    terms = tpm_product()
    page.goto(f"{PACKAGES}/buy/{terms.pk}")
    page.get_by_label("Units").fill("0")
    page.get_by_label("Days").fill("30")
    press(page, "Show what it costs")
    sees(page, "Give a whole number from 1 to 10,000.")

    page.get_by_label("Units").fill("5")
    press(page, "Show what it costs")
    sees(page, "50,000 TPM, 165 RPM")
    press(page, "Buy for RMB 15,000.00")

    sees(page, "5 units: 50,000 TPM, 165 RPM")
    assert PackagePurchase.objects.get().package.begins_at > now() - dt.timedelta(minutes=1)
