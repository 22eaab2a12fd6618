"""The files of bills and charge lines: what is asked for, as the pages say it, for spreadsheets."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine, HourlyBill
from pricing.models import Price
from tests.builders import THE_HOUR, at, close, item, price, record, report
from tests.invoices.browsing import csv_rows, text
from usage.ingest.reversals import reverse_record
from usage.models import HOUR

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("route", ["customer_bills_csv", "customer_lines_csv"])
BY = "operator@sensenova.example"
SHANGHAI = dt.timezone(dt.timedelta(hours=8))


def closed_hours(count, **fields):
    """So many closed hours of one call each, the last before THE_HOUR."""
    calls = [report(f"call-{n}", occurred_at=at(10, hour=n - count), **fields) for n in range(count)]
    record(*calls, now=at(1))
    for n in range(count):
        close(hour=n - count)


def download(client, route="customer_bills_csv", **query):
    return client.get(reverse(route, args=["acme"]), query)


# --- Which bills -----------------------------------------------------------------------------------


def test_all_bills_are_downloaded_not_only_those_of_the_page(alice_client, acme, monkeypatch):
    monkeypatch.setattr("invoices.portal.views.BILLS_A_PAGE", 2)
    closed_hours(5)

    numbers = [row["bill"] for row in csv_rows(download(alice_client))]

    assert numbers == list(HourlyBill.objects.order_by("-hour_id").values_list("number", flat=True))
    assert len(numbers) == 5


@BOTH
def test_a_file_begins_with_the_mark_by_which_spreadsheets_know_utf_8(alice_client, acme, route):
    assert download(alice_client, route).getvalue().startswith(b"\xef\xbb\xbfbill,")


@BOTH
def test_a_span_is_that_of_the_customers_days(alice_client, acme, route):
    closed_hours(30)
    day = (THE_HOUR - 2 * HOUR).astimezone(SHANGHAI).date()
    expected = [bill for bill in HourlyBill.objects.all() if bill.hour_id.astimezone(SHANGHAI).date() < day]

    rows = csv_rows(download(alice_client, route, to=day - dt.timedelta(days=1)))

    assert {row["bill"] for row in rows} == {bill.number for bill in expected}
    assert rows


@BOTH
def test_a_span_without_bills_is_a_head_only(alice_client, acme, route):
    closed_hours(1)

    answer = download(alice_client, route, **{"from": "2031-01-01", "to": "2031-01-31"})

    assert answer.status_code == 200
    assert len(answer.getvalue().splitlines()) == 1


@BOTH
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "2026-11-31"}, "Write the day as year-month-day"),
        ({"from": "yesterday"}, "Write the day as year-month-day"),
        ({"from": "2026-11-30", "to": "2026-11-01"}, "ends before it begins"),
        ({"from": "1066-10-14"}, "greater than or equal to"),
        ({"service": "SenseChat-6"}, "There is no service of this name."),
        ({"service": "\0"}, "There is no service of this name."),
        ({"form": "2026-11-01"}, "form is not known here"),
        ({"older_than": "20261123T02Z"}, "older_than is not known here"),
        ({"from": ["2026-11-01", "2026-11-02"]}, "from is given more than once"),
    ],
)
def test_a_span_that_cannot_be_read_is_refused_in_words(alice_client, acme, route, query, words):
    answer = download(alice_client, route, **query)

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert words in text(answer)


@BOTH
def test_a_file_holds_nothing_of_another_customer(bob_client, alice_client, acme, globex, route):
    record(report(), report(customer="globex"))
    close()

    assert {row["customer"] for row in csv_rows(download(alice_client, route))} == {"acme"}
    assert download(bob_client, route).status_code == 404


def test_the_page_says_what_it_downloads_and_keeps_the_span_over_its_pages(alice_client, acme, monkeypatch):
    monkeypatch.setattr("invoices.portal.views.BILLS_A_PAGE", 2)
    closed_hours(3)
    query = {"from": "2020-01-01", "to": "2031-12-31", "service": "SenseChat-5"}

    answer = alice_client.get(reverse("customer_bills", args=["acme"]), query)

    html = answer.content.decode()
    selected = "?from=2020-01-01&amp;to=2031-12-31&amp;service=SenseChat-5"
    assert "Download the bills from 2020-01-01 to 2031-12-31 (SenseChat-5)" in text(answer)
    assert f"{reverse('customer_bills_csv', args=['acme'])}{selected}" in html
    assert f"{selected}&amp;older_than=" in html


# --- One service -----------------------------------------------------------------------------------


@pytest.fixture
def two_services(acme):
    """Two calls of SenseChat-5 and one of SenseChat in THE_HOUR, and one of SenseChat in the next."""
    record(report("1"), report("2"), report("3", service="SenseChat"))
    close()
    record(report("4", service="SenseChat", occurred_at=at(70)), now=at(80))
    close(hour=1)


def test_the_bills_of_a_service_hold_its_calls_and_its_amount(alice_client, two_services):
    (row,) = csv_rows(download(alice_client, service="SenseChat-5"))
    page = text(alice_client.get(reverse("customer_bills", args=["acme"]), {"service": "SenseChat-5"}))

    lines = ChargeLine.objects.filter(service__name="SenseChat-5")
    assert (row["service"], row["calls"]) == ("SenseChat-5", "2")
    assert Decimal(row["amount_rmb"]) == sum(line.amount for line in lines)
    assert f" 2 {row['amount_rmb']}" in page
    assert "Calls and amounts are those of SenseChat-5" in page


def test_the_lines_of_a_service_are_those_of_its_bills(alice_client, two_services):
    rows = csv_rows(download(alice_client, "customer_lines_csv", service="SenseChat"))

    assert {row["service"] for row in rows} == {"SenseChat"}
    assert [row["bill"] for row in rows] == [f"{at(0, hour=hour):%Y%m%dT%HZ}-acme" for hour in (1, 1, 0, 0)]


# --- As the pages say it ---------------------------------------------------------------------------


def test_a_row_of_the_bills(alice_client, acme):
    closed_hours(1)
    bill = HourlyBill.objects.get()

    answer = download(alice_client, **{"from": "2020-01-01"})
    (row,) = csv_rows(answer)

    local = (THE_HOUR - HOUR).astimezone(SHANGHAI)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="bills-acme-from-2020-01-01.csv"'
    assert row == {
        "bill": bill.number,
        "customer": "acme",
        "customer_name": "Acme Ltd",
        "hour_local": f"{local:%Y-%m-%d %H:%M}-{local + HOUR:%H:%M}",
        "hour_utc": f"{THE_HOUR - HOUR:%Y-%m-%dT%H:00:00Z}",
        "issued_local": f"{bill.issued_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
        "issued_utc": f"{bill.issued_at:%Y-%m-%dT%H:%M:%SZ}",
        "time_zone": "Asia/Shanghai",
        "service": "all",
        "calls": "1",
        "amount_rmb": "0.09",
    }


def test_a_row_of_a_bills_lines(alice_client, acme):
    record(report(input_tokens=7))
    close()
    number = HourlyBill.objects.get().number

    answer = alice_client.get(reverse("bill_csv", args=[number]))

    local = THE_HOUR.astimezone(SHANGHAI)
    hours = {"hour_local": f"{local:%Y-%m-%d %H:%M}-{local + HOUR:%H:%M}"}
    hours["hour_utc"] = f"{THE_HOUR:%Y-%m-%dT%H:00:00Z}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{number}.csv"'
    assert csv_rows(answer)[0] == {
        **{"bill": number, "customer": "acme", "customer_name": "Acme Ltd"},
        **hours,
        **{name.replace("hour", "used"): hour for name, hour in hours.items()},
        **{"time_zone": "Asia/Shanghai", "service": "SenseChat-5", "billing_item": "Input tokens"},
        **{"state": "", "corrects_bill": "", "corrected_on_bills": "", "reason": ""},
        **{"calls": "1", "quantity": "7", "unit_price_rmb": "0.04"},
        **{"unit": "thousand tokens", "unit_size": "1000", "price_kind": "limited-time offer"},
        **{"your_contract_price": "no", "amount_rmb": "0.00028", "covered_by": ""},
    }


def test_lines_say_late_agreed_and_free_trial_as_the_bill_does(alice_client, acme):
    price("SenseChat", "input_tokens", "0.01", begins_at=THE_HOUR - HOUR, customer=acme)
    record(report())
    close()
    record(report("late", service="SenseChat"), now=at(70))
    record(report("free", service="SenseChat-Vision", occurred_at=at(65)), now=at(70))
    close(hour=1)

    rows = csv_rows(download(alice_client, "customer_lines_csv"))

    own = next(row for row in rows if row["your_contract_price"] == "yes")
    free = next(row for row in rows if row["price_kind"] == "free trial")
    assert (own["state"], own["used_utc"]) == ("late", f"{THE_HOUR:%Y-%m-%dT%H:00:00Z}")
    assert (free["state"], free["amount_rmb"]) == ("", "0")


def test_corrections_have_the_words_and_signs_of_the_bill(alice_client, acme):
    record(report(), report("wrong"))
    close()
    corrected = HourlyBill.objects.get().number
    reverse_record(customer=acme, event_id="wrong", reason="Sent twice.", by=BY, now=at(70))
    wrong = Price.objects.filter(billing_item=item("SenseChat-5", "input_tokens")).in_force(at=at(10))
    order_rerating(
        price=wrong.by_precedence()[0], from_hour=THE_HOUR, until_hour=THE_HOUR + HOUR,
        unit_price=Decimal("0.03"), reason="The list said so.", by=BY, now=at(70),
    )  # fmt: skip
    close(hour=1)
    bill = HourlyBill.objects.latest("hour_id")

    rows = csv_rows(alice_client.get(reverse("bill_csv", args=[bill.number])))
    page = text(alice_client.get(reverse("bill", args=[bill.number])))

    shown = [(row["state"], row["calls"], row["quantity"], row["amount_rmb"]) for row in rows]
    assert shown[:3] == [
        ("reversed", "-1", "-1000", "-0.04"),
        ("credited", "", "-1000", "-0.04"),
        ("rebilled at corrected price", "", "1000", "0.03"),
    ]
    assert {row["corrects_bill"] for row in rows} == {corrected}
    assert rows[2]["price_kind"] == "corrected price"
    assert all(row["state"] in page for row in rows)
    assert sum(Decimal(row["amount_rmb"]) for row in rows) == bill.amount


def test_names_that_a_spreadsheet_would_calculate_are_text(alice_client, acme):
    acme.name = '=HYPERLINK("http://example.com")'
    acme.save(update_fields=["name"])
    closed_hours(1)

    (row,) = csv_rows(download(alice_client))

    assert row["customer_name"] == f"'{acme.name}"


# --- The repeated hour -----------------------------------------------------------------------------


def test_the_hour_that_comes_twice_reads_twice_on_pages_and_in_files(alice_client, acme):
    acme.time_zone = "America/New_York"
    acme.save(update_fields=["time_zone"])
    first = dt.datetime(2026, 11, 1, 5, tzinfo=dt.UTC)
    calls = [report(f"{n}", occurred_at=first + n * HOUR + HOUR / 2) for n in range(2)]
    record(*calls, now=first + 2 * HOUR)
    for n in range(2):
        close_at(first + n * HOUR)

    page = text(alice_client.get(reverse("customer_bills", args=["acme"]), {"to": "2026-11-01"}))
    rows = csv_rows(download(alice_client))
    found = [csv_rows(alice_client.get(records_path(line)))[0] for line in ChargeLine.objects.order_by("pk")]

    hours = ["2026-11-01 01:00 -05:00 to 02:00 -05:00", "2026-11-01 01:00 -04:00 to 01:00 -05:00"]
    assert [row["hour_local"] for row in rows] == hours
    assert all(hour in page for hour in hours)
    assert {call["occurred_local"] for call in found} == {
        "2026-11-01 01:30:00.000000 -04:00",
        "2026-11-01 01:30:00.000000 -05:00",
    }


def close_at(hour):
    return close(hour=(hour - THE_HOUR) // HOUR)


def records_path(line):
    return reverse("charge_line_csv", args=[line.bill.number, line.pk])
