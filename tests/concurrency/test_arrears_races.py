"""The balance rules wait for a payment that is being booked, and two rounds at once suspend once."""

import pytest
from django.core import mail
from django.db import transaction

from accounts.models import AuditEntry, CustomerNotice
from accounts.notices.mail import mail_customer_notices
from invoices.account.balance_rules import apply_balance_rules
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.invoices.account.builders import charge, pay
from tests.invoices.account.test_arrears import SUSPENDED, is_suspended

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


def test_two_rounds_and_two_mailings_at_once_mail_a_suspension_once(acme, alice):
    type(acme).objects.update(credit_limit=0)
    charge(acme)

    def work():
        return apply_balance_rules(now=SUSPENDED), mail_customer_notices(now=SUSPENDED)

    with together() as threads:
        with transaction.atomic():
            type(acme).objects.select_for_update(no_key=True).get()
            both = [threads.start(work) for _ in range(2)]
            wait_until_waiting(1, locktype="transactionid")
        changed, mailed = zip(*(one.result(PATIENCE) for one in both), strict=True)
    mailed = sum(mailed) + mail_customer_notices(now=SUSPENDED)

    assert (sum(changed), mailed, len(mail.outbox), CustomerNotice.objects.count()) == (1, 1, 1, 1)
