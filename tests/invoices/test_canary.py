"""Canary customers: our own calls through the real API, and bills that a plain sum confirms."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from invoices.canary.calls import post_canary_calls
from invoices.canary.check import check_canaries
from invoices.canary.mail import mail_canaries
from invoices.closing.close import close_due_hours
from invoices.closing.parking import release
from invoices.closing.totals import DAY_ZONE
from invoices.models import CanaryHour, HourlyBill, HourSeal, ParkedHour
from invoices.monitoring.alarms import state_of_closing
from invoices.monitoring.customer_revenue import read_customers
from invoices.monitoring.revenue import read_amounts
from tests.builders import record, report
from usage.billing_hours import hour_of
from usage.models import HOUR, UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timezone.now()
CLOSED = hour_of(NOW) + HOUR + dt.timedelta(minutes=6)
DUE = hour_of(NOW) + HOUR + dt.timedelta(minutes=36)


@pytest.fixture(autouse=True)
def canary(acme, settings, live_server):
    """Acme is a canary customer of a server that runs."""
    settings.CANARY_CUSTOMERS = ["acme"]
    settings.CANARY_URL = live_server.url
    settings.CANARY_KEY = issue_service_key(name="canary", customers=[acme])[1]
    settings.ALARM_MAIL = ["oncall@sensenova.example"]
    return acme


def alarm(now):
    """How the alarm stands: its level, and the beginning of its text."""
    (found,) = [one for one in state_of_closing(now=now).alarms if one.name == "canary"]
    return found.level, found.text


def top():
    """The customers that were billed most in the month of the hour that was closed."""
    month = hour_of(NOW).astimezone(DAY_ZONE).date().replace(day=1)
    return [one.code for one in read_customers(month=month, closed_until=hour_of(CLOSED)).top]


def test_calls_are_posted_once_an_hour_and_their_bill_is_what_a_plain_sum_gives():
    assert (post_canary_calls(now=NOW), post_canary_calls(now=NOW + dt.timedelta(seconds=1))) == (1, 0)
    assert UsageRecord.objects.count() == 3
    assert (check_canaries(now=NOW), alarm(NOW)[0]) == ([], "ok")
    close_due_hours(now=CLOSED)

    assert check_canaries(now=CLOSED) == []

    (checked,) = CanaryHour.objects.all()
    assert (checked.billed, checked.problem, checked.checked_at) == (checked.expected, "", CLOSED)
    assert checked.billed
    assert alarm(CLOSED)[0] == "ok"


def test_a_bill_that_is_off_by_a_token_is_an_alarm_and_mailed_once():
    post_canary_calls(now=NOW)
    record(report("not-ours", input_tokens=1, output_tokens=0, occurred_at=NOW), now=NOW)
    close_due_hours(now=CLOSED)

    (wrong,) = check_canaries(now=CLOSED)

    assert (wrong.problem, alarm(CLOSED)[0]) == ("wrong", "alarm")
    assert "not what a plain sum gives" in alarm(CLOSED)[1]
    assert (mail_canaries(now=CLOSED), mail_canaries(now=CLOSED), len(mail.outbox)) == (1, 0, 1)
    assert "acme" in mail.outbox[0].body


def test_a_bill_that_does_not_come_is_an_alarm_until_it_comes():
    post_canary_calls(now=NOW)
    assert check_canaries(now=DUE - dt.timedelta(minutes=1)) == []

    (late,) = check_canaries(now=DUE)

    assert (late.problem, alarm(DUE)[0]) == ("late", "alarm")
    close_due_hours(now=DUE)
    assert (check_canaries(now=DUE), alarm(DUE)[0]) == ([], "ok")


def test_calls_that_are_not_taken_are_posted_again_and_missed_after_three_hours(settings):
    key, settings.CANARY_KEY = settings.CANARY_KEY, "sk_live_unknown"
    assert (post_canary_calls(now=NOW), alarm(NOW)[0]) == (0, "unknown")
    assert alarm(NOW + 4 * HOUR)[0] == "alarm"
    settings.CANARY_KEY = key

    assert post_canary_calls(now=NOW) == 1

    assert alarm(NOW)[0] == "ok"


def test_canary_customers_are_marked_and_not_among_the_top(operator_client, settings):
    post_canary_calls(now=NOW)
    close_due_hours(now=CLOSED)
    page = operator_client.get("/admin/accounts/customer/").content.decode()

    assert "canary" in page.lower()
    assert top() == []
    settings.CANARY_CUSTOMERS = []
    assert top() == ["acme"]


def test_revenue_is_that_of_the_other_customers(globex):
    post_canary_calls(now=NOW)
    record(report("theirs", customer="globex", input_tokens=1000, output_tokens=0, occurred_at=NOW), now=NOW)
    close_due_hours(now=CLOSED)

    theirs = HourlyBill.objects.get(customer=globex)

    assert read_amounts(now=CLOSED)[hour_of(NOW)] == theirs.amount > 0
    assert HourSeal.objects.get(hour_id=hour_of(NOW)).amount > theirs.amount


def test_revenue_of_an_hour_is_without_canaries_that_were_billed_with_a_later_one(settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.000001")
    post_canary_calls(now=NOW)
    close_due_hours(now=CLOSED)
    release(parked=ParkedHour.objects.get(), reason="Synthetic.", by="operator", now=CLOSED)
    close_due_hours(now=CLOSED + HOUR)

    assert HourlyBill.objects.get().sealed_in_id == hour_of(NOW) + HOUR
    assert {*read_amounts(now=CLOSED + HOUR).values()} == {Decimal(0)}
