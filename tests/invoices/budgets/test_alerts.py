"""Shares of a budget that are reached: an event and a mail, each once a window."""

import datetime as dt

import pytest
from django.core import mail

from accounts.models import WebhookEndpoint, WebhookEvent
from accounts.webhooks.signing import new_secret
from invoices.budgets.mail import mail_alerts
from invoices.budgets.refresh import refresh_budgets
from tests.builders import THE_HOUR, at, close, record
from tests.invoices.budgets.builders import budget
from usage.limits.budget_windows import budget_window
from usage.models import BudgetAlert

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def hook(acme):
    """An endpoint of Acme's that gets events of budgets."""
    WebhookEndpoint.objects.create(
        customer=acme,
        url="https://a.example/",
        kinds=["budget.reached"],
        secret=new_secret(),
        created_at=at(0),
    )


def test_shares_are_reported_once_in_a_window_by_event_and_mail(acme, alice):
    hourly = budget(acme, "0.10", now=at(5))
    daily = budget(acme, "1000.00", period="day", now=at(5))
    record(now=at(11))  # 1,000 tokens in, 500 out
    for minute in (12, 13):
        refresh_budgets(now=at(minute))
        mail_alerts(now=at(minute))

    reached = [int(event.payload["percent"]) for event in WebhookEvent.objects.order_by("pk")]
    assert reached == [*BudgetAlert.objects.order_by("pk").values_list("percent", flat=True)]
    assert reached[:2] == [50, 80]
    assert len(mail.outbox) == len(reached)
    assert mail.outbox[0].to == [alice.email]
    assert "0.10 RMB a hour for all services" in mail.outbox[0].body
    assert hourly.uses.get().used == daily.uses.get().used


def test_closed_hours_and_the_open_one_count_and_the_next_window_begins_with_nothing(acme):
    monthly = budget(acme, "0.20", period="month", is_cap=False, now=at(5))
    hourly = budget(acme, "0.20", is_cap=False, now=at(5))
    record(now=at(11))
    refresh_budgets(now=at(12))
    open_hour = hourly.uses.get().used
    close()
    refresh_budgets(now=at(66))

    assert monthly.uses.latest("begins_at").used == open_hour > 0
    assert hourly.uses.get(begins_at=THE_HOUR).used == open_hour
    assert hourly.uses.latest("begins_at").used == 0


def test_windows_are_by_the_clock_of_the_customer():
    instant = dt.datetime(2026, 12, 31, 17, 30, tzinfo=dt.UTC)  # Friday, 1 January in Shanghai

    def begins(period, zone="Asia/Shanghai"):
        begin, end = budget_window(period=period, time_zone=zone, at=instant)
        assert begin <= instant < end
        return f"{begin:%m-%d %H} {end:%m-%d %H}"

    assert begins("hour") == "12-31 17 12-31 18"
    assert begins("day") == "12-31 16 01-01 16"
    assert begins("week") == "12-27 16 01-03 16"
    assert begins("month") == "12-31 16 01-31 16"
    assert begins("month", "UTC") == "12-01 00 01-01 00"
    assert begins("day", "Asia/Kolkata") == "12-30 19 12-31 19"
