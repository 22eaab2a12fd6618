"""A statement stands on one live request; a request only goes on; all of it is kept by the database."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEntry, Customer, WebhookEvent
from accounts.notices.mail import mail_customer_notices
from invoices.einvoices.requests import (
    EInvoiceRefused,
    record_einvoice,
    record_red_letter,
    refuse_einvoice,
    request_einvoice,
    statements_to_invoice,
    withdraw_einvoice,
)
from invoices.models import EInvoiceItem, EInvoiceRequest
from invoices.statements.issue import correct_statement
from tests.accounts.webhooks.builders import endpoint
from tests.builders import at, commit
from tests.invoices.einvoices.builders import (
    ALICE,
    CLERK,
    ISSUED_ON,
    NUMBER,
    USCC,
    issued,
    requested,
    stated,
    with_tax_data,
)

pytestmark = pytest.mark.django_db

RED = "26312000000987654321"


@pytest.fixture
def buyer(acme):
    return with_tax_data(acme, address="1 Harbour Road\nShanghai", bank_name="ICBC", bank_account="6222")


def corrected(statement):
    Customer.objects.filter(pk=statement.customer_id).update(legal_name="更名有限公司")
    return correct_statement(statement=statement, reason="Renamed.", by=CLERK, now=at(20))


def reversed_(request, number=RED, date=ISSUED_ON):
    record_red_letter(request=request, number=number, date=date, reason="Wrong.", by=CLERK, now=at(30))


def test_a_request_is_a_copy_of_the_buyer_and_the_sum_of_its_statements(buyer):
    march, april = stated(buyer, 3, "106.009"), stated(buyer, 4, "0.53")
    made = requested(buyer, april, march, remarks="PO 4711")
    Customer.objects.update(legal_name="Other", tax_id="", invoice_kind="ordinary")
    commit()

    made.refresh_from_db()
    assert (made.number, made.kind, made.buyer_tax_id) == (f"E{made.pk:08}", "special", USCC)
    assert (made.buyer_name, made.buyer_address) == ("上海港口书店有限公司", "1 Harbour Road, Shanghai")
    assert (made.net, made.tax, made.payable) == (Decimal("100.50"), Decimal("6.03"), Decimal("106.53"))
    assert [item.statement for item in made.items.all()] == [march, april]
    assert (made.requested_by, made.requested_at) == (ALICE, at(5))


def test_a_statement_on_a_live_request_or_without_an_amount_is_not_offered(buyer):
    march, april = stated(buyer), stated(buyer, 4)
    stated(buyer, 5, "-3")
    stated(buyer, 6, "0.009")
    made = requested(buyer, march)

    assert list(statements_to_invoice(buyer)) == [april]
    with pytest.raises(EInvoiceRefused, match=march.number):
        requested(buyer, march, april)
    withdraw_einvoice(request=made, by=ALICE, now=at(6))
    assert list(statements_to_invoice(buyer)) == [april, march]


def test_another_customers_statement_is_not_requested(buyer, globex):
    theirs = stated(globex)

    with pytest.raises(EInvoiceRefused, match="not yours"):
        requested(buyer, theirs)
    with pytest.raises(EInvoiceRefused, match="Choose a statement"):
        request_einvoice(customer=buyer, numbers=[], remarks="", by=ALICE, now=at(5))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"legal_name": ""}, "company name is missing"),
        ({"tax_id": "91110000600037341M"}, "check digit"),
        ({"legal_name": "长" * 101}, "more than 100 characters"),
    ],
)
def test_tax_data_that_are_not_complete_are_named(buyer, fields, words):
    with_tax_data(buyer, **fields)

    with pytest.raises(EInvoiceRefused, match=words):
        requested(buyer)
    assert not EInvoiceRequest.objects.exists()


def test_a_refused_one_says_why_and_its_statements_may_be_requested_again(buyer):
    march = stated(buyer)
    made = requested(buyer, march)
    refuse_einvoice(request=made, reason="The name is not registered.", by=CLERK, now=at(7))

    again = requested(buyer, march)
    made.refresh_from_db()
    assert (made.state, made.refusal, made.decided_by) == ("refused", "The name is not registered.", CLERK)
    assert AuditEntry.objects.filter(reason=made.refusal, by=CLERK).exists()
    assert [item.request for item in EInvoiceItem.objects.filter(is_released=False)] == [again]
    with pytest.raises(EInvoiceRefused, match="refused already"):
        withdraw_einvoice(request=made, by=ALICE, now=at(8))


def test_owners_and_finance_are_mailed_what_became_of_it_and_webhooks_get_it(buyer, alice):
    endpoint(buyer, "http://127.0.0.1/", kinds=["einvoice.issued", "einvoice.refused", "einvoice.reversed"])
    march = stated(buyer)
    refuse_einvoice(request=requested(buyer, march), reason="No such name.", by=CLERK, now=at(6))
    made = requested(buyer, march)
    for number in (NUMBER, NUMBER, "1" * 20):
        record_einvoice(request=made, number=number, date=ISSUED_ON, by=CLERK, now=at(int(number[0]) + 7))
    reversed_(made)

    assert mail_customer_notices(now=at(40)) == 4
    assert [one.to for one in mail.outbox] == [[alice.email]] * 4
    assert any("refused: No such name." in one.body for one in mail.outbox)
    kinds = [one.kind.removeprefix("einvoice.") for one in WebhookEvent.objects.order_by("pk")]
    assert kinds == ["refused", "issued", "issued", "reversed"]


def test_a_number_has_20_digits_is_recorded_once_and_may_be_put_right(buyer):
    made, other = requested(buyer), requested(buyer, stated(buyer, 4))
    with pytest.raises(EInvoiceRefused, match="20 digits"):
        issued(made, "1234567")
    issued(made, "26312000000123456780")

    issued(made)
    assert (made.state, made.invoice_number, made.invoice_date) == ("issued", NUMBER, ISSUED_ON)
    with pytest.raises(EInvoiceRefused, match=f"recorded of {made.number}"):
        issued(other)
    with pytest.raises(EInvoiceRefused, match="issued already"):
        withdraw_einvoice(request=made, by=ALICE, now=at(12))


def test_a_corrected_statement_is_requested_only_when_the_invoice_of_the_old_one_is_reversed(buyer):
    march = stated(buyer)
    made = issued(requested(buyer, march))
    later = corrected(march)

    assert list(statements_to_invoice(buyer)) == []
    with pytest.raises(EInvoiceRefused, match="before the invoice"):
        reversed_(made, date=ISSUED_ON - dt.timedelta(days=1))
    with pytest.raises(EInvoiceRefused, match="recorded of"):
        reversed_(made, NUMBER)
    reversed_(made)

    made.refresh_from_db()
    assert (made.state, made.red_number, made.reversed_by, made.invoice_number) == (
        "reversed",
        RED,
        CLERK,
        NUMBER,
    )
    assert list(statements_to_invoice(buyer)) == [later]
    assert requested(buyer, later).buyer_name == "更名有限公司"


def test_the_database_lets_a_statement_and_its_correction_stand_on_one_live_request(buyer):
    march = stated(buyer)
    first, second = requested(buyer, march), requested(buyer, stated(buyer, 4))
    later = corrected(march)

    with pytest.raises(IntegrityError, match="a_statement_stands_on_one_live_einvoice"), transaction.atomic():
        EInvoiceItem.objects.create(
            request=second, statement=later, customer=buyer, begins_at=later.begins_at
        )
    may = stated(buyer, 5)
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="sum of its statements"), transaction.atomic():
        EInvoiceItem.objects.create(request=first, statement=may, customer=buyer, begins_at=may.begins_at)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE invoices_einvoicerequest SET buyer_name = 'Other'",
        "UPDATE invoices_einvoicerequest SET payable = 1, net = 1, tax = 0",
        "UPDATE invoices_einvoicerequest SET state = 'reversed'",
        "UPDATE invoices_einvoicerequest SET state = 'issued'",
        "DELETE FROM invoices_einvoicerequest",
        "UPDATE invoices_einvoiceitem SET is_released = true",
        "DELETE FROM invoices_einvoiceitem",
        "TRUNCATE invoices_einvoiceitem",
    ],
)
def test_nothing_of_a_request_changes_but_by_its_next_state(buyer, sql):
    requested(buyer)
    commit()

    with pytest.raises(IntegrityError), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"buyer_tax_id": ""}, "a_special_einvoice_names_a_tax_number_of_china"),
        ({"payable": 5}, "an_einvoice_has_a_buyer_and_an_amount"),
        ({"state": "issued", "decided_by": CLERK, "decided_at": at(1)}, "an_issued_einvoice_has_a_number"),
        ({"kind": "other"}, "an_einvoice_is_of_a_known_kind_and_state"),
    ],
)
def test_the_database_keeps_the_rules(buyer, fields, rule):
    usual = {
        "customer": buyer,
        "kind": "special",
        "buyer_name": "A",
        "buyer_country": "CN",
        "buyer_tax_id": USCC,
    }
    usual |= {"net": 1, "tax": 0, "payable": 1, "requested_by": ALICE, "requested_at": at(1)}

    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        EInvoiceRequest.objects.create(**usual | fields)
