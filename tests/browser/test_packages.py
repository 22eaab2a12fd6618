"""An owner buys a package in a browser, sees it used, and what happened when it ran out."""

import datetime as dt

import pytest
from django.test import Client

from accounts.models import Member, MemberRole
from invoices.models import PackagePurchase
from sensenova_billing.lib.clock import now
from tests.builders import at
from tests.packages import bill, buy, draw, tokens_product, tpm_product

pytestmark = pytest.mark.django_db(transaction=True)


def press(page, words):
    page.get_by_role("button", name=words).click()


def sees(page, words):
    page.get_by_text(words).first.wait_for()


def test_an_owner_buys_a_package_and_sees_it(admin, alice):
    page = admin(alice)
    tokens_product()
    page.goto("/customers/acme/packages")
    page.get_by_role("link", name="Show the products on sale").click()
    page.get_by_role("link", name="Choose SenseChat-5 1M").click()

    sees(page, "Tokens Postpaid,")
    press(page, "Buy for RMB 30.00")
    sees(page, "Bought: SenseChat-5 1M, number P")
    sees(page, "Nothing was drawn yet.")
    page.get_by_role("link", name="Packages", exact=True).first.click()

    sees(page, "1,000,000 left")
    assert PackagePurchase.objects.get().bought_by == alice.email


def test_an_owner_chooses_units_and_days(admin, alice):
    page = admin(alice)
    terms = tpm_product()
    page.goto(f"/customers/acme/packages/buy/{terms.pk}")
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


def test_a_package_that_ran_out_says_when(admin, alice, acme):
    package = buy(acme)
    ran_out = {"ran_out_at": at(50), "ran_out_event_id": "last", "ran_out_measure": "input_tokens"}
    draw(package, 1_000_000, of=bill(acme), **ran_out)
    page = admin(alice)
    page.goto("/customers/acme/packages")

    sees(page, "used up")
    page.get_by_role("link", name=package.number).click()

    sees(page, "ran out at")
    sees(page, "none left")


def test_a_viewer_sees_packages_and_no_button(admin, alice, acme):
    Member.objects.update(role=MemberRole.VIEWER)
    package = buy(acme)
    page = admin(alice)
    page.goto("/customers/acme/packages")

    sees(page, package.number)
    assert page.get_by_role("link", name="Buy a package").count() == 0
    assert page.goto("/customers/acme/packages/buy").status == 403


def test_another_customers_package_is_not_there(admin, bob, acme):
    package = buy(acme)
    page = admin(bob)

    assert page.goto(f"/packages/{package.number}").status == 404
    assert Client().get(f"/packages/{package.number}").status_code == 302
