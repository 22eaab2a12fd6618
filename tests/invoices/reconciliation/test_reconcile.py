"""A sender's file and our records are compared call by call, and each difference has its amount."""

import csv
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from invoices.reconciliation.usage_file import UnreadableFile, UsageFile
from pricing.models import Service, ServiceAlias
from tests.builders import at, price, record, report
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

HEAD = "event_id,service,occurred_at,input_tokens,output_tokens"


@pytest.fixture
def four_calls(acme):
    """Four calls of 1,000 + 500 tokens of SenseChat-5, which are 0.04 + 0.05 RMB each."""
    record(*(report(f"call-{number}", occurred_at=at(number)) for number in range(4)))
    return acme


@pytest.fixture
def reconcile(tmp_path):
    """Compare these lines with Acme's hour; return the exit status, the words and the written rows."""

    def run(*lines, head=HEAD, customer="acme", begin=None, end=None):
        file, out, said = tmp_path / "theirs.csv", tmp_path / "out.csv", StringIO()
        file.write_text("\n".join([head, *lines, ""]))
        span = ("--from", f"{begin or at(0):%Y-%m-%dT%H:%M%z}", "--to", f"{end or at(60):%Y-%m-%dT%H:%M%z}")
        status = 0
        try:
            call_command(
                "reconcile", str(file), "--customer", customer, *span, "--out", str(out), stdout=said
            )
        except CommandError as error:
            status, words = error.returncode, str(error)
            said.write(words)
        rows = list(csv.DictReader(out.read_text("utf-8-sig").splitlines())) if out.exists() else []
        return status, said.getvalue(), rows

    return run


def line(number, *, tokens="1000,500", service="SenseChat-5"):
    return f"call-{number},{service},{at(number):%Y-%m-%dT%H:%M:%SZ},{tokens}"


def differences(rows):
    return [(row["difference"], row["event_id"], row["amount_rmb"]) for row in rows]


def test_sides_that_agree_have_no_difference(four_calls, reconcile):
    status, said, rows = reconcile(*(line(number) for number in range(4)))

    assert (status, rows) == (0, [])
    assert "4 lines, 4 agree." in said


def test_each_difference_has_its_kind_and_its_amount(four_calls, reconcile):
    status, said, rows = reconcile(line(0), line(1, tokens="2000,500"), line(3), line(7))

    assert status == 1
    assert differences(rows) == [
        ("different", "call-1", "0.04"),
        ("missing here", "call-7", "0.09"),
        ("missing there", "call-2", "-0.09"),
    ]
    assert "missing there: 1, -0.09 RMB" in said
    assert "4 lines, 2 agree." in said


def test_amounts_are_at_the_prices_of_the_time_and_of_the_customer(four_calls, reconcile):
    price("SenseChat-5", "input_tokens", "0.01", begins_at=at(5), customer=four_calls)

    _, _, rows = reconcile(*(line(number) for number in range(4)), line(9))

    assert differences(rows) == [("missing here", "call-9", "0.06")]


def test_a_call_that_was_reversed_here_is_said(four_calls, reconcile):
    reverse_record(customer=four_calls, event_id="call-0", reason="Twice.", by="a@b.example", now=at(30))

    _, _, rows = reconcile(*(line(number) for number in range(4)))

    assert differences(rows) == [("reversed here", "call-0", "0.09")]


def test_a_call_of_the_file_is_found_outside_of_the_span(four_calls, reconcile):
    status, _, _ = reconcile(*(line(number) for number in range(4)), begin=at(2))

    assert status == 0


def test_calls_of_another_customer_are_missing_here(four_calls, globex, reconcile):
    _, _, rows = reconcile(line(0), customer="globex")

    assert differences(rows) == [("missing here", "call-0", "0.09")]


def test_without_service_and_time_a_missing_call_has_no_amount(four_calls, reconcile):
    known = [f"call-{number},1000" for number in range(4)]

    _, said, rows = reconcile("call-7,1000", *known, head="event_id,input_tokens")

    assert differences(rows) == [("missing here", "call-7", "")]
    assert "Of 1 the amount is not known" in said


def test_an_alias_is_the_service(four_calls, reconcile):
    ServiceAlias.objects.create(alias="sc5", service=Service.objects.get(name="SenseChat-5"))

    _, _, rows = reconcile(*(line(number) for number in range(4)), line(7, service="sc5"))

    assert differences(rows) == [("missing here", "call-7", "0.09")]


def test_nothing_is_changed(four_calls, reconcile):
    before = list(UsageRecord.objects.order_by("event_id").values())

    reconcile(line(7))

    assert list(UsageRecord.objects.order_by("event_id").values()) == before


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((HEAD, "a,b"), "Line 2 has 2 columns, the head 5."),
        ((HEAD, ",SenseChat-5,,1,1"), "Line 2 has no event id"),
        ((HEAD, "a,SenseChat-5,,1_0,1"), "Line 2: input_tokens is '1_0', which"),
        ((HEAD, "a,SenseChat-5,,-1,1"), "Line 2: input_tokens is '-1', which"),
        ((HEAD, "a,SenseChat-5,,9007199254740993,1"), "Line 2: input_tokens is more than"),
        ((HEAD, "a,SenseChat-5,2026-03-02T10:00:00,1,1"), "lacks an offset"),
        ((HEAD, "a,SenseChat-5,yesterday,1,1"), "is no time"),
        (("event_id,tokens", "a,1"), "The head must name event_id and a measure"),
        (("event_id,input_tokens,input_tokens", "a,1,1"), "names a column twice"),
        ((), "The head must name event_id and a measure"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(lines, words):
    with pytest.raises(UnreadableFile) as refused:
        list(UsageFile([f"{one}\n" for one in lines]).rows())
    assert words in str(refused.value)


def test_an_id_that_stands_twice_is_refused(four_calls, reconcile):
    status, said, _ = reconcile(line(0), line(0))

    assert (status, "'call-0' stands there twice" in said) == (2, True)


def test_an_unknown_customer_and_a_span_without_end_are_refused(four_calls, reconcile):
    assert reconcile(line(0), customer="nobody")[0] == 2
    assert reconcile(line(0), begin=at(60), end=at(60))[0] == 2


def test_the_sums_are_those_of_the_bill(four_calls, reconcile):
    _, _, rows = reconcile()

    assert sum(Decimal(row["amount_rmb"]) for row in rows) == -4 * Decimal("0.09")
