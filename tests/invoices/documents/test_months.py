"""A customer's months: which hours they hold, and their pages."""

import datetime as dt

import pytest
from django.urls import reverse

from invoices.documents import months
from invoices.documents.months import Month, months_of, read_month
from tests.invoices.browsing import text
from tests.invoices.documents.builders import bill_hours
from tests.querying import get_within
from usage.models import HOUR

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "written", ["2026-13", "2026-1", "26-11", "2026-11-01", "1999-01", "２０２６-11", ""]
)
def test_a_month_is_written_in_one_way(written):
    with pytest.raises(ValueError, match="2026-11"):
        read_month(written)


def test_a_month_begins_and_ends_by_the_customers_clock(acme):
    month = Month(acme, read_month("2026-12"))

    assert month.begin == dt.datetime(2026, 11, 30, 16, tzinfo=dt.UTC)
    assert month.end == dt.datetime(2026, 12, 31, 16, tzinfo=dt.UTC)
    assert (month.last_day, str(month)) == (dt.date(2026, 12, 31), "2026-12")


def test_the_hour_before_midnight_is_of_the_old_month_and_the_hour_after_of_the_new(acme):
    first = dt.datetime(2026, 10, 31, 15, tzinfo=dt.UTC)
    bill_hours(acme, first, first + HOUR)

    found = months_of(customer=acme).months

    assert [(str(one.month), one.bills, int(one.amount)) for one in found] == [
        ("2026-11", 1, 1),
        ("2026-10", 1, 1),
    ]


def test_months_are_paged_by_key_and_a_gap_takes_no_page(acme, alice_client, monkeypatch):
    monkeypatch.setattr(months, "MONTHS_A_PAGE", 2)
    bill_hours(acme, *(dt.datetime(2026, month, 10, 3, tzinfo=dt.UTC) for month in (2, 3, 9, 10)))

    page = months_of(customer=acme)
    older = months_of(customer=acme, before=read_month(str(page.before)))
    shown = text(alice_client.get(reverse("customer_bills", args=["acme"]), {"months_before": page.before}))

    assert [str(one.month) for one in page.months] == ["2026-10", "2026-09"]
    assert [str(one.month) for one in older.months] == ["2026-03", "2026-02"]
    assert (page.has_newer, older.has_newer, older.before) == (False, True, None)
    assert "2026-03" in shown
    assert "Newest months" in shown


def test_a_month_that_cannot_be_read_is_refused_on_the_page_of_bills(acme, alice_client):
    answer = alice_client.get(reverse("customer_bills", args=["acme"]), {"months_before": "2026-13"})

    assert answer.status_code == 400


def test_the_page_of_bills_takes_few_queries_however_many_months_there_are(acme, alice_client):
    bill_hours(acme, *(dt.datetime(2026, month, 10, 3, tzinfo=dt.UTC) for month in range(1, 9)))

    page = get_within(alice_client, reverse("customer_bills", args=["acme"]), queries=12)

    assert "2026-08" in text(page)
