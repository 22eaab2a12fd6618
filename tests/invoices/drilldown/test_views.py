"""The pages on which a customer follows an amount to its calls, and a call to its amounts."""

import datetime as dt
import re
from contextlib import ExitStack
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import Member
from invoices.corrections.rerate import order_rerating
from invoices.drilldown import downloads, forms
from invoices.drilldown.pagination import RecordCursor
from invoices.models import ChargeLine, HourlyBill
from pricing.files.csv import unescaped
from pricing.models import Price
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, item, record, report
from tests.invoices.browsing import csv_rows
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

BY = "operator@sensenova.example"
# Whatever a sender may think of; all of it comes back out of an address.
ODD_IDS = (
    "a/b",
    "a?b=c&d",
    "100%",
    "#",
    " spaced ",
    "Zürich 通话",
    "a\nb",
    "<b>",
    "..",
    "Z",
    "=1+1",
    "'",
    '"',
)


@pytest.fixture
def pages_of_two(monkeypatch):
    """A page holds two records."""
    monkeypatch.setattr(forms, "RECORDS_A_PAGE", 2)


def line(correction="", measure=Measure.INPUT_TOKENS, **filters):
    """The only such charge line."""
    return ChargeLine.objects.select_related("bill").get(correction=correction, measure=measure, **filters)


def path(of, name="charge_line"):
    """The address of a line's page, or of its file."""
    return reverse(name, args=[of.bill.number, of.pk])


def text(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def shown(answer):
    """The event ids on a line's page, in order."""
    return [record.event_id for record in answer.context["page"].records]


def link(answer, words):
    """The address behind these words, which must be a link."""
    (found,) = re.findall(rf'href="([^"]*)"[^>]*>{words}</a>', answer.content.decode())
    return found.replace("&amp;", "&")


def find(client, event_id, code="acme"):
    return client.get(reverse("customer_record", args=[code]), {"event_id": event_id})


def reverse_call(acme, event_id="call-1"):
    """Take this call back while the hour after THE_HOUR runs."""
    return reverse_record(customer=acme, event_id=event_id, reason="A test run.", by=BY, now=at(70))


# --- A charge line ---------------------------------------------------------------------------------


def test_each_line_of_a_bill_links_to_its_calls(alice_client, acme):
    record()
    close()

    bill = alice_client.get(reverse("bill", args=[HourlyBill.objects.get().number]))
    calls = alice_client.get(link(bill, "Input tokens"))

    assert shown(calls) == ["call-1"]
    assert "SenseChat-5: input tokens" in text(calls)
    assert "Quantity 1,000 Amount (RMB) 0.04" in text(calls)


def test_calls_are_paged_by_key_from_newest_to_oldest_and_back(alice_client, acme, pages_of_two):
    record(*(report(name, occurred_at=at(10)) for name in "ABCDE"))
    close()
    url = path(line())

    pages = [alice_client.get(url)]
    for words in ("Older", "Older", "Newer", "Newest", "Oldest"):
        pages.append(alice_client.get(url + link(pages[-1], words)))

    assert [shown(page) for page in pages] == [
        ["E", "D"], ["C", "B"], ["A"], ["C", "B"], ["E", "D"], ["B", "A"]
    ]  # fmt: skip
    assert "Newer" not in text(pages[0])
    assert "Older" not in text(pages[2]) + text(pages[5])


@pytest.fixture
def unlike_calls(acme):
    """Five calls on one line, two of them as dear as each other."""
    sizes = {"A": 5, "B": 9, "C": 1, "D": 9, "E": 7}
    record(*(report(name, occurred_at=at(10), input_tokens=size) for name, size in sizes.items()))
    close()


def test_calls_are_paged_by_amount_from_the_dearest_to_the_cheapest_and_back(
    alice_client, unlike_calls, pages_of_two
):
    url = path(line())

    pages = [alice_client.get(url)]
    for words in ("Largest amount first", "Smaller", "Smaller", "Larger", "Larger", "Smaller", "Largest"):
        pages.append(alice_client.get(url + link(pages[-1], words)))

    assert [shown(page) for page in pages[1:]] == [
        ["B", "D"], ["E", "A"], ["C"], ["E", "A"], ["B", "D"], ["E", "A"], ["B", "D"]
    ]  # fmt: skip
    assert "Larger" not in text(pages[5]) + text(pages[7])
    assert "Smaller" not in text(pages[3])


def test_a_bill_leads_to_the_dearest_calls_of_a_line_and_they_to_their_file(alice_client, unlike_calls):
    bill = alice_client.get(reverse("bill", args=[HourlyBill.objects.get().number]))

    page = alice_client.get(path(line()) + "?order=amount")
    rows = csv_rows(alice_client.get(link(page, "Download the records .CSV.")))

    assert f'href="{path(line())}?order=amount"' in bill.content.decode()
    assert [row["event_id"] for row in rows] == shown(page) == ["B", "D", "E", "A", "C"]


def test_of_a_credit_the_calls_that_credit_the_most_come_first(alice_client, acme, unlike_calls):
    for event_id in "ABC":
        reverse_call(acme, event_id)
    close(hour=1)

    answer = alice_client.get(path(line("reversal")) + "?order=amount")

    assert [record.reverses for record in answer.context["page"].records] == ["B", "A", "C"]


def test_a_page_by_amount_neither_counts_nor_skips(alice_client, unlike_calls, django_assert_max_num_queries):
    with django_assert_max_num_queries(9) as asked:
        alice_client.get(path(line()) + "?order=amount")

    assert not any("OFFSET" in query["sql"] or "COUNT(" in query["sql"] for query in asked.captured_queries)


def test_no_page_counts_or_skips(alice_client, acme, django_assert_max_num_queries):
    record(*(report(f"{n}", occurred_at=at(n % 60)) for n in range(250)))
    close()

    with django_assert_max_num_queries(9) as asked:
        answer = alice_client.get(path(line()))

    assert len(shown(answer)) == 100
    assert not any("OFFSET" in query["sql"] or "COUNT(" in query["sql"] for query in asked.captured_queries)


@pytest.mark.parametrize("asked", ["after=x", "before=MjAyNg", "after=%00"])
def test_a_page_by_amount_that_does_not_exist_is_said_so(alice_client, acme, asked):
    record()
    close()

    answer = alice_client.get(f"{path(line())}?order=amount&{asked}")

    assert answer.status_code == 400
    assert "the calls with the largest amounts" in text(answer)


@pytest.mark.parametrize(
    "asked", ["older_than=x", "newer_than=MjAyNg", "older_than=%00", "oldest=2", "order=x"]
)
def test_a_page_that_does_not_exist_is_said_so(alice_client, acme, asked):
    record()
    close()

    answer = alice_client.get(f"{path(line())}?{asked}")

    assert answer.status_code == 400
    assert "a page that does not exist" in text(answer)
    assert shown(answer) == ["call-1"]


def test_beyond_the_last_page_is_a_way_back(alice_client, acme):
    record()
    close()

    answer = alice_client.get(path(line()), {"older_than": str(RecordCursor(THE_HOUR, "0"))})

    assert "There are no calls beyond this page." in text(answer)


def test_a_correction_and_the_line_that_it_corrects_link_to_each_other(alice_client, acme):
    record()
    close()
    reverse_call(acme)
    close(hour=1)

    correction = alice_client.get(path(line("reversal")))
    corrected = alice_client.get(link(correction, line().bill.number))

    assert "Calls -1 Quantity -1,000 Amount (RMB) -0.04" in text(correction)
    assert "call-1" in text(correction)
    assert link(corrected, line("reversal").bill.number) == path(line("reversal"))


def test_a_rerated_line_shows_the_calls_of_the_line_that_it_corrects(alice_client, acme):
    record()
    close()
    order_rerating(
        price=Price.objects.get(billing_item=item("SenseChat-5", "input_tokens")),
        from_hour=THE_HOUR,
        until_hour=at(60),
        unit_price=Decimal("0.03"),
        reason="The price list said so.",
        by=BY,
        now=at(70),
    )
    close(hour=1)

    answer = alice_client.get(path(line("taken_back")))

    assert shown(answer) == ["call-1"]
    assert "-1,000 -0.04" in text(answer)


def test_a_line_is_found_on_its_own_bill_only(alice_client, bob_client, acme, globex):
    record(report(), report(customer="globex"))
    close()
    own, foreign = (line(bill__customer=customer) for customer in (acme, globex))

    answers = [
        alice_client.get(reverse(name, args=[number, pk]))
        for name in ("charge_line", "charge_line_csv")
        for number, pk in [
            (own.bill.number, foreign.pk),
            (foreign.bill.number, foreign.pk),
            (foreign.bill.number, own.pk),
            (own.bill.number, 0),
            (own.bill.number, 10**30),
        ]
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert bob_client.get(path(foreign)).status_code == 200


# --- Its file --------------------------------------------------------------------------------------


def test_the_file_holds_every_call_and_adds_up_to_the_line(alice_client, acme):
    record(*(report(f"{n:02}", occurred_at=at(n), input_tokens=n) for n in range(1, 60)))
    close()

    answer = alice_client.get(path(line(), "charge_line_csv"))
    found = csv_rows(answer)

    name = f"{line().bill.number}-line-{line().pk}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["event_id"] for row in found] == [f"{n:02}" for n in range(1, 60)]
    assert sum(int(row["quantity"]) for row in found) == line().quantity
    assert sum(Decimal(row["amount_rmb"]) for row in found) == line().amount


def test_a_row_of_the_file(alice_client, acme):
    record(report(input_tokens=7))
    close()

    (row,) = csv_rows(alice_client.get(path(line(), "charge_line_csv")))

    assert row == {
        "bill": line().bill.number,
        "customer": "acme",
        "charge_line": str(line().pk),
        "service": "SenseChat-5",
        "billing_item": "Input tokens",
        "event_id": "call-1",
        "occurred_local": f"{at(10) + dt.timedelta(hours=8):%Y-%m-%d %H:%M:%S.%f}",
        "occurred_utc": f"{at(10):%Y-%m-%dT%H:%M:%S.%fZ}",
        "received_local": f"{at(61) + dt.timedelta(hours=8):%Y-%m-%d %H:%M:%S.%f}",
        "received_utc": f"{at(61):%Y-%m-%dT%H:%M:%S.%fZ}",
        "time_zone": "Asia/Shanghai",
        "reverses": "",
        "quantity": "7",
        "unit_price_rmb": "0.04",
        "unit_size": "1000",
        "amount_rmb": "0.00028",
        "covered_by": "",
    }


@pytest.mark.parametrize("event_id", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx"])
def test_the_file_holds_no_formula(alice_client, acme, event_id):
    record(report(event_id))
    close()
    reverse_call(acme, event_id)
    close(hour=1)

    (call,) = csv_rows(alice_client.get(path(line(), "charge_line_csv")))
    (reversal,) = csv_rows(alice_client.get(path(line("reversal"), "charge_line_csv")))

    assert call["event_id"] == reversal["reverses"] == f"'{event_id}"
    assert reversal["quantity"] == "-1000"  # a number, not a formula


def test_two_event_ids_are_never_one_cell(alice_client, acme):
    ids = ["''=1+1", "'=1+1", "=1+1"]
    record(*(report(event_id) for event_id in ids))
    close()

    cells = [row["event_id"] for row in csv_rows(alice_client.get(path(line(), "charge_line_csv")))]

    assert sorted(cells) == sorted(f"'{event_id}" for event_id in ids)
    assert sorted(map(unescaped, cells)) == sorted(ids)


@pytest.mark.parametrize("event_id", [odd for odd in ODD_IDS if odd[0] not in "=+-@"])
def test_the_file_holds_event_ids_as_they_are(alice_client, acme, event_id):
    record(report(event_id))
    close()

    (row,) = csv_rows(alice_client.get(path(line(), "charge_line_csv")))

    assert row["event_id"] == event_id


def test_a_file_that_fails_on_the_way_is_no_file(alice_client, acme):
    record()
    close()
    alice_client.raise_request_exception = False
    url = path(line(), "charge_line_csv")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE usage_usagerecord RENAME COLUMN received_at TO arrived_at")

    answer = alice_client.get(url)

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")


def test_so_many_files_are_written_at_a_time_and_others_are_asked_to_come_again(
    alice_client, acme, monkeypatch
):
    monkeypatch.setattr(downloads, "PATIENCE_SECONDS", 0)
    record()
    close()
    url = path(line(), "charge_line_csv")

    with ExitStack() as others:
        for _ in range(downloads.AT_A_TIME):
            others.enter_context(downloads._TURNS)
        busy = alice_client.get(url)
    afterwards = alice_client.get(url)

    assert (busy.status_code, "try again in a minute" in text(busy)) == (503, True)
    assert len(csv_rows(afterwards)) == 1


# --- A call ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_id", ODD_IDS)
def test_a_call_is_found_by_whatever_id_it_has(alice_client, acme, event_id):
    record(report(event_id), report("another"))
    close()

    calls = alice_client.get(path(line()))
    links = re.findall(r'href="([^"]*event_id=[^"]*)"', calls.content.decode())
    answers = [find(alice_client, event_id), *map(alice_client.get, links)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.context["found"].record.event_id for answer in answers} == {event_id, "another"}


def test_a_call_leads_to_the_lines_on_which_it_is_billed(alice_client, acme):
    record(report(metadata={"project": "search"}), report("other"))
    close()

    answer = find(alice_client, "call-1")

    assert "Input tokens 1,000 Output tokens 500 project search" in text(answer)
    assert f"Input tokens {line().bill.number} 1,000 0.04 thousand tokens 0.04" in text(answer)
    assert "Total 0.09" in text(answer)
    assert shown(alice_client.get(link(answer, "Input tokens"))) == ["other", "call-1"]


def test_a_call_that_was_taken_back_shows_why_but_not_by_whom(alice_client, acme):
    record(report())
    close()
    reversal = reverse_call(acme)
    waiting = text(find(alice_client, "call-1"))
    close(hour=1)

    answer = find(alice_client, "call-1")

    assert "The call is reversed; the credit will be on the bill of" in waiting
    assert f"Reversed by {reversal.event_id} A test run." in text(answer)
    assert "Net total 0.00" in text(answer)
    assert BY not in text(answer) + text(find(alice_client, reversal.event_id))


def test_a_call_of_an_open_hour_is_not_billed_yet(alice_client, acme):
    record()

    assert "Not billed yet: its hour, " in text(find(alice_client, "call-1"))


def test_a_call_that_is_parked_is_held_back_for_a_check(alice_client, acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record()
    close()

    answer = text(find(alice_client, "call-1"))

    assert "is under review" in answer
    assert "is more than" not in answer  # the reason is ours


def test_before_a_call_is_looked_for_there_is_the_form_only(alice_client, acme):
    answer = alice_client.get(reverse("customer_record", args=["acme"]))

    assert "exactly as it was sent" in text(answer)
    assert "alert" not in answer.content.decode()


@pytest.mark.parametrize("event_id", ["", "a\0b", "x" * 256])
def test_what_can_be_no_event_id_is_said_at_the_form(alice_client, acme, event_id):
    answer = find(alice_client, event_id)

    assert answer.status_code == 400
    assert "No search was made." in text(answer)


def test_another_customers_call_looks_like_one_that_does_not_exist(alice_client, acme, globex):
    record(report("globex's", customer="globex"))

    foreign, absent = find(alice_client, "globex's"), find(alice_client, "nobody's")

    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert text(foreign).replace("globex&#x27;s", "") == text(absent).replace("nobody&#x27;s", "")
    assert find(alice_client, "globex's", code="globex").status_code == 404


def test_who_acts_for_two_customers_finds_a_call_under_its_own_only(alice_client, alice, acme, globex):
    Member.objects.create(customer=globex, user=alice)
    record(report("globex's", customer="globex"))

    answers = [find(alice_client, "globex's", code=code).status_code for code in ("acme", "globex")]

    assert answers == [404, 200]


# --- Keys of pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("event_id", [*ODD_IDS, "x" * 255])
def test_a_key_is_read_as_it_was_written(event_id):
    key = RecordCursor(at(10), event_id)

    assert RecordCursor.read(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "====",
        "MjAyNg",
        "MjAyNi0xMS0yNVQwNzoxMDowMFo",
        str(RecordCursor(at(10), "a")) + "=",
        " ",
    ],
)
def test_what_was_not_written_as_a_key_is_refused(text):
    with pytest.raises(ValueError, match=r"key|isoformat"):
        RecordCursor.read(text)
