"""What a customer sees of corrections and of parked hours."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine, HourlyBill
from invoices.portal.overview import overview_of
from invoices.templatetags.amounts import rmb
from pricing.models import Price
from tests.builders import THE_HOUR, at, close, item, record, report
from tests.invoices.browsing import OPERATOR as BY
from tests.invoices.browsing import csv_rows, text
from tests.querying import get_within
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db


def take_back(customer, event_id="call-1"):
    """Reverse a record in the hour after THE_HOUR."""
    reverse_record(customer=customer, event_id=event_id, reason="Sent twice.", by=BY, now=at(70))


def rerate(unit_price, *, service="SenseChat-5"):
    """Order another price for what THE_HOUR's input tokens cost, in the hour after."""
    wrong = Price.objects.filter(billing_item=item(service, "input_tokens")).in_force(at=at(10))
    order_rerating(
        price=wrong.by_precedence()[0],
        from_hour=THE_HOUR,
        until_hour=THE_HOUR + dt.timedelta(hours=1),
        unit_price=Decimal(unit_price),
        reason="The price list said so.",
        by=BY,
        now=at(70),
    )


def latest_bill():
    return HourlyBill.objects.latest("hour_id")


def bill_page(client):
    return bill_page_of(client, latest_bill())


def bill_page_of(client, bill):
    return client.get(reverse("bill", args=[bill.number]))


# --- The bill ------------------------------------------------------------------------------------


def test_a_reversed_line_says_so_and_names_the_bill_that_it_corrects(alice_client, acme):
    record(report(), report("right"))
    close()
    take_back(acme)
    record(report("next", occurred_at=at(75)), now=at(76))
    close(hour=1)

    shown = text(bill_page(alice_client))

    assert f"Input tokens reversed corrects bill {THE_HOUR:%Y%m%dT%HZ}-acme used" in shown
    assert "-1 -1,000 0.04 thousand tokens limited-time offer -0.04" in shown
    assert "Calls billed 1 and 1 reversed" in shown
    assert "Total RMB 0.00" in shown
    assert "are corrected here, by lines that name that bill" in shown
    assert " late " not in shown


def test_a_bill_counts_its_own_reversals_and_no_others(alice_client, acme, globex):
    record(report(), report("more"), report(customer="globex"))
    close()
    take_back(acme)
    take_back(globex)
    record(report("next", occurred_at=at(75)), now=at(76))
    close(hour=1)
    reverse_record(customer=acme, event_id="more", reason="Sent twice.", by=BY, now=at(10, hour=2))
    close(hour=2)

    shown = text(bill_page_of(alice_client, HourlyBill.objects.get(customer=acme, hour=at(60))))

    assert "Calls billed 1 and 1 reversed" in shown


def test_a_correction_links_to_the_bill_that_it_corrects(alice_client, acme):
    record(report())
    close()
    corrected = latest_bill()
    take_back(acme)
    close(hour=1)

    page = bill_page(alice_client).content.decode()

    assert f'href="{reverse("bill", args=[corrected.number])}"' in page


def test_a_corrected_bill_names_the_bill_that_corrects_it_on_the_page_and_in_its_file(alice_client, acme):
    record(report(), report("right"))
    close()
    corrected = latest_bill()
    take_back(acme)
    rerate("0.03")
    close(hour=1)

    page = bill_page_of(alice_client, corrected)
    rows = csv_rows(alice_client.get(reverse("bill_csv", args=[corrected.number])))

    correcting = latest_bill().number
    assert f"Corrected on {correcting} Line items" in text(page)
    assert text(page).count(f"corrected on bill {correcting}") == 2  # for each item, not for each correction
    assert f'href="{reverse("bill", args=[correcting])}"' in page.content.decode()
    assert {row["corrected_on_bills"] for row in rows} == {correcting}


def test_a_customer_reads_why_a_bill_was_corrected_on_the_page_and_in_its_file(alice_client, acme):
    record(report(output_tokens=0), report("right", output_tokens=0))
    close()
    take_back(acme)
    rerate("0.03")
    close(hour=1)
    number = latest_bill().number

    rows = csv_rows(alice_client.get(reverse("bill_csv", args=[number])))
    page = text(bill_page(alice_client))

    told = {row["state"]: row["reason"] for row in rows if row["quantity"] != "0"}
    assert told.pop("reversed") == "Sent twice."
    assert set(told.values()) == {"The price list said so."}
    assert all(f"Reason: {row['reason']}" in page for row in rows)
    assert BY not in page


def test_a_reversed_line_has_the_reasons_of_its_own_calls_only(alice_client, acme):
    record(report(), report("more"), report("other", service="SenseChat"))
    close()
    for event_id, reason in (("call-1", "Sent twice."), ("more", "Refused by the model.")):
        reverse_record(customer=acme, event_id=event_id, reason=reason, by=BY, now=at(70))
    reverse_record(customer=acme, event_id="other", reason="Another model.", by=BY, now=at(70))
    close(hour=1)
    line = latest_bill().lines.filter(service__name="SenseChat-5").first()

    page = text(alice_client.get(reverse("charge_line", args=[line.bill.number, line.pk])))

    assert "Reason Refused by the model. Sent twice." in page
    assert "Another model." not in page


def test_a_rerated_line_is_taken_back_and_charged_anew(alice_client, acme):
    record(report())
    close()
    rerate("0.03")
    close(hour=1)

    shown = text(bill_page(alice_client))

    assert re.search(
        r"credited corrects bill \S+ used \S+ \S+ Reason: .{,30} – -1,000 0.04 .{,60} -0.04", shown
    )
    assert re.search(
        r"rebilled at corrected price corrects bill \S+ used \S+ \S+ Reason: .{,30} – 1,000 0.03 "
        r"thousand tokens corrected price 0.03",
        shown,
    )
    assert "Total RMB -0.01" in shown


def test_what_is_reversed_comes_before_what_is_taken_back_and_charged_anew(alice_client, acme):
    record(report(output_tokens=0), report("right", output_tokens=0))
    close()
    take_back(acme)
    rerate("0.03")
    record(report("next", occurred_at=at(75), output_tokens=0), now=at(76))
    close(hour=1)

    (section,) = bill_page(alice_client).context["sections"]

    kept = [line.correction for line in section.lines if line.quantity]
    assert kept == ["", "reversal", "taken_back", "charged_anew"]
    assert section.amount == sum(line.amount for line in section.lines) == latest_bill().amount


def test_a_free_trial_that_is_charged_after_all_shows_its_amount(alice_client, acme):
    record(report(service="SenseChat-Vision", output_tokens=0))
    close()
    rerate("0.5", service="SenseChat-Vision")
    close(hour=1)

    shown = text(bill_page(alice_client))

    assert "0.50 thousand tokens corrected price 0.50" in shown
    assert "SenseChat-Vision 0.50" in shown


def test_a_bill_without_corrections_does_not_explain_them(alice_client, acme):
    record(report())
    close()

    shown = text(bill_page(alice_client))

    assert "correct" not in shown


def test_a_bills_queries_do_not_grow_with_its_corrections(alice_client, acme):
    services = ["SenseChat-5", "SenseChat", "SenseChat-32K"]
    record(*(report(f"{name} {n}", service=name) for name in services for n in range(2)))
    close()
    for name in services:
        take_back(acme, f"{name} 0")
    close(hour=1)
    url = reverse("bill", args=[latest_bill().number])

    page = get_within(alice_client, url, queries=6)

    assert text(page).count("reversed corrects bill") == 6


def test_the_bills_show_amounts_below_nothing(alice_client, acme):
    record(report())
    close()
    take_back(acme)
    close(hour=1)

    page = text(alice_client.get(reverse("customer_bills", args=["acme"])))

    assert "1 -0.09" in page


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("-0.09", "RMB -0.09"), ("-0.004", "RMB -0.004"), ("-1234.565", "RMB -1,234.57")],
)
def test_a_total_below_nothing_is_shown_to_the_fen(amount, shown):
    assert rmb(Decimal(amount)) == shown


# --- The overview --------------------------------------------------------------------------------


@pytest.fixture
def at_twenty_past(monkeypatch):
    """The pages' clock, in the hour after THE_HOUR."""
    monkeypatch.setattr("invoices.portal.views.timezone.now", lambda: at(80))


def overview_page(client):
    return text(client.get(reverse("customer_overview", args=["acme"])))


def test_the_hour_so_far_shows_a_reversal_in_words(alice_client, acme, at_twenty_past):
    record(report())
    close()
    take_back(acme)

    shown = overview_page(alice_client)

    assert "0 calls, 1 reversed" in shown
    assert "Input tokens reversed used" in shown
    assert "RMB -0.09" in shown
    assert "corrects earlier bills" in shown
    assert " late " not in shown


def test_the_hour_so_far_shows_a_rerating_that_will_be_on_its_bill(alice_client, acme, at_twenty_past):
    record(report())
    close()
    rerate("0.03")

    shown = overview_page(alice_client)

    assert "rebilled at corrected price" in shown
    assert "RMB -0.01" in shown


def test_another_customers_hour_so_far_shows_no_rerating(bob_client, acme, globex, at_twenty_past):
    record(report())
    close()
    rerate("0.03")

    shown = text(bob_client.get(reverse("customer_overview", args=["globex"])))

    assert "corrected" not in shown
    assert "No call was reported in this hour yet." in shown


def test_the_hours_of_the_day_hold_what_a_correction_comes_to(acme):
    record(report())
    close()
    rerate("0.03")
    close(hour=1)

    read = overview_of(customer=acme, now=at(130))

    assert [row.amount for row in read.rows[1:3]] == [Decimal("-0.01"), Decimal("0.09")]
    assert read.amount_of_day == Decimal("0.08")


def test_a_free_trial_that_is_charged_after_all_is_no_free_trial_of_the_day(acme):
    record(report(service="SenseChat-Vision", output_tokens=0))
    close()
    rerate("0.5", service="SenseChat-Vision")
    close(hour=1)

    read = overview_of(customer=acme, now=at(130))

    assert [row.cells[0].is_free_trial for row in read.rows[1:3]] == [False, True]


# --- Parked hours --------------------------------------------------------------------------------


def test_an_hour_that_is_parked_is_being_checked(alice_client, acme, settings, at_twenty_past):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record(report("before", occurred_at=at(10, hour=-1), input_tokens=1, output_tokens=1), report())
    close(hour=-1)
    close()

    shown = overview_page(alice_client)

    assert "under review" in shown
    assert "its bill follows after the review" in shown
    assert ChargeLine.objects.filter(bill__hour=THE_HOUR).count() == 0
