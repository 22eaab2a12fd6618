"""Re-rating in the admin: the effect first, then the reason, then the order."""

from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.models import HourlyBill, Rerating
from pricing.models import Price
from tests.builders import THE_HOUR, at, close, item, price, record, report
from tests.invoices.browsing import OPERATOR, staff_client, text
from tests.querying import get_within
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

RERATINGS = "admin:invoices_rerating"


def wrong_price():
    return Price.objects.get(billing_item=item("SenseChat-5", "input_tokens"), customer=None, ends_at=None)


def asked(**fields):
    """What the page is asked: 0.03 RMB instead of 0.04 for THE_HOUR."""
    query = {
        "price": wrong_price().pk,
        "from_hour": f"{THE_HOUR:%Y-%m-%dT%H:%M}",
        "until_hour": f"{at(60):%Y-%m-%dT%H:%M}",
        "unit_price": "0.03",
    }
    return query | fields


def preview(client, **fields):
    return client.get(reverse(f"{RERATINGS}_add"), asked(**fields))


def order(client, reason="The contract says 0.03.", **fields):
    return client.post(reverse(f"{RERATINGS}_add", query=asked(**fields)), {"reason": reason}, follow=True)


@pytest.fixture
def used(acme, globex):
    """Acme has used twice as much as Globex in THE_HOUR, which is closed."""
    record(report(), report("more"), report(customer="globex"))
    close()


def test_a_rerating_shows_its_effect_for_each_customer_first(operator_client, used):
    page = preview(operator_client)

    assert [row[:1] + row[4:] for row in page.context["preview"]["rows"]] == [
        ["acme", "0.08", "0.06", "-0.02"],
        ["globex", "0.04", "0.03", "-0.01"],
    ]
    assert "2 customers, together -0.03 RMB" in text(page)
    assert "Re-rate: -0.03 RMB for 2 customers" in text(page)
    assert not Rerating.objects.exists()


def test_of_many_customers_the_largest_are_shown_and_all_are_summed(operator_client, used, monkeypatch):
    monkeypatch.setattr("invoices.corrections.admin.CUSTOMERS_SHOWN", 1)

    page = preview(operator_client)

    assert [row[0] for row in page.context["preview"]["rows"]] == ["acme"]
    assert "2 customers, together -0.03 RMB. The 1 with the largest difference" in text(page)


def test_an_effect_that_is_empty_is_said(operator_client, used):
    shown = text(preview(operator_client, unit_price="0.04"))

    assert "Nothing was charged at this price for usage in these hours" in shown
    assert "Reason" not in shown


WRONG = {
    "within an hour": ({"from_hour": f"{THE_HOUR:%Y-%m-%dT%H}:30"}, "from_hour", "Give a whole hour"),
    "backwards": ({"until_hour": f"{THE_HOUR:%Y-%m-%dT%H:%M}"}, "until_hour", "must end after it begins"),
    "open": ({"until_hour": f"{at(120):%Y-%m-%dT%H:%M}"}, "until_hour", "Only closed hours can be re-rated"),
    "below 0": ({"unit_price": "-1"}, "unit_price", "0 or more"),
    "a million": ({"unit_price": "1000000"}, "unit_price", "less than 1,000,000 RMB"),
    "too fine": ({"unit_price": "0.000000001"}, "unit_price", "no more than 8 decimal places"),
    "no number": ({"unit_price": "NaN"}, "unit_price", "Give digits"),
    "no price": ({"price": "0"}, "price", "Select a valid choice."),
}


@pytest.mark.parametrize(("fields", "field", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_rerated_is_said_at_the_form_and_not_ordered(
    operator_client, used, fields, field, said
):
    shown, ordered = preview(operator_client, **fields), order(operator_client, **fields)

    assert said in shown.context["rerating_form"].errors[field][0]
    assert shown.context["preview"] is None
    assert said in ordered.context["rerating_form"].errors[field][0]
    assert not Rerating.objects.exists()


def test_a_rerating_is_ordered_with_who_and_why_and_shows_what_was_billed(operator_client, used):
    ordered = order(operator_client)
    made = Rerating.objects.get()
    close(hour=1)
    page = operator_client.get(reverse(f"{RERATINGS}_change", args=[made.pk]))

    assert (made.ordered_by, made.reason) == (OPERATOR, "The contract says 0.03.")
    assert f"it is on the bills of {at(60):%Y-%m-%d %H:%M} UTC" in text(ordered)
    assert ordered.context["is_billed"] is False
    assert page.context["preview"] == ordered.context["preview"]  # as it was previewed, so it was billed
    assert "What was billed" in text(page)
    assert sum(bill.amount for bill in HourlyBill.objects.filter(hour=at(60))) == Decimal("-0.03")


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_without_a_reason_nothing_is_rerated(operator_client, used, reason):
    assert order(operator_client, reason).context["form"].errors["reason"]
    assert not Rerating.objects.exists()


def test_a_second_order_for_the_same_bills_is_refused_in_words(operator_client, used):
    order(operator_client)

    shown = text(order(operator_client, unit_price="0.02"))

    assert "Another re-rating of this price waits for the same bills." in shown
    assert Rerating.objects.count() == 1


def test_reratings_are_listed_with_what_came_of_them(operator_client, used):
    order(operator_client)
    waiting = text(operator_client.get(reverse(f"{RERATINGS}_changelist")))
    close(hour=1)
    billed = text(operator_client.get(reverse(f"{RERATINGS}_changelist")))

    assert f"The contract says 0.03. {OPERATOR} comes with the closing of" in waiting
    assert f"The contract says 0.03. {OPERATOR} -0.03" in billed


def test_the_list_of_reratings_takes_as_many_queries_for_two_as_for_one(operator_client, used):
    order(operator_client)
    close(hour=1)
    order(operator_client, unit_price="0.02")

    page = get_within(operator_client, reverse(f"{RERATINGS}_changelist"), queries=8)

    assert len(page.context["cl"].result_list) == 2


def test_who_may_look_at_reratings_may_not_order_them(used):
    client = staff_client("view_rerating", "view_price")

    assert preview(client).status_code == 403
    assert order(client).status_code == 403
    assert not Rerating.objects.exists()


def test_a_price_is_chosen_by_its_service_and_item(operator_client):
    found = operator_client.get(
        reverse("admin:autocomplete"),
        {
            "term": "SenseChat-5 input",
            "app_label": "invoices",
            "model_name": "rerating",
            "field_name": "price",
        },
    ).json()["results"]

    assert {one["id"] for one in found} >= {f"{wrong_price().pk}"}
    assert all("Input tokens: " in one["text"] for one in found)


def test_a_bills_lines_show_what_they_correct(operator_client, acme, used):
    corrected = HourlyBill.objects.get(customer_code="acme")
    order(operator_client)
    reverse_record(customer=acme, event_id="call-1", reason="Sent twice.", by=OPERATOR, now=at(70))
    close(hour=1)
    bill = HourlyBill.objects.get(customer_code="acme", hour=at(60))

    page = operator_client.get(reverse("admin:invoices_hourlybill_change", args=[bill.pk]))

    shown = text(page)
    assert f"reversed: {corrected.number}" in shown
    assert f"credited: {corrected.number} , re-rating" in shown
    assert f"rebilled: {corrected.number} , re-rating" in shown
    assert reverse("admin:invoices_hourlybill_change", args=[corrected.pk]) in page.content.decode()


PAGES = {
    "/admin/invoices/parkedhour/": "view_parkedhour",
    "/admin/invoices/rerating/": "view_rerating",
    "/admin/usage-records": "view_usagerecord",
}


@pytest.mark.parametrize(("page", "permission"), PAGES.items())
def test_the_sidebar_leads_to_what_a_person_may_see(page, permission):
    client = staff_client(permission)

    shown = client.get(reverse("admin:index")).content.decode()

    found = {address for address in PAGES if f'href="{address}"' in shown}
    assert found == {page}


def test_a_rerating_is_limited_to_one_customer(operator_client, used, globex):
    shown = text(preview(operator_client, customer=globex.pk))
    order(operator_client, customer=globex.pk)

    assert "Re-rate: -0.01 RMB for 1 customer" in shown
    assert Rerating.objects.get().customer == globex
    assert "globex" in text(operator_client.get(reverse(f"{RERATINGS}_changelist")))


def test_a_price_that_was_agreed_with_one_customer_is_not_rerated_for_another(operator_client, acme, globex):
    own = price("SenseChat-5", "input_tokens", "0.02", begins_at=at(0), customer=acme)

    page = text(preview(operator_client, price=own.pk, customer=globex.pk))

    assert "This price was agreed with acme." in page
    assert Rerating.objects.count() == 0
