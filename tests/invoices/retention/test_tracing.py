"""From a bill to its calls and from a call to its bill, where the calls are archived."""

import pytest
from django.urls import reverse as address

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.books.verify import verify_books
from invoices.corrections.rerate import order_rerating
from invoices.drilldown.trace.records import trace_record
from invoices.models import ChargeLine, HourlyBill
from invoices.reconciliation.compare import reconcile
from invoices.reconciliation.usage_file import UnreadableFile, UsageFile
from tests.builders import THE_HOUR, at, commit
from tests.invoices.browsing import text
from tests.invoices.retention.builders import archive, close_and_sum_up, restore, reverse, span
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

BILL = f"{THE_HOUR:%Y%m%dT%HZ}-acme"


def line():
    """A line with the two calls of Acme's in THE_HOUR."""
    return ChargeLine.objects.filter(bill__number=BILL).earliest("pk")


def test_a_customers_pages_say_that_calls_are_archived_and_where_they_are_billed(
    books, alice_client, bob_client
):
    archive()
    of_line = address("charge_line", args=[BILL, line().pk])
    of_call = address("customer_record", args=["acme"]) + "?event_id=call-2"

    assert "The calls behind this line are archived" in text(alice_client.get(of_line))
    assert alice_client.get(address("charge_line_csv", args=[BILL, line().pk])).status_code == 410
    assert BILL in text(alice_client.get(of_call))
    assert (bob_client.get(of_line).status_code, bob_client.get(of_call).status_code) == (404, 404)


def test_the_admin_names_the_file_and_how_to_restore_it(books, operator_client, folder):
    made = archive()
    pages = [
        address("admin:invoices_chargeline_change", args=[line().pk]),
        address("admin:invoices_chargeline_changelist") + "?customer=acme&event_id=call-2",
        address("usage_record") + "?customer=acme&event_id=call-2",
    ]

    for page in pages:
        shown = text(operator_client.get(page))
        assert f"4 records of {THE_HOUR:%Y-%m-%d} (UTC) are in the file {made.file}." in shown
        assert "manage.py restore_usage" in shown
    (folder / made.file).unlink()
    assert "This machine does not have the file" in text(operator_client.get(pages[0]))
    assert "call-2" in text(operator_client.get(address("admin_search"), {"q": "call-2"}))


def test_the_admin_lists_archives_and_changes_none(books, operator_client, folder):
    made = archive()
    listed = address("admin:usage_usagearchive_changelist")
    page = address("admin:usage_usagearchive_change", args=[made.pk])

    before = text(operator_client.get(listed))
    assert made.file in before
    assert "as archived" in before
    assert f"manage.py restore_usage {made.file}" in text(operator_client.get(page))
    (folder / made.file).rename(folder / "elsewhere")
    assert "not on this machine" in text(operator_client.get(listed))
    (folder / "elsewhere").rename(folder / made.file)
    restore(made)
    assert "no longer needed" in text(operator_client.get(listed))
    assert operator_client.get(address("admin:usage_usagearchive_add")).status_code == 403


def test_the_api_answers_410_with_the_bill(books, acme, client):
    archive()
    _, secret = issue_service_key(name="reader", scopes=[Scope.BILLING_READ], customers=[acme])

    for path in (
        f"/api/v1/charge-lines/{line().pk}/records",
        f"/api/v1/charge-lines/{line().pk}/records.csv",
        "/api/v1/records?customer=acme&event_id=call-1",
    ):
        answer = client.get(path, headers={"authorization": f"Bearer {secret}"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["details"][0]["bill"]) == (410, "archived", BILL)
    foreign = "/api/v1/records?customer=globex&event_id=call-1"
    assert client.get(foreign, headers={"authorization": f"Bearer {secret}"}).status_code == 404


def test_a_reversal_of_an_archived_call_is_traced_to_its_lines(books, acme):
    reversal = reverse("call-1")
    close_and_sum_up()

    def traced():
        found = trace_record(customer=acme, event_id=reversal.event_id)
        assert found
        return found.billing_state, found.lines, found.amount

    before = traced()
    first = archive()
    assert traced() == before

    archive(span(2, 1))
    restore(first)
    assert trace_record(customer=acme, event_id="call-1") is None  # its reversal is archived


def test_a_bill_says_how_many_of_its_records_were_reversals(books, alice_client):
    reverse("call-1")
    close_and_sum_up()
    number = HourlyBill.objects.get(hour=at(120)).number
    before = text(alice_client.get(page_of(number)))

    archive(span(2, 1))

    assert "and 1 reversed" in before
    assert "and 1 reversed" in text(alice_client.get(page_of(number)))


def page_of(number):
    """The page of a bill."""
    return address("bill", args=[number])


def test_re_rating_an_archived_hour_reads_lines_and_verifies(books):
    wrong = line().price
    archive()

    order_rerating(
        price=wrong, from_hour=THE_HOUR, until_hour=at(60), unit_price=wrong.unit_price * 2,
        reason="It was wrong.", by="operator", now=at(130),
    )  # fmt: skip
    close_and_sum_up()

    rerated = ChargeLine.objects.exclude(rerating=None)
    assert {each.records for each in rerated} == {0}
    assert sum(each.amount for each in rerated.filter(bill__customer__code="acme")) == line().amount
    assert verify_books().findings.first == []


def test_reconciling_names_the_archive_that_it_needs(books, acme):
    made = archive()

    def compare(event_id, begin, end):
        file = UsageFile(["event_id,input_tokens", f"{event_id},1000"])
        return reconcile(file=file, customer=acme, begin=begin, end=end, on_difference=lambda found: None)

    for event_id, begin, end in [("x", at(0), at(60)), ("call-1", at(200), at(260))]:
        with pytest.raises(UnreadableFile, match=made.file):
            compare(event_id, begin, end)
    commit()
    assert compare("x", at(200), at(260)).lines == 1
    assert not UsageRecord.objects.exists()
