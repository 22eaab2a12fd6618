"""A dispute is stored as the provider last described it; what it takes back is owed again, once."""

from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.account.transactions import balance_of
from invoices.models import AccountTransaction, CallbackOutcome, DisputeState, LedgerAccount, TransactionKind
from tests.invoices.browsing import text
from tests.invoices.payments.builders import called_back, disputed, ordered

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(acme):
    """100 RMB of Acme."""
    payment = ordered(acme)
    called_back(payment)
    return payment


def kinds():
    return list(AccountTransaction.objects.order_by("pk").values_list("kind", flat=True))


def test_what_the_provider_takes_back_is_owed_and_what_it_returns_is_not(paid, acme):
    outcomes = [disputed(paid, withdrawn=amount, minute=n) for n, amount in enumerate(("0", "60", "100"))]
    assert outcomes == [CallbackOutcome.APPLIED] * 3
    assert balance_of(acme) == 0

    disputed(paid, DisputeState.WON, reinstated="100", minute=5)
    assert balance_of(acme) == 100
    back, returned = TransactionKind.CHARGEBACK, TransactionKind.CHARGEBACK_REVERSAL
    assert kinds() == [TransactionKind.PAYMENT, back, back, returned]
    last = AccountTransaction.objects.latest("pk")
    assert {one.account: one.amount for one in last.entries.all()} == {
        LedgerAccount.RECEIVABLE: Decimal(-100),
        LedgerAccount.BANK: Decimal(100),
    }


def test_a_callback_of_a_dispute_that_comes_twice_changes_nothing(paid, acme):
    assert [disputed(paid) for _ in range(2)] == [CallbackOutcome.APPLIED, None]
    assert disputed(paid, minute=9) == CallbackOutcome.NO_CHANGE
    assert balance_of(acme) == 0


def test_an_inquiry_without_money_books_nothing(paid, acme):
    disputed(paid, withdrawn="0")

    assert balance_of(acme) == paid.disputes.get().amount == 100


def test_a_dispute_before_its_payment_waits_for_it(acme):
    payment = ordered(acme)
    disputed(payment, withdrawn="30")
    assert balance_of(acme) == 0

    called_back(payment)
    assert balance_of(acme) == 70


def test_a_dispute_in_another_currency_is_looked_into(paid, acme):
    assert disputed(paid, currency="USD") == CallbackOutcome.MISMATCH
    assert balance_of(acme) == 100
    assert not paid.disputes.exists()


def test_customers_and_staff_see_a_dispute(paid, alice_client, operator_client):
    alice_client.post(paid.checkout_url, {"ends": "disputed"})

    account = text(alice_client.get("/customers/acme/account"))
    assert "Chargeback pi_1" in account
    assert "Taken back by the payment provider: the payment is disputed." in account
    page = text(alice_client.get(f"/customers/acme/payments/{paid.order_id}"))
    assert "waits for evidence; RMB 100.00 taken back by the provider" in page
    waiting = reverse("admin:invoices_onlinepayment_changelist") + "?dispute=needs_response"
    assert "waits for evidence until" in text(operator_client.get(waiting))
    assert waiting in operator_client.get(reverse("admin:index")).content.decode()
    page = text(operator_client.get(reverse("admin:invoices_onlinepayment_change", args=[paid.pk])))
    assert "100.00 RMB withdrawn, 0.00 RMB reinstated" in page


@pytest.mark.parametrize(("ends", "balance"), [(("disputed", "won"), 100), (("lost", "disputed"), 0)])
def test_the_provider_for_development_decides_disputes(paid, acme, alice_client, ends, balance):
    for one in ends:
        alice_client.post(paid.checkout_url, {"ends": one})

    assert balance_of(acme) == balance
    assert paid.disputes.get().state == (DisputeState.WON if "won" in ends else DisputeState.LOST)
