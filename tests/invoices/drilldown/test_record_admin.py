"""One usage record in the admin, and its reversal."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils.html import escape

from invoices.corrections.rerate import order_rerating
from invoices.models import HourlyBill
from pricing.models import Price
from tests.builders import at, close, item, record, report
from tests.invoices.browsing import OPERATOR, staff_client, text
from tests.querying import get_within
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db


def record_page(client, event_id="call-1", customer="acme"):
    return client.get(reverse("usage_record"), {"customer": customer, "event_id": event_id})


def take_back(client, reason="Sent twice.", event_id="call-1"):
    url = reverse("usage_record", query={"customer": "acme", "event_id": event_id})
    return client.post(url, {"reason": reason}, follow=True)


def test_without_a_customer_and_an_id_no_record_is_read(operator_client, acme):
    record()

    page = get_within(operator_client, reverse("usage_record"), queries=3)

    assert page.context["record"] is None
    assert "call-1" not in text(page)


@pytest.mark.parametrize(
    ("customer", "event_id", "said"),
    [
        ("nobody", "call-1", "There is no such customer."),
        ("acme", "call-2", "acme has no record of this id."),
        ("acme", "", "This field is required."),
        ("globex", "call-1", "globex has no record of this id."),
    ],
)
def test_a_record_that_is_not_there_is_said_at_the_form(
    operator_client, acme, globex, customer, event_id, said
):
    record()

    assert said in text(record_page(operator_client, event_id, customer))


def test_a_record_and_its_charge_lines_lead_to_each_other(operator_client, acme):
    record(report("a & b"))
    close()
    query = {"customer": "acme", "event_id": "a & b"}
    lines, page = (
        reverse("admin:invoices_chargeline_changelist", query=query),
        reverse("usage_record", query=query),
    )

    assert escape(lines) in operator_client.get(page).content.decode()
    assert escape(page) in operator_client.get(lines).content.decode()


def test_who_may_not_see_charge_lines_is_not_led_to_them(acme):
    record()

    page = record_page(staff_client("view_usagerecord"))

    assert (page.context["record"].event_id, "Its charge lines" in text(page)) == ("call-1", False)


def test_a_record_is_shown_with_its_bill(operator_client, acme):
    record()
    close()

    page = record_page(operator_client)

    assert "SenseChat-5" in text(page)
    assert "Input tokens 1,000 Output tokens 500" in text(page)
    url = reverse("admin:invoices_hourlybill_change", args=[HourlyBill.objects.get().pk])
    assert url in page.content.decode()


def test_a_record_whose_hour_is_open_or_parked_has_no_bill_yet(operator_client, acme, settings):
    record()
    open_ = text(record_page(operator_client))
    settings.PARK_ABOVE_AMOUNT = Decimal(0)
    close()

    assert "Bill none yet: it comes when the hour closes" in open_
    assert "Bill none: the hour is parked" in text(record_page(operator_client))


def test_a_record_is_reversed_for_a_reason(operator_client, acme):
    record()
    close()

    shown = text(take_back(operator_client))

    reversal = UsageRecord.objects.get(reverses="call-1")
    assert reversal.metadata == {"reason": "Sent twice.", "by": OPERATOR}
    assert f"it is taken back on the bill of {at(60):%Y-%m-%d %H:%M} UTC" in shown
    assert "It was reversed" in shown
    assert f"Reason Sent twice. Reversed by {OPERATOR}" in shown


def test_a_reversal_is_shown_with_the_bill_on_which_it_is(operator_client, acme):
    record()
    close()
    take_back(operator_client)
    close(hour=1)

    page = record_page(operator_client).content.decode()

    assert HourlyBill.objects.get(hour=at(60)).number in page


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_without_a_reason_nothing_is_reversed(operator_client, acme, reason):
    record()

    answer = take_back(operator_client, reason)

    assert answer.context["form"].errors["reason"]
    assert UsageRecord.objects.count() == 1


def test_what_the_verb_refuses_is_said_in_words(operator_client, acme):
    record()
    reversal = reverse_record(customer=acme, event_id="call-1", reason="Ours.", by="other", now=at(70))

    again = take_back(operator_client, "Sent twice.")
    twice_back = take_back(operator_client, "Sent twice.", reversal.event_id)

    assert "already reversed, for another reason. Nothing was stored. The reason then: Ours." in text(again)
    assert "event_id: the record is itself a reversal." in " ".join(
        twice_back.context["form"].non_field_errors()
    )
    assert UsageRecord.objects.count() == 2


def test_an_id_is_shown_and_linked_literally(operator_client, acme):
    event_id = "<b>&?x=1#%s\u202e 账"
    record(report(event_id))

    page = record_page(operator_client, event_id)

    assert page.context["record"].event_id == event_id
    assert "<b>&" not in page.content.decode()
    take_back(operator_client, event_id=event_id)
    assert UsageRecord.objects.filter(reverses=event_id).exists()


def test_who_may_look_at_records_may_not_reverse_them(acme):
    record()
    client = staff_client("view_usagerecord")

    assert "You may look at usage records, but not reverse them." in text(record_page(client))
    take_back(client)
    assert UsageRecord.objects.count() == 1


def test_staff_without_the_right_see_no_record(acme):
    record()
    client = staff_client("view_hourlybill")

    assert record_page(client).status_code == 403
    assert take_back(client).status_code == 403
    assert UsageRecord.objects.count() == 1


def test_a_reversal_says_what_it_comes_to_before_it_is_made(operator_client, acme):
    record()
    close()

    page = text(record_page(operator_client))
    take_back(operator_client)
    close(hour=1)

    assert "It comes to -0.09 RMB" in page
    assert "Reverse record call-1: -0.09 RMB" in page
    assert HourlyBill.objects.get(hour=at(60)).amount == Decimal("-0.09")


def test_what_the_reversal_of_an_open_hour_comes_to_is_not_known_yet(operator_client, acme):
    record()

    page = text(record_page(operator_client))

    assert "What it comes to is not known yet" in page
    assert "Reverse record call-1:" not in page


def test_the_amount_of_a_reversal_is_at_the_price_that_counts_after_a_rerating(operator_client, acme):
    record()
    close()
    order_rerating(
        price=Price.objects.get(
            billing_item=item("SenseChat-5", "input_tokens"), customer=None, ends_at=None
        ),
        from_hour=at(0),
        until_hour=at(60),
        unit_price=Decimal("0.03"),
        reason="Wrong.",
        by=OPERATOR,
        now=at(70),
    )
    close(hour=1)

    assert "It comes to -0.08 RMB" in text(record_page(operator_client))
