"""Customers' totals of days and months are the sums of the bills that closings issued."""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from invoices.books.verify import verify_books
from invoices.closing.close import close_due_hours
from invoices.closing.totals import DAY_ZONE
from invoices.models import CustomerTotal, HourlyBill
from tests.builders import THE_HOUR, at, close, record, report
from tests.invoices.books.builders import alter, delete, keep_books

pytestmark = pytest.mark.django_db


def kept(period):
    """What is kept of each customer, by the first day of the span."""
    return {
        (one.customer_id, one.begins_on): (one.bills, one.amount)
        for one in CustomerTotal.objects.filter(period=period)
    }


def summed(first_day):
    """The same added up from the bills themselves, by the hour with whose closing each was issued."""
    sums: dict[Any, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for bill in HourlyBill.objects.all():
        key = bill.customer_id, first_day(bill.sealed_in_id.astimezone(DAY_ZONE).date())
        sums[key] = sums[key][0] + 1, sums[key][1] + bill.amount
    return sums


def test_totals_are_the_sums_of_bills_whatever_happened(busy):
    assert kept("day") == summed(lambda day: day)
    assert kept("month") == summed(lambda day: day.replace(day=1))


def test_an_hour_belongs_to_the_day_in_which_it_begins_in_shanghai(acme):
    before_midnight = (15 - THE_HOUR.hour) % 24
    for hour in (before_midnight, before_midnight + 1):
        record(report(f"call-{hour}", occurred_at=at(59, hour=hour)), now=at(59, hour=hour))
    close_due_hours(now=at(5, hour=before_midnight + 2))

    first, second = sorted(day for _, day in kept("day"))
    assert second - first == dt.timedelta(days=1)
    assert at(59, hour=before_midnight).astimezone(DAY_ZONE).date() == first


def test_a_closing_without_bills_adds_nothing(acme):
    record()
    close()

    close(hour=1)

    assert [one.bills for one in CustomerTotal.objects.all()] == [1, 1]


def totals_found():
    """What a verification finds about totals."""
    return [one.text for one in verify_books().findings.first if one.what == "total"]


def test_a_total_that_was_altered_is_found(acme):
    keep_books()
    alter("invoices_customertotal", "amount = 7", where="period = 'month'")

    (found,) = totals_found()
    assert "of the month" in found
    assert "says 7 RMB" in found


def test_totals_that_are_gone_are_found(acme):
    keep_books(hours=1)
    delete("invoices_customertotal", where="period = 'day'")

    assert [("of the day" in text, "of the month" in text) for text in totals_found()] == [
        (True, False),
        (False, True),
    ]


def test_totals_of_busy_books_verify(busy):
    assert totals_found() == []
