"""Customers are suspended for arrears and resumed exactly by the rules, apart from a suspension by hand."""

import datetime as dt

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import AuditEntry, WebhookEvent
from invoices.account.arrears import unpaid_of
from invoices.account.balance_rules import apply_balance_rules, ruling_of
from invoices.account.transactions import reverse_transaction
from tests.accounts.webhooks.builders import endpoint
from tests.conftest import make_acme
from tests.invoices.account.builders import FIRST, charge, pay
from tests.invoices.browsing import text
from tests.invoices.statements.builders import STAFF
from usage.limits.entitlements import EntitlementRequest, NotEntitled, read_entitlements

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
# 30 days to pay and 14 of grace end with these days in Shanghai.
DUE = dt.datetime(2026, 4, 1, 16, tzinfo=dt.UTC)
SUSPENDED = dt.datetime(2026, 4, 15, 16, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _rules(settings):
    settings.PAYMENT_DUE_DAYS, settings.SUSPENSION_GRACE_DAYS = 30, 14


def is_suspended(customer):
    customer.refresh_from_db()
    return customer.suspended_for_arrears_at is not None


def test_a_customer_is_suspended_at_the_end_of_the_grace_and_resumed_by_the_payment(acme):
    endpoint(acme, "http://127.0.0.1/hooks", kinds=["customer.suspended", "customer.resumed"])
    charge(acme)

    arrears = ruling_of(acme, now=FIRST).arrears
    assert (arrears.due_at, arrears.suspends_at) == (DUE, SUSPENDED)
    assert [apply_balance_rules(now=SUSPENDED - SECOND), is_suspended(acme)] == [0, False]
    assert [apply_balance_rules(now=SUSPENDED), apply_balance_rules(now=SUSPENDED + SECOND)] == [1, 0]
    request = EntitlementRequest("acme", "SenseChat-5", None)
    entitlement = read_entitlements([request], now=SUSPENDED)[request].entitlement
    assert isinstance(entitlement, NotEntitled)
    assert entitlement.arguments[0] == "customer_suspended"

    pay(acme, "99.99", at=SUSPENDED + DAY)
    assert is_suspended(acme)
    pay(acme, "0.01", at=SUSPENDED + DAY)
    assert not is_suspended(acme)
    assert [event.kind for event in WebhookEvent.objects.order_by("pk")] == [
        "customer.suspended",
        "customer.resumed",
    ]
    assert AuditEntry.objects.filter(by="balance rules").count() == 2


def test_a_payment_does_not_lift_a_suspension_by_hand(acme):
    endpoint(acme, "http://127.0.0.1/hooks", kinds=["customer.suspended", "customer.resumed"])
    type(acme).objects.update(is_suspended=True)
    charge(acme)
    apply_balance_rules(now=SUSPENDED)

    pay(acme, at=SUSPENDED)

    assert not is_suspended(acme)
    assert acme.is_suspended
    assert not WebhookEvent.objects.exists()  # no call was admitted before, and none is now


def test_a_resumption_goes_with_the_payment(acme):
    charge(acme)
    apply_balance_rules(now=SUSPENDED)

    with transaction.atomic():
        pay(acme, at=SUSPENDED)
        transaction.set_rollback(True)

    assert is_suspended(acme)


def test_a_payment_that_is_reversed_brings_the_arrears_back(acme):
    charge(acme)
    payment = pay(acme, at=FIRST + DAY)
    assert apply_balance_rules(now=SUSPENDED) == 0

    reverse_transaction(booked=payment, reason="Bounced.", by=STAFF, now=SUSPENDED)

    assert apply_balance_rules(now=SUSPENDED) == 1


def test_what_is_owed_by_error_and_reversed_puts_no_due_day_off(acme):
    first = charge(acme)
    wrong = charge(acme, 50, at=FIRST + DAY)
    reverse_transaction(booked=wrong, reason="Another customer's.", by=STAFF, now=FIRST + DAY)

    pay(acme, 50, at=FIRST + DAY)

    unpaid = unpaid_of(acme)
    assert unpaid
    assert unpaid.booking == first.pk


def test_what_is_not_set_suspends_nobody_and_own_values_come_first(acme, globex, settings):
    settings.PAYMENT_DUE_DAYS = settings.SUSPENSION_GRACE_DAYS = None
    for customer in (acme, globex):
        charge(customer)
    assert apply_balance_rules(now=FIRST + 4000 * DAY) == 0

    type(acme).objects.filter(pk=acme.pk).update(due_days=0, grace_days=0)
    assert apply_balance_rules(now=FIRST + DAY) == 1
    assert [is_suspended(acme), is_suspended(globex)] == [True, False]

    type(acme).objects.update(grace_days=None)
    assert [apply_balance_rules(now=FIRST + DAY), is_suspended(acme)] == [1, False]


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 30)), max_size=8))
def test_suspended_and_resumed_exactly_by_the_rules(moves):
    with transaction.atomic():
        acme, at, charges, paid = make_acme(), FIRST, [], 0
        for is_charge, amount, days in moves:
            at += days * DAY
            if is_charge:
                charge(acme, amount, at=at)
                charges.append((at, amount))
            else:
                pay(acme, amount, at=at)
                paid += amount
            apply_balance_rules(now=at)
            over = sum(one for since, one in charges if since + (SUSPENDED - FIRST) <= at)
            assert is_suspended(acme) == (over > paid)
        transaction.set_rollback(True)


def test_the_customer_sees_the_dates_and_the_state(acme, alice_client, settings):
    page = reverse("customer_account", args=["acme"])
    charge(acme)
    for now, words in (
        (FIRST, "to be paid before 2026-04-02 00:00:00"),
        (DUE, "A payment is overdue. If it is not booked before 2026-04-16 00:00:00"),
    ):
        settings.CLOCK_OFFSET = now - timezone.now()
        assert words in text(alice_client.get(page))

    apply_balance_rules(now=SUSPENDED)

    assert "No call is admitted since 2026-04-16 00:00:00" in text(alice_client.get(page))
    limits = text(alice_client.get(reverse("customer_limits", args=["acme"])))
    assert "because a payment is overdue" in limits


def test_staff_set_own_days_in_the_admin(acme, operator_client):
    page = reverse("admin:accounts_customer_change", args=[acme.pk])
    fields = {"name": acme.name, "time_zone": acme.time_zone, "due_days": "60", "grace_days": "0"}
    fields |= {"members-TOTAL_FORMS": 0, "members-INITIAL_FORMS": 0}

    assert operator_client.post(page, fields | {"due_days": "3651"}).status_code == 200
    assert operator_client.post(page, fields).status_code == 302

    acme.refresh_from_db()
    assert (acme.due_days, acme.grace_days) == (60, 0)
