"""What is done for packages by two workers at once is done once."""

import threading

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction

from accounts.models import Customer
from invoices.models import PackageCredit, PackageNotice, PackageRefund
from invoices.packages.after_sale.mail import mail_notices
from invoices.packages.after_sale.notices import find_notices
from invoices.packages.after_sale.refund import order_refund
from invoices.packages.after_sale.renewal import renew_packages, switch_renewal
from sensenova_billing.lib import mail as mailing
from tests.builders import at, close, record, report
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.packages import bill, buy, draw
from usage.models import HOUR

pytestmark = pytest.mark.django_db(transaction=True)

DUE = at(70)


@pytest.fixture
def sent_by_two(acme, alice, monkeypatch):
    """Let two workers mail the only notice, the second while the first one is about to send it."""
    draw(buy(acme), 900_000, of=bill(acme))
    find_notices(now=DUE)
    sending, release = threading.Event(), threading.Event()
    send = EmailBackend.send_messages

    def hold_first(self, messages):
        if not sending.is_set():
            sending.set()
            assert release.wait(PATIENCE)
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", hold_first)

    def mail_together():
        with together() as threads:
            first = threads.start(lambda: mail_notices(now=DUE))
            assert sending.wait(PATIENCE)
            try:
                of_second = threads.start(lambda: mail_notices(now=DUE)).result(PATIENCE)
            finally:
                release.set()
            return first.result(PATIENCE), of_second

    return mail_together


def test_two_workers_mail_a_notice_once(sent_by_two):
    assert sent_by_two() == (1, 0)
    assert len(mail.outbox) == 1


def test_without_the_lock_they_would_mail_it_twice(sent_by_two, monkeypatch):
    """The control: the test above fails if the row is not locked."""
    monkeypatch.setattr(mailing, "locked", lambda rows: rows)

    assert sent_by_two() == (1, 1)
    assert len(mail.outbox) == 2


def test_two_workers_find_a_notice_once(acme):
    draw(buy(acme), 900_000, of=bill(acme))

    with together() as threads:
        both = [threads.start(lambda: find_notices(now=DUE)) for _ in range(2)]
        found = [one.result(PATIENCE) for one in both]

    assert sorted(found) == [0, 1]
    assert PackageNotice.objects.count() == 1


def test_two_workers_renew_a_package_once(acme):
    package = buy(acme)
    switch_renewal(package=package, is_on=True, by="alice@acme.example", now=at(31))
    now = package.expires_at - HOUR

    with together() as threads:
        with transaction.atomic():
            Customer.objects.select_for_update().get()
            both = [threads.start(lambda: renew_packages(now=now)) for _ in range(2)]
            # The first waits for the transaction that holds the row, the second for its turn.
            wait_until_waiting(1, locktype="transactionid")
            wait_until_waiting(1, locktype="tuple")
        bought = [one.result(PATIENCE) for one in both]

    assert sorted(bought) == [0, 1]
    assert acme.quota_packages.count() == 2


def test_a_refund_that_is_ordered_while_its_hour_closes_is_credited_with_it(acme, settings):
    settings.PACKAGE_REFUNDS = "unused"
    package = buy(acme)
    record(report(occurred_at=at(35)))

    with together() as threads:
        with transaction.atomic():
            order_refund(package=package, by="alice@acme.example", now=at(40))
            closing = threads.start(close)
            wait_until_waiting(1)
        closing.result(PATIENCE)

    credit = PackageCredit.objects.get()
    assert credit.sealed_in_id == at(0)
    assert credit.left == 998_500


def test_a_refund_that_is_ordered_twice_at_once_is_one(acme, settings):
    settings.PACKAGE_REFUNDS = "unused"
    package = buy(acme)

    def order():
        return order_refund(package=package, by="alice@acme.example", now=at(40))

    with together() as threads:
        both = [threads.start(order) for _ in range(2)]
        orders = [one.result(PATIENCE) for one in both]

    assert orders[0] == orders[1] == PackageRefund.objects.get()
