"""The admin's first page: revenue, customers, hours, prices ahead; for those who may see them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Customer
from invoices.closing.totals import DAY_ZONE
from invoices.models import CustomerTotal
from invoices.monitoring.customer_revenue import read_customers
from invoices.monitoring.prices_ahead import prices_ahead
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.books.builders import keep_books
from tests.invoices.browsing import staff_client, text

pytestmark = pytest.mark.django_db

FIRST_PAGE = reverse("admin:index")
IN, OUT = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS
DAY = dt.timedelta(days=1)


@pytest.fixture
def same_month(monkeypatch):
    """It is the month of THE_HOUR, which may have ended meanwhile."""
    monkeypatch.setattr("invoices.monitoring.dashboard.database_now", lambda: at(180))


def test_the_first_page_shows_what_closed_hours_came_to(operator_client, acme, same_month):
    keep_books()

    page = operator_client.get(FIRST_PAGE)

    (line,) = page.context["customers"].top
    assert (line.code, line.amount) == ("acme", Decimal("0.18"))
    assert page.context["revenue"].hours.amount == Decimal("0.18")
    assert "This month so far" in text(page)


def test_an_empty_first_page_says_what_will_appear(operator_client):
    page = text(operator_client.get(FIRST_PAGE))

    assert "Revenue appears here once the first hour is closed." in page
    assert "Not yet known No hour is closed yet." in page


def test_books_that_were_not_verified_yet_are_not_ok(operator_client, acme):
    keep_books()

    assert "Not yet known The books have not been verified yet." in text(operator_client.get(FIRST_PAGE))


def test_without_the_permission_to_see_bills_no_amount_is_shown(acme):
    keep_books()

    page = staff_client("view_usagerecord").get(FIRST_PAGE)

    assert page.status_code == 200
    assert "revenue" not in page.context
    assert "This month" not in text(page)
    assert "acme" not in text(page)


def test_a_parked_hour_in_the_calendar_leads_to_what_is_parked(operator_client, acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record()
    close()

    page = operator_client.get(FIRST_PAGE).content.decode()

    assert f"{reverse('admin:invoices_parkedhour_changelist')}?hour__hour={THE_HOUR:%Y-%m-%dT%H}%3A00" in page
    assert "1 parked" in page


# --- Customers -------------------------------------------------------------------------------------


def today():
    """By the clock of totals."""
    return THE_HOUR.astimezone(DAY_ZONE).date()


def add_day(customer, amount, *, days_ago):
    """Keep a total of a day."""
    CustomerTotal.objects.create(
        period="day", begins_on=today() - days_ago * DAY, customer=customer, bills=1, amount=Decimal(amount)
    )


def customers(*, month=None):
    """The customers that the first page names after THE_HOUR was closed."""
    return read_customers(month=month or today().replace(day=1), closed_until=at(60))


def test_top_customers_are_those_of_the_month_largest_first(acme, globex):
    record(report(), report(customer="globex", input_tokens=2000))
    close()

    assert [one.code for one in customers().top] == ["globex", "acme"]
    assert customers(month=today().replace(day=1) - DAY).top == []


def test_a_day_far_above_the_usual_one_is_a_sudden_rise(acme):
    for days in range(2, 9):
        add_day(acme, 10, days_ago=days)
    record(report(input_tokens=10_000_000))  # 400.03 RMB
    close()

    (rise,) = customers().rises

    assert (rise.code, rise.amount > 400, rise.usual) == ("acme", True, round(Decimal(rise.usual), 2))


def test_a_day_like_the_others_is_no_rise(acme):
    for days in range(2, 9):
        add_day(acme, 400, days_ago=days)
    record(report(input_tokens=10_000_000))
    close()

    assert customers().rises == []


def test_a_rise_of_a_few_rmb_is_none(acme):
    record()
    close()

    assert customers().rises == []


# --- Prices ----------------------------------------------------------------------------------------


def test_prices_that_begin_together_are_one_line(acme):
    soon = timezone.now() + 3 * DAY
    for measure in (IN, OUT):
        price("SenseChat-5", measure, "0.01", begins_at=soon, kind=Kind.LIMITED_TIME_OFFER, customer=acme)

    (change,) = prices_ahead(now=timezone.now()).begin

    assert (change.at, change.prices, change.services) == (soon, 2, "SenseChat-5")
    assert (change.kind, change.customer) == (Kind.LIMITED_TIME_OFFER, "acme")


def test_offers_that_end_soon_come_before_those_without_an_end(acme):
    now = at(0)
    standing = len(prices_ahead(now=now + DAY).end)
    offer = {"kind": Kind.LIMITED_TIME_OFFER, "customer": acme}
    price("SenseChat-5", IN, "0.01", begins_at=now, ends_at=now + 2 * DAY, **offer)
    price("SenseChat-5", OUT, "0.01", begins_at=now, **offer)
    price("SenseChat-Vision", OUT, "0.01", begins_at=now, ends_at=now + 60 * DAY, **offer)

    own = [change for change in prices_ahead(now=now + DAY).end if change.customer == "acme"]

    assert [change.at for change in own] == [now + 2 * DAY, None]
    assert len(prices_ahead(now=now + DAY).end) == standing + 2


def test_an_offer_that_is_continued_by_another_does_not_end(acme):
    now, then = at(0), at(0) + 2 * DAY
    offer = {"kind": Kind.LIMITED_TIME_OFFER, "customer": acme}
    price("SenseChat-5", IN, "0.01", begins_at=now, ends_at=then, **offer)
    price("SenseChat-5", IN, "0.02", begins_at=then, ends_at=then + 60 * DAY, **offer)

    assert not [change for change in prices_ahead(now=now + DAY).end if change.customer == "acme"]


def test_the_code_of_a_customer_leads_to_its_page(operator_client, acme, same_month):
    keep_books()

    page = operator_client.get(FIRST_PAGE).content.decode()

    assert reverse("admin:accounts_customer_change", args=[Customer.objects.get().pk]) in page
