"""A customer's usage page, and its files."""

import csv
import datetime as dt
import json
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from accounts.models import Member, MemberRole
from invoices.models import HourlyBill
from invoices.usage_report.metadata import sum_up_closed_hours
from invoices.usage_report.read import ITEM, SERVICE, read_usage
from invoices.usage_report.spans import Span, Width
from pricing.rules.kinds import Kind
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.documents.builders import number, sheets
from tests.querying import get_within
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = dt.timedelta(days=1)
TODAY = THE_HOUR.astimezone(SHANGHAI).date()
SPAN = f"from={TODAY - DAY}&to={TODAY + DAY}"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is twenty past the hour after THE_HOUR."""
    monkeypatch.setattr("invoices.usage_report.views.clock.now", lambda: at(80))


@pytest.fixture
def used(acme):
    """A closed hour of two services, one reversed call of it and a new one in the running hour."""
    record(report("1"), report("2", service="SenseChat-Turbo"), report("3"))
    close()
    reverse_record(customer=acme, event_id="3", reason="sent twice", by="operator", now=at(70))
    record(report("4", occurred_at=at(75)), now=at(76))
    return acme


def usage_page(client, query="", code="acme", name="customer_usage"):
    return client.get(f"{reverse(name, args=[code])}?{query}")


def usage_of(customer, group_by=SERVICE, width=Width.DAY):
    span = Span.of_days(TODAY - DAY, TODAY + DAY, width=width, zone=SHANGHAI)
    return read_usage(customer=customer, span=span, group_by=group_by, now=at(80)).rows


def chart_of(page):
    (data,) = re.findall(r'id="usage-data" type="application/json">(.*?)</script>', page.content.decode())
    return json.loads(data)


@pytest.mark.parametrize("width", list(Width))
@pytest.mark.parametrize("group_by", [SERVICE, ITEM, "project"])
def test_every_grouping_adds_up_to_the_bills_and_the_open_hour(used, group_by, width):
    rows = usage_of(used, group_by, width)

    # The running hour charges for one call and takes another back.
    assert sum(row.amount for row in rows) == HourlyBill.objects.get().amount
    assert sum(row.quantities["tokens"] for row in rows) == 3 * 1500


def test_usage_by_api_key_says_where_the_key_comes_from(alice_client, used):
    page = usage_page(alice_client, f"{SPAN}&by=api_key").content.decode()

    assert '<th scope="col">API key</th>' in page
    assert '<code>"metadata": {"api_key": "..."}</code>' in page
    assert "A call counts under" not in usage_page(alice_client, f"{SPAN}&by=item").content.decode()


def test_calls_are_counted_once_whatever_they_are_charged_for(used):
    by_service = {row.group.service: row.calls for row in usage_of(used, width=Width.MONTH)}
    by_item = [row.calls for row in usage_of(used, ITEM, Width.MONTH) if row.group.service == "SenseChat-5"]

    assert by_service == {"SenseChat-5": 3, "SenseChat-Turbo": 1}
    assert by_item == [3, 3]


def test_a_call_counts_once_in_the_totals_of_its_items(alice_client, used):
    assert usage_page(alice_client, f"{SPAN}&by=item").context["table"].total.calls == 4


def test_offers_save_the_list_price_less_what_was_charged(acme):
    price("SenseChat-5", "output_tokens", "0.07", begins_at=at(20), kind=Kind.LIMITED_TIME_OFFER)
    record(report("1"), report("2", occurred_at=at(30)), report("3", occurred_at=at(70)), now=at(75))
    close()

    rows = [(row.begins, row.group.measure, row.saved) for row in usage_of(acme, ITEM, Width.HOUR)]

    saved = Decimal("0.015")  # 500 tokens of the closed hour, and 500 of the running one
    assert [(begins, found) for begins, measure, found in rows if measure == "output_tokens"] == [
        (at(0), saved),
        (at(60), saved),
    ]


def test_without_a_list_price_nobody_knows_what_an_offer_saves(acme):
    record()
    close()

    assert [row.saved for row in usage_of(acme, ITEM) if row.group.measure == "input_tokens"] == [None]


def test_chart_and_table_show_the_same(alice_client, used):
    page = usage_page(alice_client, SPAN)

    table, chart = page.context["table"], chart_of(page)
    assert [one["name"] for one in chart["series"]] == [group.label for group in table.groups]
    for place, group in enumerate(table.groups):
        shown = sum(Decimal(amount) for amount in chart["series"][place]["amounts"])
        assert shown == sum(row.cells[place] or 0 for row in table.buckets) == group.sum.amount
    assert table.total.amount == sum(row.sum.amount for row in table.buckets)


def test_a_month_leads_to_its_days_a_day_to_its_hours_and_an_hour_to_its_bill(alice_client, used):
    months = usage_page(alice_client, f"{SPAN}&width=month")
    days = alice_client.get(next(link for link in chart_of(months)["links"] if link))
    local = THE_HOUR.astimezone(SHANGHAI)
    href = f"from={local:%Y-%m-%d}&to={local:%Y-%m-%d}&width=hour&by=service"

    assert f"usage?{href}" in "".join(chart_of(days)["links"])
    hours = usage_page(alice_client, href)
    assert reverse("bill", args=[HourlyBill.objects.get().number]) in chart_of(hours)["links"]


def test_the_files_hold_what_the_page_shows(alice_client, used):
    page = usage_page(alice_client, SPAN)
    file = b"".join(usage_page(alice_client, SPAN, name="customer_usage_csv").streaming_content)
    rows = list(csv.DictReader(file.decode("utf-8-sig").splitlines()))
    lines = sheets(usage_page(alice_client, SPAN, name="customer_usage_xlsx"))["Usage"]

    assert sum(Decimal(row["amount_rmb"]) for row in rows) == page.context["table"].total.amount
    assert sum(int(row["calls"]) for row in rows) == page.context["table"].total.calls == 4
    assert sum(number(line["amount_rmb"]) for line in lines) == page.context["table"].total.amount
    assert [line["calls"] for line in lines] == [int(row["calls"]) for row in rows]


def test_a_value_that_looks_like_a_formula_is_text_in_the_files(alice_client, acme):
    record(report(metadata={"project": "=1+1"}))
    close()
    sum_up_closed_hours(now=at(66))

    query = f"{SPAN}&by=project"
    file = b"".join(usage_page(alice_client, query, name="customer_usage_csv").streaming_content)

    assert ",'=1+1," in file.decode()
    assert "=1+1" in usage_page(alice_client, query).content.decode()


@pytest.mark.parametrize(
    "query",
    ["from=x", "to=2026-13-01", "from=2026-02-02&to=2026-01-01", "by=colour", "width=year", "colour=red",
     "from=2020-01-01&to=2026-01-01&width=hour", "by=service&by=item"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["customer_usage", "customer_usage_csv", "customer_usage_xlsx"])
def test_a_query_that_is_not_right_is_refused_with_the_page(alice_client, name, query):
    page = usage_page(alice_client, query, name=name)

    assert page.status_code == 400
    assert "No usage was read" in page.content.decode()


def test_without_usage_the_page_says_what_will_appear(alice_client):
    assert "There was no usage in this span." in usage_page(alice_client).content.decode()


@pytest.mark.parametrize("name", ["customer_usage", "customer_usage_csv", "customer_usage_xlsx"])
def test_another_customers_usage_is_not_found(bob_client, used, name):
    assert usage_page(bob_client, SPAN, name=name).status_code == 404


@pytest.mark.parametrize("by", ["service", "item", "project"])
def test_the_page_takes_few_queries_and_a_viewer_sees_it(alice_client, used, by):
    Member.objects.update(role=MemberRole.VIEWER)

    get_within(alice_client, f"{reverse('customer_usage', args=['acme'])}?{SPAN}&by={by}", queries=12)


def test_a_span_is_shown_in_the_customers_days(acme):
    acme.time_zone = "America/New_York"
    span = Span.of_days(TODAY, TODAY, width=Width.DAY, zone=ZoneInfo(acme.time_zone))

    assert span.buckets() == [span.begins]
    assert span.ends - span.begins in (23 * dt.timedelta(hours=1), DAY, 25 * dt.timedelta(hours=1))
