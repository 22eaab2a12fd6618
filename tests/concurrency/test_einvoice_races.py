"""Two people who request the invoice of one statement at once make one request."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Customer
from invoices.einvoices.requests import EInvoiceRefused
from invoices.models import EInvoiceItem, EInvoiceRequest
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.invoices.einvoices.builders import requested, stated, with_tax_data

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_statement_that_two_request_at_once_stands_on_one(acme):
    statement = stated(with_tax_data(acme))

    with together() as threads:
        with transaction.atomic():
            Customer.objects.select_for_update().get(pk=acme.pk)
            calls = [threads.start(lambda: requested(acme, statement)) for _ in range(2)]
            wait_until_waiting(1, locktype="tuple")
            wait_until_waiting(1, locktype="transactionid")
        refused = [one for one in calls if isinstance(one.exception(PATIENCE), EInvoiceRefused)]

    assert len(refused) == EInvoiceRequest.objects.count() == EInvoiceItem.objects.count() == 1


def test_the_control_without_the_lock_only_the_constraint_is_left(acme, monkeypatch):
    """The second one sees no request yet, and waits at the constraint."""
    statement = stated(with_tax_data(acme))
    monkeypatch.setattr(Customer.objects, "select_for_update", lambda **named: Customer.objects.all())

    with together() as threads:
        with transaction.atomic():
            requested(acme, statement)
            second = threads.start(lambda: requested(acme, statement))
            wait_until_waiting(1, locktype="transactionid")
        assert isinstance(second.exception(PATIENCE), IntegrityError)

    assert EInvoiceItem.objects.count() == 1
