"""Call-backs that come at once, and an import of one file by two people, book once."""

from functools import partial

import pytest
from django.db import transaction

from invoices.account.transactions import balance_of
from invoices.bank_import.book import StalePlan
from invoices.bank_import.plan import plan_import
from invoices.models import AccountTransaction, BankImport, OnlinePayment
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.invoices.bank_import.builders import imported, row
from tests.invoices.payments.builders import called_back, ordered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("other", "second"), [("evt_1", None), ("evt_2", "no_change")])
def test_two_callbacks_at_once_book_once(acme, other, second):
    payment = ordered(acme)

    with together() as threads:
        with transaction.atomic():
            OnlinePayment.objects.select_for_update().get(pk=payment.pk)
            deeds = [partial(called_back, payment, event=event) for event in ("evt_1", other)]
            calls = [threads.start(deed) for deed in deeds]
            wait_until_waiting(1, locktype="transactionid")
        outcomes = {one.result(PATIENCE) for one in calls}

    assert outcomes == {"applied", second}
    assert AccountTransaction.objects.count() == 1


def test_a_file_that_two_import_at_once_is_booked_once(acme):
    rows = [row(2, text="acme"), row(3, "5", text="acme")]
    seen = plan_import(rows, choices={}).fingerprint

    with together() as threads:
        with transaction.atomic():
            type(acme).objects.select_for_update().get(pk=acme.pk)
            calls = [threads.start(lambda: imported(*rows, seen=seen)) for _ in range(2)]
            wait_until_waiting(1)
            wait_until_waiting(1, locktype="transactionid")
        refused = [one for one in calls if isinstance(one.exception(PATIENCE), StalePlan)]

    assert len(refused) == BankImport.objects.count() == 1
    assert balance_of(acme) == 105
