"""The balance rules wait for a payment that is being booked, and two rounds at once suspend once."""

import pytest
from django.db import transaction

from accounts.models import AuditEntry
from invoices.account.arrears import apply_balance_rules
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.invoices.account.test_arrears import SUSPENDED, charge, is_suspended, pay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("is_paid", [True, False])
def test_a_payment_and_two_rounds_at_once(acme, settings, is_paid):
    settings.PAYMENT_DUE_DAYS, settings.SUSPENSION_GRACE_DAYS = 30, 14
    charge(acme)

    with together() as threads:
        with transaction.atomic():
            pay(acme, "100" if is_paid else "99.99", at=SUSPENDED)
            rounds = [threads.start(lambda: apply_balance_rules(now=SUSPENDED)) for _ in range(2)]
            wait_until_waiting(1, locktype="transactionid")
        changed = [one.result(PATIENCE) for one in rounds]

    assert sum(changed) == AuditEntry.objects.filter(by="balance rules").count() == (not is_paid)
    assert is_suspended(acme) == (not is_paid)
