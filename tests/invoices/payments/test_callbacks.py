"""A call-back is applied once by its id; in whatever order they come, the end is the same."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import Customer, EventKind, WebhookEvent
from invoices.account.balance_rules import apply_balance_rules
from invoices.account.transactions import balance_of, reverse_transaction
from invoices.models import (
    AccountTransaction,
    CallbackOutcome,
    DisputeState,
    PaymentCallback,
    PaymentState,
    TransactionKind,
)
from invoices.payments.callbacks import apply_callback
from invoices.payments.provider import Callback, CallbackKind
from tests.accounts.webhooks.builders import endpoint
from tests.builders import at
from tests.conftest import make_acme
from tests.invoices.payments.builders import called_back, disputed, ordered
from tests.invoices.statements.builders import LATER, booked

pytestmark = pytest.mark.django_db


def test_a_confirmed_payment_is_booked_once(acme):
    payment = ordered(acme)

    outcomes = [called_back(payment, event=event) for event in ("evt_1", "evt_1", "evt_2")]
    assert outcomes == [CallbackOutcome.APPLIED, None, CallbackOutcome.NO_CHANGE]
    assert payment.state == PaymentState.PAID
    assert balance_of(acme) == 100
    booked = AccountTransaction.objects.get()
    assert (booked, booked.reference, booked.by) == (payment.transaction, "pi_1", "fake")


def test_a_payment_is_an_event_for_webhooks(acme):
    endpoint(acme, "http://127.0.0.1/", kinds=[EventKind.PAYMENT_RECEIVED])

    called_back(ordered(acme))
    assert WebhookEvent.objects.get().payload["amount"] == "100"


@pytest.mark.parametrize(("amount", "currency"), [("99.99", "CNY"), ("100.00", "USD")])
def test_another_amount_or_currency_is_shown_and_not_booked(acme, amount, currency):
    payment = ordered(acme)

    assert called_back(payment, amount=amount, currency=currency) == CallbackOutcome.MISMATCH
    assert (payment.state, payment.received) == (PaymentState.MISMATCH, Decimal(amount))
    assert not AccountTransaction.objects.exists()


def test_what_was_taken_for_failed_is_booked_when_it_comes_after_all(acme):
    payment = ordered(acme)

    states = []
    for kind in ("expired", "failed", "expired", "paid", "failed"):
        called_back(payment, kind)
        states.append(payment.state)
    assert states == ["expired", "failed", "failed", "paid", "paid"]


def test_a_refund_is_booked_though_nothing_is_paid_ahead(acme):
    booked(acme, TransactionKind.CHARGE, "100")
    payment = ordered(acme)
    called_back(payment)

    called_back(payment, "refunded", "30")
    called_back(payment, "refunded", "100")
    called_back(payment, "refunded", "30")
    assert payment.refunded == 100
    assert balance_of(acme) == -100
    assert AccountTransaction.objects.filter(kind=TransactionKind.REFUND).count() == 2


def test_what_moves_back_of_a_payment_that_differs_is_looked_into(acme):
    payment = ordered(acme)
    called_back(payment, amount="90.00")
    booked(acme, amount="90")  # by hand

    outcomes = [called_back(payment, "refunded", "30"), disputed(payment, withdrawn="60")]
    assert outcomes == [CallbackOutcome.MISMATCH] * 2
    assert balance_of(acme) == 90


def test_a_refund_that_fails_is_looked_into_and_so_are_those_after_it(acme):
    payment = ordered(acme)
    called_back(payment)
    called_back(payment, "refunded", "60")

    outcomes = [called_back(payment, kind, "60") for kind in ("refund_failed", "refunded")]
    assert outcomes == [CallbackOutcome.MISMATCH] * 2
    refund = AccountTransaction.objects.get(kind=TransactionKind.REFUND)
    reverse_transaction(booked=refund, reason="It came back.", by="clerk", now=at(12))
    assert balance_of(acme) == 100


def test_more_than_was_paid_is_not_refunded_in_silence(acme):
    payment = ordered(acme)
    called_back(payment)

    assert called_back(payment, "refunded", "100.01") == CallbackOutcome.MISMATCH
    assert balance_of(acme) == 100


def test_a_callback_of_an_unknown_order_is_recorded(acme):
    callback = Callback("evt_1", CallbackKind.PAID, ordered(acme).order_id, Decimal(100))

    outcomes = [apply_callback(callback=callback, provider="another", now=at(10)) for _ in range(2)]
    assert outcomes == [CallbackOutcome.UNKNOWN, None]
    assert PaymentCallback.objects.get().payment is None


def test_a_payment_resumes_a_customer_that_was_suspended_for_arrears(acme):
    Customer.objects.filter(pk=acme.pk).update(due_days=1, grace_days=1)
    booked(acme, TransactionKind.CHARGE, "100")
    apply_balance_rules(now=LATER)
    acme.refresh_from_db()
    assert acme.suspended_for_arrears_at

    called_back(ordered(acme))
    acme.refresh_from_db()
    assert not acme.suspended_for_arrears_at


# How a provider describes two disputes, by the minute; the first goes on after it was decided.
DISPUTES: dict[str, dict[str, Any]] = {
    "opened": {"minute": 1, "withdrawn": "0"},
    "withdrawn": {"minute": 2, "withdrawn": "60"},
    "answered": {"minute": 2, "state": DisputeState.UNDER_REVIEW},
    "won": {"minute": 3, "state": DisputeState.WON, "reinstated": "90"},
    "appealed": {"minute": 4, "state": DisputeState.UNDER_REVIEW, "reinstated": "90"},
    "lost": {"minute": 3, "state": DisputeState.LOST, "withdrawn": "7", "dispute_id": "dp_2"},
}
CALLBACKS = [
    *(("paid", "100.00"), ("failed", "100.00"), ("expired", "100.00"), ("paid", "90.00")),
    *(("refunded", "10.00"), ("refunded", "40.00"), ("refunded", "500.00")),
    *(("disputed", name) for name in DISPUTES),
]


def standing(payment):
    """Each dispute with its state, and what moved."""
    return set(payment.disputes.values_list("dispute_id", "state", "withdrawn", "reinstated"))


def described_last(names):
    """The same by these descriptions: the state of the last minute, and the most that moved."""
    usual = {
        "dispute_id": "dp_1",
        "state": DisputeState.NEEDS_RESPONSE,
        "withdrawn": "100",
        "reinstated": "0",
    }
    described = [usual | DISPUTES[name] for name in names]
    order = list(DisputeState)
    return {
        (
            dispute_id,
            max(its, key=lambda one: (one["minute"], order.index(one["state"])))["state"],
            max(Decimal(one["withdrawn"]) for one in its),
            max(Decimal(one["reinstated"]) for one in its),
        )
        for dispute_id in {one["dispute_id"] for one in described}
        for its in [[one for one in described if one["dispute_id"] == dispute_id]]
    }


@hypothesis_settings(max_examples=30, deadline=None)
@given(
    st.sets(st.sampled_from(CALLBACKS), min_size=1).flatmap(
        lambda told: st.tuples(
            st.permutations(sorted(told)), st.lists(st.sampled_from(sorted(told)), max_size=4), st.randoms()
        )
    )
)
def test_duplicates_and_another_order_change_nothing(told):
    once, again, random = told
    shuffled = [*once, *again]
    random.shuffle(shuffled)
    ends = []
    for callbacks in (once, shuffled):
        with transaction.atomic():
            acme = make_acme()
            payment = ordered(acme)
            for kind, amount in callbacks:
                if kind == "disputed":
                    disputed(payment, **DISPUTES[amount])
                else:
                    called_back(payment, kind, amount, event=f"{kind} {amount}")
            ends.append((payment.state, payment.refunded, balance_of(acme), standing(payment)))
            transaction.set_rollback(True)
    assert ends[0] == ends[1]
    is_paid = ("paid", "100.00") in once
    refunds = [Decimal(amount) for kind, amount in once if kind == "refunded" and amount != "500.00"]
    left = 100 - max(refunds, default=0) - sum(taken - back for *_, taken, back in ends[0][3])
    assert ends[0][2] == (left if is_paid else 0)
    assert ends[0][3] == described_last(name for kind, name in once if kind == "disputed")


def test_callbacks_are_never_changed(acme):
    called_back(ordered(acme))

    with pytest.raises(Exception, match="never changed"), transaction.atomic():
        PaymentCallback.objects.update(outcome=CallbackOutcome.NO_CHANGE)
