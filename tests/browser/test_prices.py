"""Admins change prices in a browser: they see what it would do before they do it."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts.models import AuditEntry, Role, User
from pricing.models import Price
from pricing.rules.kinds import Kind
from tests.builders import item, record, report
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def used(page, acme):
    """Acme used 1,000 input tokens of SenseChat, for 0.012 RMB, and 2,000 of SenseChat-Vision on trial."""
    record(report("a", service="SenseChat", input_tokens=1000, output_tokens=0))
    record(report("b", service="SenseChat-Vision", input_tokens=2000, output_tokens=0))


def press(page, words):
    page.get_by_role("button", name=words).click()


def sees(page, words):
    page.get_by_text(words).first.wait_for()


def price_from(page, *of):
    """The newest price of an item, read from the database."""
    return Price.objects.filter(billing_item=item(*of)).latest("begins_at")


def test_a_price_is_changed_after_its_effect_was_seen(admin, operator, used):
    page = admin(operator)
    page.goto(f"/admin/prices/change?item={item('SenseChat', 'input_tokens').pk}")
    page.fill("[name=unit_price]", "0.02")
    press(page, "Show the effect")

    effect = page.get_by_text("They cost 0.012 RMB and would have cost 0.02 RMB: +0.008 RMB (+66.7 %)")
    effect.wait_for()
    sees(page, "As it would be")
    page.fill("[name=reason]", "Dearer chips")
    press(page, "Change SenseChat input tokens to 0.02 RMB/thousand tokens")

    sees(page, "Done: Change SenseChat input tokens")
    changed = price_from(page, "SenseChat", "input_tokens")
    assert (changed.unit_price, changed.begins_at > dt.datetime.now(dt.UTC)) == (Decimal("0.02"), True)
    entry = AuditEntry.objects.filter(table="pricing_price", deed="added").latest("pk")
    assert (entry.by, entry.reason) == (operator.email, "Dearer chips")


def test_an_offer_is_announced_for_a_group(admin, operator, used):
    page = admin(operator)
    page.goto("/admin/prices/offer")
    page.get_by_label("All of SenseNova Role-play Model").check()
    page.fill("[name=percent_off]", "25")
    press(page, "Show the effect")
    page.fill("[name=reason]", "Winter")
    press(page, "Offer 4 billing items at 25 % off")

    sees(page, "Done: Offer 4 billing items at 25 % off")
    offers = Price.objects.filter(
        kind=Kind.LIMITED_TIME_OFFER, billing_item__service__group__name="SenseNova Role-play Model"
    )
    assert sorted(offer.unit_price.normalize() for offer in offers) == [
        Decimal("0.009"), Decimal("0.009"), Decimal("0.01125"), Decimal("0.01125"),
    ]  # fmt: skip


def test_a_trial_cannot_end_without_a_price_and_ends_with_one(admin, operator, used):
    page = admin(operator)
    trial = item("SenseChat-Vision", "input_tokens").prices.get()
    page.goto(f"/admin/prices/end?prices={trial.pk}")
    press(page, "Show the effect")
    sees(page, "SenseChat-Vision: input tokens would be without a price")

    page.fill(f"[name=after_{trial.pk}]", "0.01")
    press(page, "Show the effect")
    sees(page, "They cost 0.00 RMB and would have cost 0.02 RMB")
    page.fill("[name=reason]", "The trial is over")
    press(page, "End SenseChat-Vision input tokens")

    sees(page, "Done: End SenseChat-Vision input tokens")
    assert price_from(page, "SenseChat-Vision", "input_tokens").unit_price == Decimal("0.01")


def test_without_a_reason_nothing_is_done(admin, operator, used):
    page = admin(operator)
    page.goto(f"/admin/prices/change?item={item('SenseChat', 'input_tokens').pk}")
    page.fill("[name=unit_price]", "0.02")
    press(page, "Show the effect")
    page.evaluate("document.querySelector('[name=reason]').required = false")
    press(page, "Change SenseChat input tokens to")

    sees(page, "Give a reason")
    assert item("SenseChat", "input_tokens").prices.count() == 1


def test_a_viewer_sees_prices_and_cannot_change_them(admin, page, used):
    viewer = User.objects.create_user("viewer@sensenova.example", PASSWORD, is_staff=True, role=Role.VIEWER)
    admin(viewer)

    page.goto("/admin/pricing/price/")
    sees(page, "SenseChat-5: Output tokens")
    assert not page.get_by_role("link", name="Change price").first.is_visible()
    for deed in ("change", "offer", "trial", "end", "copy", "put-on-sale"):
        assert page.goto(f"/admin/prices/{deed}").status == 403


def test_a_group_ticks_what_is_beneath_it_and_the_page_jumps_to_the_effect(admin, operator, used):
    page = admin(operator)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/admin/prices/offer")
    page.get_by_label("All of General", exact=True).check()
    assert page.locator("[name=items]:checked").count() == 10

    page.locator("[name=items]:checked").first.uncheck()
    assert page.locator("[name=groups]:checked").count() == 0
    page.fill("[name=percent_off]", "10")
    press(page, "Show the effect")

    heading = page.get_by_role("heading", name="Changes", exact=True)
    heading.wait_for()
    assert 0 <= heading.bounding_box()["y"] < 300


def test_the_list_of_prices_leads_to_the_announcements(admin, operator, used):
    page = admin(operator)
    page.goto("/admin/pricing/price/")
    page.locator("li > a", has_text="More").last.click()
    page.get_by_role("link", name="Take back an announcement").click()

    sees(page, "All offers or free trials that were announced together, in one step.")
