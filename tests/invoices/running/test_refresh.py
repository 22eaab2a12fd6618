"""What open hours come to so far, summed up for pages."""

import datetime as dt
from decimal import Decimal

import pytest

from invoices.models import HourlyBill, RunningHour, RunningRefresh
from invoices.portal.overview import overview_of
from invoices.rating.charges_sql import charges_so_far
from invoices.running.open_hours import read_open_hours
from invoices.running.refresh import SHARE_OF_TIME, refresh_running_hours
from tests.builders import at, close, record, report
from tests.packages import buy, tokens_product
from tests.querying import get_within
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def many_is_two(settings):
    """Hours with more than one record are summed up."""
    settings.RATED_LIVE_RECORDS = 1


def open_hours(customer, *, hour=0):
    return read_open_hours(customer=customer, after=at(0, hour=-1), this_hour=at(0, hour=hour))


def use(event_id, minute=10, **fields):
    record(report(event_id, occurred_at=at(minute), **fields), now=at(59))


def test_what_is_summed_up_is_what_is_charged_so_far(acme):
    use("1"), use("2", input_tokens=7), use("3", service="SenseChat-Turbo")

    assert refresh_running_hours(now=at(31)) == 1

    (hour,) = open_hours(acme)
    assert hour.charges == charges_so_far(customer_id=acme.pk, hour=at(0))
    assert (hour.calls, hour.reversals, hour.as_of) == (3, 0, at(31))
    assert hour.amount == sum(charge.amount for charge in hour.charges) > 0


def test_packages_are_drawn_across_open_hours_as_they_are_at_each_look(acme):
    buy(acme, tokens_product(tokens=1500))
    use("1", input_tokens=900, output_tokens=0), use("2", input_tokens=100, output_tokens=0)
    record(report("3", occurred_at=at(70), input_tokens=900, output_tokens=0), now=at(75))
    live = open_hours(acme, hour=1)

    refresh_running_hours(now=at(80))

    assert RunningHour.objects.count() == 2
    assert [hour.charges for hour in open_hours(acme, hour=1)] == [hour.charges for hour in live]
    assert any(charge.draw for hour in live for charge in hour.charges)


def test_customers_are_summed_up_together_and_apart(acme, globex):
    use("1"), use("2"), use("1", customer="globex"), use("2", customer="globex", input_tokens=3)

    refresh_running_hours(now=at(31))

    for customer in (acme, globex):
        (hour,) = open_hours(customer)
        assert hour.charges == charges_so_far(customer_id=customer.pk, hour=at(0))


def test_few_records_are_rated_at_each_look(acme):
    use("1")

    refresh_running_hours(now=at(31))
    use("2")

    (hour,) = open_hours(acme)
    assert (hour.calls, hour.as_of) == (2, None)


def test_later_calls_of_a_busy_hour_wait_for_the_next_refresh(acme):
    use("1"), use("2")
    refresh_running_hours(now=at(31))
    use("3")

    assert open_hours(acme)[0].calls == 2
    refresh_running_hours(now=at(32))
    assert open_hours(acme)[0].calls == 3


def test_reversals_count_apart_from_calls(acme):
    use("1"), use("2")
    close()
    reverse_record(customer=acme, event_id="1", reason="sent twice", by="operator", now=at(70))
    record(report("3", occurred_at=at(70)), report("4", occurred_at=at(71)), now=at(75))
    live = read_open_hours(customer=acme, after=at(0), this_hour=at(60))

    refresh_running_hours(now=at(80))

    (hour,) = read_open_hours(customer=acme, after=at(0), this_hour=at(60))
    assert (hour.calls, hour.reversals) == (live[0].calls, live[0].reversals) == (2, 1)
    assert hour.charges == live[0].charges


def test_an_hour_that_closed_is_not_counted_twice(acme):
    use("1"), use("2")
    refresh_running_hours(now=at(59))
    close()

    read = overview_of(customer=acme, now=at(80))

    assert RunningHour.objects.exists()  # until the next refresh
    assert read.amount_of_month == read.amount_of_day == HourlyBill.objects.get().amount


def test_the_next_refresh_drops_hours_that_closed(acme):
    use("1"), use("2")
    refresh_running_hours(now=at(59))
    close()

    assert refresh_running_hours(now=at(66)) == 0
    assert not RunningHour.objects.exists()


def test_a_refresh_takes_a_twentieth_of_the_time(acme):
    refresh_running_hours(now=at(10))
    RunningRefresh.objects.update(took=6 * dt.timedelta(seconds=1))

    assert refresh_running_hours(now=at(11)) is None
    assert refresh_running_hours(now=at(10) + SHARE_OF_TIME * dt.timedelta(seconds=6)) == 0


def test_the_overview_says_as_of_when_a_busy_hour_is(alice_client, acme, monkeypatch):
    monkeypatch.setattr("invoices.portal.overview_views.clock.now", lambda: at(40))
    use("1"), use("2")
    refresh_running_hours(now=at(31.5))

    page = get_within(alice_client, "/customers/acme", queries=12)

    local = (at(31) + dt.timedelta(seconds=30)).astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert f"as of {local:%H:%M:%S}" in page.content.decode()
    assert Decimal("0.18") == page.context["overview"].running.amount
