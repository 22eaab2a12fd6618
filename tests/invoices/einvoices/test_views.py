"""Owners and finance request tax invoices in the browser, and see what became of them."""

import pytest

from accounts.models import Member, MemberRole
from invoices.einvoices.requests import record_red_letter, refuse_einvoice
from invoices.models import EInvoiceRequest
from invoices.statements.issue import correct_statement
from tests.builders import at
from tests.invoices.browsing import text
from tests.invoices.einvoices.builders import (
    CLERK,
    ISSUED_ON,
    NUMBER,
    issued,
    requested,
    stated,
    with_tax_data,
)

pytestmark = pytest.mark.django_db

LIST, NEW = "/customers/acme/einvoices", "/customers/acme/einvoices/new"


def one(request):
    return f"{LIST}/{request.pk}"


@pytest.mark.parametrize("role", [MemberRole.OWNER, MemberRole.FINANCE])
def test_statements_are_ticked_and_their_invoice_requested(alice_client, acme, role):
    Member.objects.update(role=role)
    with_tax_data(acme)
    march, april = stated(acme), stated(acme, 4)

    offer = text(alice_client.get(NEW))
    answer = alice_client.post(
        NEW, {"statements": [march.number, april.number], "remarks": "PO 4711"}, follow=True
    )

    assert ("上海港口书店有限公司" in offer, "special VAT e-invoice of China" in offer) == (True, True)
    made = EInvoiceRequest.objects.get()
    assert f"{made.number} is requested;" in text(answer)
    assert "RMB 212.00" in text(answer)
    assert (made.remarks, made.requested_by) == ("PO 4711", "alice@acme.example")
    assert f"{march.number}, {april.number} 212.00 requested" in text(alice_client.get(LIST))


def test_without_tax_data_the_page_leads_to_where_they_are_given(alice_client, acme):
    march = stated(acme)

    page = alice_client.get(NEW)
    assert "The company name is missing." in text(page)
    assert 'href="/customers/acme/settings"' in page.content.decode()
    assert "Request the invoice" not in text(page)
    assert alice_client.post(NEW, {"statements": [march.number]}).status_code == 400
    assert not EInvoiceRequest.objects.exists()


def test_a_statement_that_was_requested_meanwhile_is_named(alice_client, acme):
    with_tax_data(acme)
    march = stated(acme)
    requested(acme, march)
    stated(acme, 4)

    answer = alice_client.post(NEW, {"statements": [march.number]})

    assert (answer.status_code, f"{march.number} cannot be requested any more." in text(answer)) == (
        400,
        True,
    )
    assert "Choose a statement." in text(alice_client.post(NEW, {}))


def test_what_waits_is_withdrawn_and_what_is_issued_is_not(alice_client, acme):
    with_tax_data(acme)
    made, other = requested(acme), issued(requested(acme, stated(acme, 4)))

    assert "is withdrawn." in text(alice_client.post(f"{one(made)}/withdraw", follow=True))
    assert "issued already" in text(alice_client.post(f"{one(other)}/withdraw", follow=True))
    made.refresh_from_db()
    assert (made.state, made.decided_by) == ("withdrawn", "alice@acme.example")


def test_the_page_says_what_became_of_it(alice_client, acme):
    with_tax_data(acme)
    refused, march = requested(acme), stated(acme, 4)
    refuse_einvoice(request=refused, reason="No such company.", by=CLERK, now=at(7))
    made = issued(requested(acme, march))
    with_tax_data(acme, legal_name="更名有限公司")
    later = correct_statement(statement=march, reason="Renamed.", by=CLERK, now=at(20))

    page = text(alice_client.get(one(made)))
    assert f"Invoice {NUMBER} 2026-11-05" in page
    assert f"Statement {march.number} was superseded by {later.number}." in page
    record_red_letter(request=made, number="1" * 20, date=ISSUED_ON, reason="Renamed.", by=CLERK, now=at(30))
    assert "The invoice was reversed: Renamed." in text(alice_client.get(one(made)))
    assert "No invoice is issued: No such company." in text(alice_client.get(one(refused)))


def test_a_viewer_sees_requests_and_makes_none(alice_client, acme):
    with_tax_data(acme)
    made = requested(acme)
    Member.objects.update(role=MemberRole.VIEWER)

    assert alice_client.get(one(made)).status_code == 200
    assert "Request an e-invoice" not in text(alice_client.get(LIST))
    answers = [alice_client.get(NEW), alice_client.post(NEW, {}), alice_client.post(f"{one(made)}/withdraw")]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_another_customer_sees_nothing(bob_client, acme, globex):
    with_tax_data(acme)
    made = requested(acme)

    paths = (LIST, NEW, one(made), one(made).replace("acme", "globex"))
    assert [bob_client.get(path).status_code for path in paths] == [404] * 4
    assert bob_client.post(f"{one(made)}/withdraw").status_code == 404
    assert bob_client.post(f"/customers/globex/einvoices/{made.pk}/withdraw").status_code == 404


def test_an_empty_list_says_what_comes_and_when(alice_client, acme):
    assert "there is none to be invoiced yet" in text(alice_client.get(LIST))
    assert "There is no statement to be invoiced" in text(alice_client.get(NEW))

    stated(acme)
    assert "No e-invoice is requested yet." in text(alice_client.get(LIST))
