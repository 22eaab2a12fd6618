"""The figures of a customer's overview, and the parts of it that the page fetches by itself."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Member, MemberRole
from invoices.models import HourlyBill, ParkedHour
from invoices.portal.alerts import alerts_of
from invoices.portal.figures import Spent, figures_of
from invoices.portal.overview import overview_of
from pricing.rules.kinds import Kind
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.portal.test_views import clock, text
from tests.querying import get_within
from usage.models import HOUR, BillingHour

pytestmark = pytest.mark.django_db

__all__ = ["clock"]
# Noon in Shanghai, on the 20th of a month of 30 days.
NOON = dt.datetime(2026, 11, 20, 4, tzinfo=dt.UTC)
DAY = 24 * HOUR


@pytest.fixture
def noon(acme):
    """THE_HOUR is noon by Acme's clock: no day or month ends near it."""
    acme.time_zone = f"Etc/GMT{THE_HOUR.hour - 12:+d}"
    acme.save(update_fields=["time_zone"])


def spent(span: str, begins: dt.datetime, amount: int) -> Spent:
    return Spent(span, begins, 1, "SenseChat-5", False, Decimal(amount))


def now_part(client, code="acme"):
    return client.get(reverse("customer_overview_now", args=[code]))


# --- Figures ---------------------------------------------------------------------------------------


def test_each_figure_stands_beside_the_same_span_before(acme):
    figures = figures_of(
        spent=[
            spent("hour", NOON, 3),
            spent("hour", NOON - 5 * HOUR, 10),
            spent("hour", NOON - DAY, 2),
            spent("hour", NOON - DAY - 11 * HOUR, 4),
            spent("hour", NOON - DAY + HOUR, 100),  # yesterday, but later in the day
            spent("month", dt.datetime(2026, 10, 31, 16, tzinfo=dt.UTC), 60),
            spent("month before", dt.datetime(2026, 9, 30, 16, tzinfo=dt.UTC), 40),
        ],
        customer=acme,
        now=NOON + dt.timedelta(minutes=30),
    )

    assert [figures.hour.amount, figures.hour.before, figures.hour.percent] == [3, 2, 50]
    assert [figures.today.amount, figures.today.before] == [13, 6]
    assert [figures.month.amount, figures.month.before, figures.month.percent] == [60, 40, 50]
    assert figures.month.until == dt.datetime(2026, 10, 20, 5, tzinfo=dt.UTC)


def test_the_projection_adds_the_mean_of_seven_whole_days_for_the_days_left(acme):
    today = NOON - 12 * HOUR
    days = [spent("day", today - n * DAY, 14) for n in range(1, 31)]
    month = spent("month", dt.datetime(2026, 10, 31, 16, tzinfo=dt.UTC), 300)

    projection = figures_of(spent=[*days, month], customer=acme, now=NOON).projection

    assert projection is not None
    assert [projection.mean, projection.days] == [14, 7]
    assert projection.amount == 300 + 14 * Decimal("10.5")


def test_a_young_customer_is_projected_by_the_days_it_has(acme):
    today = NOON - 12 * HOUR

    assert figures_of(spent=[], customer=acme, now=NOON).projection is None
    assert figures_of(spent=[spent("day", today, 9)], customer=acme, now=NOON).projection is None
    projection = figures_of(spent=[spent("day", today - DAY, 9)], customer=acme, now=NOON).projection
    assert projection is not None
    assert projection.days == 1


def test_top_services_are_those_of_the_month_dearest_first(acme):
    record(report("1"), report("2", service="SenseChat-Turbo", occurred_at=at(70)), now=at(75))
    close()

    read = overview_of(customer=acme, now=at(80))

    assert [one.service for one in read.figures.top] == ["SenseChat-5", "SenseChat-Turbo"]
    assert sum(one.amount for one in read.figures.top) == read.amount_of_month


def test_closed_hours_days_and_the_month_agree(acme):
    record(report("1"), report("2", occurred_at=at(70)), now=at(75))
    close()

    read = overview_of(customer=acme, now=at(80))

    closed, running = Decimal("0.09"), Decimal("0.09")
    assert read.figures.hour.amount == running
    assert sum(row.amount for row in read.days) == sum(row.amount for row in read.rows) == closed + running


# --- Parked hours ----------------------------------------------------------------------------------


def test_a_parked_hour_is_named_at_the_figure_that_leaves_it_out(alice_client, acme, noon, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(1)
    record(report(input_tokens=11_000_000, output_tokens=10_000))
    close()

    page = now_part(alice_client)

    assert ParkedHour.objects.count() == 1
    assert "not included: 1 hour under review, RMB 441.00" in text(page)


def test_a_parked_hour_that_was_billed_is_in_the_figures(acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record()
    close()
    parked = ParkedHour.objects.get()
    BillingHour.objects.create(hour=at(60), previous_id=at(0), closed_at=at(125))
    HourlyBill.objects.create(
        number="B1",
        customer=acme,
        hour_id=parked.hour_id,
        sealed_in_id=at(60),
        customer_code="acme",
        customer_name="Acme",
        records=1,
        amount=parked.amount,
        issued_at=at(125),
    )

    assert overview_of(customer=acme, now=at(130)).parked == []


# --- The first call ----------------------------------------------------------------------------------


def test_without_usage_the_page_has_the_command_for_the_first_call(alice_client):
    page = alice_client.get(reverse("customer_overview", args=["acme"]))

    assert "Report your first call" in text(page)
    assert "&quot;customer&quot;: &quot;acme&quot;" in page.content.decode()
    assert "http://testserver/api/v1/usage" in page.content.decode()


def test_the_first_call_appears_with_the_next_refresh(alice_client, acme, clock):
    assert "Report your first call" in text(now_part(alice_client))
    record(report(occurred_at=at(70)), now=at(75))

    shown = text(now_part(alice_client))

    assert "Report your first call" not in shown
    assert "SenseChat-5 Input tokens 1,000" in shown


# --- Parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["customer_overview_now", "customer_overview_alerts"])
def test_another_customer_sees_nothing_of_a_part(bob_client, acme, name):
    record()

    assert bob_client.get(reverse(name, args=["acme"])).status_code == 404


@pytest.mark.parametrize(
    ("name", "queries"),
    [("customer_overview", 12), ("customer_overview_now", 12), ("customer_overview_alerts", 12)],
)
def test_each_part_takes_few_queries_and_a_viewer_sees_it(alice_client, acme, clock, name, queries):
    Member.objects.update(role=MemberRole.VIEWER)
    record(report("1"), report("2", occurred_at=at(70)), now=at(75))
    close()

    get_within(alice_client, reverse(name, args=["acme"]), queries=queries)


# --- Notices ---------------------------------------------------------------------------------------


@pytest.fixture
def used(acme):
    """SenseChat-5 was used and billed."""
    record()
    close()
    return acme


def test_a_price_ahead_is_named_for_services_that_are_used(used):
    for service in ("SenseChat-5", "SenseChat-Turbo"):
        price(service, "output_tokens", "0.2", begins_at=at(0) + 3 * DAY, kind=Kind.LIMITED_TIME_OFFER)

    alerts = alerts_of(customer=used, now=at(80)).prices

    assert [(one.service, one.kind, one.is_end) for one in alerts if one.at == at(0) + 3 * DAY] == [
        ("SenseChat-5", Kind.LIMITED_TIME_OFFER, False)
    ]


def test_a_price_for_everybody_is_no_news_beside_an_own_one(used):
    price("SenseChat-5", "output_tokens", "0.05", begins_at=at(0) + DAY, customer=used)
    price("SenseChat-5", "output_tokens", "0.2", begins_at=at(0) + 3 * DAY, kind=Kind.LIMITED_TIME_OFFER)

    assert [one.at for one in alerts_of(customer=used, now=at(80)).prices] == [at(0) + DAY]


def test_an_offer_that_ends_is_named(used, alice_client, clock):
    offer = {"kind": Kind.LIMITED_TIME_OFFER, "ends_at": at(0) + 2 * DAY}
    price("SenseChat-5", "output_tokens", "0.01", begins_at=at(70), **offer)

    shown = text(alice_client.get(reverse("customer_overview_alerts", args=["acme"])))

    assert "An offer on SenseChat-5 ends on" in shown


def test_a_quiet_customer_has_no_notices(alice_client, acme):
    page = alice_client.get(reverse("customer_overview_alerts", args=["acme"]))

    assert page.content.strip() == b""
