"""An admin follows a charge line to its records, and finds a record and its lines."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import User
from invoices.drilldown import forms
from invoices.models import ChargeLine, HourlyBill
from tests.builders import at, close, record, report
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

FIND = "admin:invoices_chargeline_changelist"
BY = "operator@sensenova.example"


def text(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def line(correction="", measure="input_tokens"):
    """The only such charge line."""
    return ChargeLine.objects.get(correction=correction, measure=measure)


def page(of):
    """The address of a line's page."""
    return reverse("admin:invoices_chargeline_change", args=[of.pk])


def find(client, event_id, customer="acme"):
    return client.get(reverse(FIND), {"customer": customer, "event_id": event_id})


def test_a_bill_links_each_line_to_its_records(operator_client, acme):
    record()
    close()

    bill = operator_client.get(
        reverse("admin:invoices_hourlybill_change", args=[HourlyBill.objects.get().pk])
    )
    answer = operator_client.get(page(line()))

    assert f'href="{page(line())}"' in bill.content.decode()
    assert f"{at(10):%Y-%m-%d %H:%M:%S.%f} call-1" in text(answer)
    assert "Quantity 1,000 Amount (RMB) 0.04" in text(answer)


def test_a_lines_records_are_paged_and_downloaded(operator_client, acme, monkeypatch):
    monkeypatch.setattr(forms, "RECORDS_A_PAGE", 2)
    record(*(report(name, occurred_at=at(10)) for name in "ABC"))
    close()

    newest = operator_client.get(page(line()))
    (older,) = re.findall(r'href="(\?older_than=[^"]*)"', newest.content.decode())
    oldest = operator_client.get(page(line()) + older)
    file = operator_client.get(reverse("admin:invoices_chargeline_records", args=[line().pk]))

    pages = [[one.event_id for one in answer.context["page"].records] for answer in (newest, oldest)]
    assert pages == [["C", "B"], ["A"]]
    assert len(file.getvalue().decode().splitlines()) == 4


def test_a_correction_and_what_it_corrects_link_to_each_other(operator_client, acme):
    record()
    close()
    reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(70))
    close(hour=1)

    correction, corrected = operator_client.get(page(line("reversal"))), operator_client.get(page(line()))

    assert page(line()) in correction.content.decode()
    assert page(line("reversal")) in corrected.content.decode()


@pytest.mark.parametrize("event_id", ["call-1", "a/b c?d=e&f", "<script>", "../.."])
def test_a_record_is_found_with_its_lines(operator_client, acme, event_id):
    record(report(event_id, metadata={"project": "<b>search"}))
    close()

    answer = find(operator_client, event_id)

    assert answer.context["found"].record.event_id == event_id
    assert page(line()) in answer.content.decode()
    assert "<script>," not in answer.content.decode()
    assert "&lt;b&gt;search" in answer.content.decode()


def test_a_record_that_was_taken_back_says_by_whom_and_why(operator_client, acme):
    record()
    close()
    reversal = reverse_record(customer=acme, event_id="call-1", reason="A test run.", by=BY, now=at(70))

    call, taken_back = find(operator_client, "call-1"), find(operator_client, reversal.event_id)

    assert f"Reversed by {reversal.event_id} State of the reversal not billed yet" in text(call)
    assert f"By {BY} Reason A test run." in text(taken_back)


def test_a_record_that_is_parked_says_why(operator_client, acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal("0.01")
    record()
    close()

    assert "Parked because 0.09 RMB in an hour is more than 0.01 RMB." in text(
        find(operator_client, "call-1")
    )


@pytest.mark.parametrize("asked", [("acme", "nothing"), ("nobody", "call-1"), ("globex", "call-1")])
def test_a_record_that_is_not_there_is_said_so(operator_client, acme, globex, asked):
    record()

    assert "There is no such record." in text(find(operator_client, asked[1], asked[0]))


@pytest.mark.parametrize("asked", [{"customer": "acme"}, {"event_id": "a\0b", "customer": "acme"}])
def test_what_cannot_be_looked_for_is_said_at_the_field(operator_client, asked):
    answer = operator_client.get(reverse(FIND), asked)

    assert (answer.status_code, "alert" in answer.content.decode()) == (200, True)


@pytest.mark.parametrize("pk", ["0", "x", "9" * 30])
def test_a_line_that_is_not_there_is_404(operator_client, pk):
    assert operator_client.get(reverse("admin:invoices_chargeline_change", args=[pk])).status_code == 404


def test_a_line_can_be_read_but_not_changed(operator_client, acme):
    record()
    close()

    assert operator_client.get(reverse("admin:invoices_chargeline_add")).status_code == 403
    assert (
        operator_client.post(
            reverse("admin:invoices_chargeline_delete", args=[line().pk]), {"post": "yes"}
        ).status_code
        == 403
    )
    operator_client.post(page(line()), {"quantity": "7"})
    assert line().quantity == 1000


def test_staff_need_the_right_to_view_lines(client, acme):
    record()
    close()
    client.force_login(
        User.objects.create_user("clerk@sensenova.example", is_staff=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )

    paths = [reverse(FIND), page(line()), reverse("admin:invoices_chargeline_records", args=[line().pk])]

    assert [client.get(path).status_code for path in paths] == [403, 403, 403]
