"""A program follows an amount to its records and a record to its amounts, with a key that may."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.drilldown import downloads
from invoices.drilldown.pagination import AmountCursor, RecordCursor
from invoices.models import ChargeLine
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, record, report
from tests.invoices.browsing import csv_rows
from tests.request_ids import content_without_id
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

BY = "operator@sensenova.example"
READS = ("/api/v1/charge-lines/{}/records", "/api/v1/charge-lines/{}/records.csv")


@pytest.fixture
def get():
    """Ask with a key that may read billing, of everybody or of some customers."""

    def get(path, query=None, *, customers=None, scopes=(Scope.BILLING_READ,)):
        _, text = issue_service_key(name="books", scopes=scopes, customers=customers)
        return Client().get(path, query, headers={"Authorization": f"Bearer {text}"})

    return get


def line(correction="", measure=Measure.INPUT_TOKENS, **filters):
    """The only such charge line."""
    return ChargeLine.objects.select_related("bill").get(correction=correction, measure=measure, **filters)


def records(of):
    """The address of a line's records."""
    return READS[0].format(of.pk)


def problem(answer):
    """The status, the code and what is said of which field."""
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    return answer.status_code, error["code"], {one["field"]: one["reason"] for one in error["details"]}


# --- The records of a line -------------------------------------------------------------------------


def test_a_line_is_answered_with_its_records(get, acme):
    record(report(input_tokens=7))
    close()

    said = get(records(line())).json()

    assert said["records"] == [
        {
            "event_id": "call-1",
            "occurred_at": f"{at(10):%Y-%m-%dT%H:%M:%SZ}",
            "received_at": f"{at(61):%Y-%m-%dT%H:%M:%SZ}",
            "reverses": None,
            "quantity": 7,
            "amount": "0.00028",
        }
    ]
    assert (said["charge_line"]["quantity"], said["charge_line"]["amount"]) == ("7", "0.00028")
    assert (said["charge_line"]["bill"], said["next"]) == (f"{THE_HOUR:%Y%m%dT%HZ}-acme", None)


def test_pages_follow_each_other_without_a_gap(get, acme):
    record(*(report(name, occurred_at=at(10)) for name in "ABCDE"))
    close()
    pages, query = [], {"limit": 2}

    while True:
        said = get(records(line()), query).json()
        pages.append([one["event_id"] for one in said["records"]])
        if said["next"] is None:
            break
        query["after"] = said["next"]

    assert pages == [["A", "B"], ["C", "D"], ["E"]]


def test_pages_by_amount_and_the_file_begin_with_the_dearest_call(get, acme):
    record(
        *(
            report(name, occurred_at=at(10), input_tokens=size)
            for name, size in zip("ABC", (5, 9, 7), strict=True)
        )
    )
    close()
    query = {"limit": 2, "order": "amount"}

    first = get(records(line()), query).json()
    last = get(records(line()), query | {"after": first["next"]}).json()
    file = csv_rows(get(READS[1].format(line().pk), {"order": "amount"}))

    found = [one["event_id"] for one in first["records"] + last["records"]]
    assert found == [row["event_id"] for row in file] == ["B", "C", "A"]
    assert last["next"] is None


def test_a_reversals_records_name_what_they_take_back(get, acme):
    record()
    close()
    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    close(hour=1)

    said = get(records(line("reversal"))).json()

    assert [(one["reverses"], one["quantity"], one["amount"]) for one in said["records"]] == [
        ("call-1", -1000, "-0.04")
    ]
    assert (said["charge_line"]["correction"], said["charge_line"]["corrects"]) == ("reversal", line().pk)


def test_the_file_holds_every_record(get, acme):
    record(*(report(f"{n}", occurred_at=at(n)) for n in range(60)))
    close()

    answer = get(READS[1].format(line().pk))
    found = csv_rows(answer)

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["event_id"] for row in found] == [f"{n}" for n in range(60)]
    assert sum(Decimal(row["amount_rmb"]) for row in found) == line().amount


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=%20 1", "limit"),
        ("limit=", "limit"),
        ("limit=１", "limit"),
        ("limit=1%00", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        ("after=", "after"),
        ("after=%00", "after"),
        ("after=%ff", "after"),
        ("before=x", "before"),
        ("order=dearest", "order"),
        (f"order=amount&after={RecordCursor(THE_HOUR, 'A')}", "after"),
        (f"after={AmountCursor(5, RecordCursor(THE_HOUR, 'A'))}", "after"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_by_name(get, acme, query, field):
    record()
    close()

    status, code, fields = problem(get(f"{records(line())}?{query}"))

    assert (status, code, set(fields)) == (400, "invalid_query", {field})


def test_the_file_takes_no_parameter_but_its_order(get, acme):
    record()
    close()

    assert problem(get(READS[1].format(line().pk), {"limit": "1"}))[2] == {"limit": "is unknown"}


def test_after_the_last_record_comes_nothing(get, acme):
    record()
    close()

    said = get(records(line()), {"after": str(RecordCursor(at(59), "z"))}).json()

    assert (said["records"], said["next"]) == ([], None)


@pytest.mark.parametrize("path", READS)
def test_another_customers_line_looks_like_one_that_does_not_exist(get, acme, globex, path):
    record(report(), report(customer="globex"))
    close()
    own, foreign = (path.format(line(bill__customer=customer).pk) for customer in (acme, globex))

    answers = [get(address, customers=[acme]) for address in (foreign, path.format(0), path.format(10**30))]

    assert {answer.status_code for answer in answers} == {404}
    assert len({content_without_id(answer) for answer in answers}) == 1
    assert get(own, customers=[acme]).getvalue()
    assert get(foreign, customers=[]).status_code == 404
    assert get(foreign).getvalue()


@pytest.mark.parametrize("path", [*READS, "/api/v1/records"])
def test_a_key_needs_the_scope(get, acme, path):
    answer = get(path.format(1), scopes=[Scope.USAGE_WRITE, Scope.CALLS_ADMIT])

    assert problem(answer) == (403, "missing_scope", {})
    assert "billing:read" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", [*READS, "/api/v1/records"])
def test_refusals_are_json_whatever_accept_says(path):
    answer = Client().get(path.format(1), headers={"Accept": "text/html"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_authenticated")


def test_so_many_files_are_written_at_a_time(get, acme, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE_SECONDS", 0)
    record()
    close()

    with downloads._TURNS, downloads._TURNS:
        busy = get(READS[1].format(line().pk))

    assert problem(busy) == (503, "busy", {})
    assert busy.headers["Retry-After"] == "5"


# --- The lines of a record -------------------------------------------------------------------------


def test_a_record_is_answered_with_its_lines(get, acme):
    record(report(metadata={"project": "search"}), report("other"))
    close()

    said = get("/api/v1/records", {"customer": "acme", "event_id": "call-1"}).json()

    assert [(one["charge_line"]["id"], one["quantity"], one["amount"]) for one in said["lines"]] == [
        (line().pk, 1000, "0.04"),
        (line(measure=Measure.OUTPUT_TOKENS).pk, 500, "0.05"),
    ]
    assert (said["standing"], said["bill"], said["amount"]) == ("billed", line().bill.number, "0.09")
    assert (said["input_tokens"], said["metadata"]) == (1000, {"project": "search"})
    assert (said["reverses"], said["reversed_by"], said["corrections"]) == (None, None, [])


def test_a_record_that_was_taken_back_is_answered_with_its_corrections(get, acme):
    record()
    close()
    reversal = reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    close(hour=1)

    said = get("/api/v1/records", {"customer": "acme", "event_id": "call-1"}).json()
    back = get("/api/v1/records", {"customer": "acme", "event_id": reversal.event_id}).json()

    assert [one["amount"] for one in said["corrections"]] == ["-0.04", "-0.05"]
    assert (said["amount"], said["reversed_by"]) == ("0", reversal.event_id)
    assert (back["reverses"], back["metadata"]) == ("call-1", {"reason": "A test run."})


@pytest.mark.parametrize("bound", ["1000000", "0.01"])
def test_a_record_that_is_not_billed_says_why(get, acme, settings, bound):
    settings.PARK_ABOVE_AMOUNT = Decimal(bound)
    record()
    query = {"customer": "acme", "event_id": "call-1"}

    before = get("/api/v1/records", query).json()
    close()
    after = get("/api/v1/records", query).json()

    assert (before["standing"], before["bill"], before["lines"]) == ("open", None, [])
    assert after["standing"] == ("parked" if bound == "0.01" else "billed")


@pytest.mark.parametrize("event_id", ["a/b", "a?b=c&d", "%", " spaced ", "通话", "a\nb", "..", "x" * 255])
def test_a_record_is_found_whatever_its_id(get, acme, event_id):
    record(report(event_id))

    said = get("/api/v1/records", {"customer": "acme", "event_id": event_id}).json()

    assert said["event_id"] == event_id


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"customer", "event_id"}),
        ("customer=acme", {"event_id"}),
        ("customer=acme&event_id=", {"event_id"}),
        ("customer=acme&event_id=a%00b", {"event_id"}),
        ("customer=a%00b&event_id=a", {"customer"}),
        (f"customer=acme&event_id={'x' * 256}", {"event_id"}),
        ("customer=acme&event_id=a&event_id=b", {"event_id"}),
        ("customer=acme&event_id=a&page=1", {"page"}),
    ],
)
def test_a_record_is_asked_for_by_customer_and_id(get, acme, query, fields):
    status, code, named = problem(get(f"/api/v1/records?{query}"))

    assert (status, code, set(named)) == (400, "invalid_query", fields)


def test_another_customers_record_looks_like_one_that_does_not_exist(get, acme, globex):
    record(report(customer="globex"))

    answers = [
        get("/api/v1/records", {"customer": customer, "event_id": event_id}, customers=[acme])
        for customer, event_id in [("globex", "call-1"), ("acme", "call-1"), ("nobody", "x"), ("globex", "x")]
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({content_without_id(answer) for answer in answers}) == 1
    assert get("/api/v1/records", {"customer": "globex", "event_id": "call-1"}).status_code == 200
    assert get("/api/v1/records", {"customer": "nobody", "event_id": "x"}).status_code == 404


@pytest.mark.parametrize(("outcome", "words"), [("failed", "the call failed"), ("cut", "was cut off")])
def test_a_call_that_was_not_completed_is_shown_as_not_charged(outcome, words, get, acme, alice_client):
    record(report(outcome=outcome))

    said = get("/api/v1/records", {"customer": "acme", "event_id": "call-1"}).json()
    page = alice_client.get("/customers/acme/records", {"event_id": "call-1"}).content.decode()

    assert (said["outcome"], said["standing"], said["lines"]) == (outcome, "not charged", [])
    assert "Not charged" in page
    assert words in " ".join(page.split())
