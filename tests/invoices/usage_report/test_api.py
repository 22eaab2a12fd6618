"""A program reads bills, charge lines and usage, with a key that may."""

import csv
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.models import ChargeLine, HourlyBill, HourSeal
from invoices.usage_report.metadata import sum_up_closed_hours
from tests.builders import THE_HOUR, at, close, record, report

pytestmark = pytest.mark.django_db

BILLS, LINES, USAGE = "/api/v1/bills", "/api/v1/charge-lines", "/api/v1/usage"
SEALS = "/api/v1/seals"
SUMMARY = "/api/v1/usage/summary"
SINCE = {"customer": "acme", "start_time": f"{int(THE_HOUR.timestamp())}"}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is twenty past the second hour after THE_HOUR."""
    monkeypatch.setattr("invoices.usage_report.api.clock.now", lambda: at(140))


@pytest.fixture
def get():
    """Ask with a key that may read billing, of everybody or of some customers."""

    def get(path, query=None, *, customers=None, scopes=(Scope.BILLING_READ,), accept="*/*"):
        _, text = issue_service_key(name="books", scopes=scopes, customers=customers)
        return Client().get(path, query, headers={"Authorization": f"Bearer {text}", "Accept": accept})

    return get


@pytest.fixture
def two_hours(acme):
    """Two closed hours of two projects, and a call in the running one."""
    for hour in range(2):
        record(
            report(f"a{hour}", occurred_at=at(10, hour=hour), metadata={"project": "red"}),
            report(f"b{hour}", occurred_at=at(20, hour=hour), service="SenseChat-Turbo"),
            now=at(30, hour=hour),
        )
        close(hour=hour)
    record(report("c", occurred_at=at(130)), now=at(131))
    sum_up_closed_hours(now=at(132))


def rows_of(answer):
    return list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))


def amount_of(results):
    return sum(Decimal(one["amount"]["value"]) for one in results)


def billed():
    return sum(bill.amount for bill in HourlyBill.objects.all())


# --- Bills -----------------------------------------------------------------------------------------


def test_bills_come_page_by_page_oldest_first(get, two_hours):
    first = get(BILLS, {"customer": "acme", "limit": 1}).json()
    second = get(BILLS, {"customer": "acme", "limit": 1, "after": first["next"]}).json()

    numbers = [bill["number"] for page in (first, second) for bill in page["bills"]]
    assert numbers == list(HourlyBill.objects.order_by("hour_id").values_list("number", flat=True))
    assert second["next"] is None


def test_bills_are_those_of_a_span_and_of_a_service(get, two_hours):
    until = {"end_time": f"{int(at(60).timestamp())}"}

    assert len(get(BILLS, SINCE | until).json()["bills"]) == 1
    assert get(BILLS, SINCE | {"service": "SenseChat"}).json()["bills"] == []
    assert len(get(BILLS, SINCE | {"service": "SenseChat-5"}).json()["bills"]) == 2


def test_a_bill_comes_with_lines_that_add_up_to_it(get, two_hours):
    number = HourlyBill.objects.earliest("hour_id").number

    bill = get(f"{BILLS}/{number}").json()

    assert bill["number"] == number
    assert sum(Decimal(line["amount"]) for line in bill["lines"]) == Decimal(bill["amount"]) > 0


def test_bills_and_lines_come_as_csv_and_link_to_the_next_page(get, two_hours):
    bills = get(BILLS, {"customer": "acme", "limit": 1}, accept="text/csv")
    lines = get(LINES, SINCE, accept="text/csv")
    link = bills.headers["Link"].removeprefix("<").partition(">")[0]

    assert rows_of(bills)[0]["bill"] == HourlyBill.objects.earliest("hour_id").number
    assert len(rows_of(get(link, accept="text/csv"))) == 1
    assert sum(Decimal(row["amount_rmb"]) for row in rows_of(lines)) == billed()


def test_lines_come_page_by_page_each_once(get, two_hours):
    found, after = [], None
    for _ in range(ChargeLine.objects.count() + 1):
        page = get(LINES, {"customer": "acme", "limit": 1} | ({"after": after} if after else {})).json()
        found += [line["id"] for line in page["charge_lines"]]
        after = page["next"]
        if after is None:
            break

    assert found == list(ChargeLine.objects.order_by("bill__hour_id", "pk").values_list("pk", flat=True))


# --- Usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", ["1h", "1d", "1mo"])
@pytest.mark.parametrize("group_by", ["service", "item", "project"])
def test_usage_adds_up_to_bills_and_the_running_hour(get, two_hours, group_by, width):
    page = get(USAGE, SINCE | {"bucket_width": width, "group_by": group_by}).json()

    results = [result for bucket in page["data"] for result in bucket["results"]]
    assert amount_of(results) == billed() + Decimal("0.09")
    assert (page["object"], page["has_more"]) == ("page", False)


def test_a_result_has_the_fields_of_a_usage_page(get, two_hours):
    (bucket, *_) = get(USAGE, SINCE | {"bucket_width": "1h"}).json()["data"]

    (first, second) = bucket["results"]
    assert (bucket["start_time"], bucket["end_time"]) == (
        int(THE_HOUR.timestamp()),
        int(at(60).timestamp()),
    )
    assert {first["service"], second["service"]} == {"SenseChat-5", "SenseChat-Turbo"}
    assert (first["num_model_requests"], first["input_tokens"], first["output_tokens"]) == (1, 1000, 500)
    assert first["amount"]["currency"] == "cny"


def test_metadata_has_its_values_the_rest_and_open_hours(get, two_hours):
    page = get(SUMMARY, SINCE | {"group_by": "project"}).json()

    assert [(one["value"], one["is_open"], one["num_model_requests"]) for one in page["results"]] == [
        ("red", False, 2),
        (None, False, 2),
        (None, True, 1),
    ]
    assert Decimal(page["amount"]["value"]) == billed() + Decimal("0.09")


@pytest.mark.parametrize("name", ["api_key", "key", "api_key_id"])
def test_usage_by_key_is_that_of_the_key_in_the_metadata(get, acme, name):
    record(report("a", metadata={"api_key": "team-a"}), report("b"), now=at(30))
    close()
    sum_up_closed_hours(now=at(132))

    results = get(SUMMARY, SINCE | {"group_by": name}).json()["results"]
    (first, *_) = rows_of(get(SUMMARY, SINCE | {"group_by": name}, accept="text/csv"))

    assert [one["value"] for one in results] == ["team-a", None]
    assert first["api_key"] == "team-a"


def test_an_installation_without_keys_in_metadata_has_no_usage_by_key(get, acme, settings):
    settings.USAGE_METADATA_KEYS = ["project"]

    assert get(SUMMARY, SINCE | {"group_by": "project"}).status_code == 200
    assert get(SUMMARY, SINCE | {"group_by": "key"}).status_code == 400


def test_usage_comes_page_by_page(get, two_hours):
    first = get(USAGE, SINCE | {"bucket_width": "1h", "limit": 2}).json()
    second = get(USAGE, SINCE | {"bucket_width": "1h", "limit": 2, "page": first["next_page"]}).json()

    assert [len(page["data"]) for page in (first, second)] == [2, 1]
    assert (first["has_more"], second["has_more"], second["next_page"]) == (True, False, None)
    assert amount_of(second["data"][0]["results"]) == Decimal("0.09")


def test_usage_comes_as_csv(get, two_hours):
    rows = rows_of(get(USAGE, SINCE | {"bucket_width": "1d"}, accept="text/csv"))

    assert sum(Decimal(row["amount_rmb"]) for row in rows) == billed() + Decimal("0.09")


# --- Refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [BILLS, LINES, USAGE, SUMMARY])
def test_another_customers_are_not_found(get, two_hours, globex, path):
    assert get(path, SINCE, customers=[globex]).status_code == 404
    assert get(path, SINCE | {"customer": "nobody"}).status_code == 404


def test_another_customers_bill_is_not_found(get, two_hours, globex):
    path = f"{BILLS}/{HourlyBill.objects.earliest('hour_id').number}"

    assert get(path).status_code == 200
    assert get(path, customers=[globex]).status_code == 404
    assert get(f"{BILLS}/nothing").status_code == 404


@pytest.mark.parametrize("path", [BILLS, LINES, USAGE, SUMMARY])
def test_a_key_needs_the_scope_to_read_billing(get, acme, path):
    assert get(path, SINCE, scopes=(Scope.USAGE_WRITE,)).status_code == 403
    assert Client().get(path, SINCE).status_code == 401


def test_a_key_that_reads_may_not_report(get, acme):
    _, text = issue_service_key(name="books", scopes=(Scope.BILLING_READ,))

    answer = Client().post(
        USAGE, "{}", content_type="application/json", headers={"Authorization": f"Bearer {text}"}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (BILLS, {"after": "x"}),
        (BILLS, {"limit": "0"}),
        (BILLS, {"start_time": "yesterday"}),
        (LINES, {"after": "1"}),
        (LINES, {"colour": "red"}),
        (USAGE, {"bucket_width": "1w"}),
        (USAGE, {"bucket_width": "1d", "limit": "32"}),
        (USAGE, {"group_by": "colour"}),
        (USAGE, {"end_time": "1"}),
        (SUMMARY, {"bucket_width": "1d"}),
    ],
)
def test_a_query_that_is_not_right_is_refused(get, acme, path, query):
    answer = get(path, SINCE | query)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_query")


# --- Seals -----------------------------------------------------------------------------------------


def test_seals_come_page_by_page_oldest_first(get, two_hours, acme):
    first = get(SEALS, {"limit": 1}, customers=[acme]).json()
    second = get(SEALS, {"limit": 1, "after": first["next"]}, customers=[acme]).json()

    answered = [(one["hour"], one["sha256"]) for page in (first, second) for one in page["seals"]]
    stored = HourSeal.objects.order_by("hour_id")
    assert answered == [(f"{seal.hour_id:%Y-%m-%dT%H:%M:%SZ}", str(seal)) for seal in stored]
    assert second["next"] is None


def test_seals_as_csv_are_a_list_for_the_verification(get, two_hours, tmp_path, capsys):
    answer = get(SEALS, accept="text/csv")
    (tmp_path / "seals.csv").write_bytes(answer.content)

    call_command("verify_books", seals=tmp_path / "seals.csv")

    assert "Compared with 2 seals" in capsys.readouterr().out


def test_seals_tell_nothing_about_another_customer(get, two_hours, globex):
    answer = get(SEALS, customers=[globex])

    assert answer.status_code == 200
    assert b"cme" not in answer.content


def test_a_key_without_the_scope_reads_no_seals(get, two_hours):
    assert get(SEALS, scopes=(Scope.USAGE_WRITE,)).status_code == 403


def test_a_bill_has_the_seal_of_its_closing(get, two_hours):
    bill = HourlyBill.objects.earliest("hour_id")

    assert get(f"{BILLS}/{bill.number}").json()["seal"] == str(HourSeal.objects.get(hour_id=bill.hour_id))
