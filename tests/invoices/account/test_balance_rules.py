"""The balance suspends and resumes exactly by the rules, and each notice is written and mailed once."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import CustomerNotice, WebhookEvent
from accounts.notices.mail import mail_customer_notices
from accounts.people.members import finance_readers
from invoices.account.balance_rules import apply_balance_rules
from invoices.account.position import positions_of
from invoices.account.transactions import balance_of
from invoices.adjustments.basis import Basis
from invoices.models import AdjustmentKind, OpenHourAlarm, RunningHour
from tests.accounts.webhooks.builders import endpoint
from tests.builders import at, close, record
from tests.conftest import make_acme
from tests.invoices.account.builders import FIRST, billed_hour, charge, pay
from tests.invoices.adjustments.builders import proposed
from tests.invoices.browsing import text
from tests.invoices.statements.builders import issue_statement
from usage.limits.entitlements import Entitlement, EntitlementRequest, read_entitlements
from usage.models import HOUR

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def stopped(customer):
    customer.refresh_from_db()
    return customer.suspended_for_credit_at is not None


def terms(customer, **fields):
    type(customer).objects.filter(pk=customer.pk).update(**fields)
    customer.refresh_from_db()


def answer(now):
    request = EntitlementRequest("acme", "SenseChat-5", None)
    found = read_entitlements([request], now=now)[request].entitlement
    return found if isinstance(found, Entitlement) else found.arguments


def running(customer, amount, *, hour):
    RunningHour.objects.create(
        customer=customer, hour=hour, as_of=hour, calls=1, reversals=0, amount=Decimal(amount), charges=[]
    )


def test_calls_are_refused_beyond_the_credit_limit_and_admitted_again_by_the_payment(acme):
    terms(acme, credit_limit=10)
    charge(acme, "4")
    billed_hour(acme, "6", hour=FIRST)
    assert [apply_balance_rules(now=FIRST), stopped(acme)] == [0, False]

    running(acme, "0.00000000000001", hour=FIRST + HOUR)
    assert [apply_balance_rules(now=FIRST) for _ in range(2)] == [1, 0]
    code, words, (details,) = answer(FIRST)
    assert (code, details["balance"], details["credit_limit"]) == (
        "credit_limit_reached",
        "-10.00000000000001",
        "10.00",
    )
    assert "10.00 RMB" in words

    pay(acme, "0.01", at=FIRST + DAY)
    assert not stopped(acme)
    assert isinstance(answer(FIRST), Entitlement)


def test_a_customer_that_pays_ahead_is_stopped_when_nothing_is_left_and_the_last_call_is_billed(acme):
    terms(acme, pays_ahead=True)
    pay(acme, "0.01", at=at(5))
    assert [apply_balance_rules(now=at(9)), stopped(acme)] == [0, False]

    record(now=at(11))  # more than is left, in an hour that is open
    apply_balance_rules(now=at(12))
    assert answer(at(12))[0] == "balance_exhausted"

    close()
    assert balance_of(acme) == Decimal("0.01")
    assert (
        positions_of([acme], now=at(66))[acme.pk].unbilled == acme.hourly_bills.get().amount > Decimal("0.01")
    )


def test_an_hour_that_is_parked_or_would_be_suspends_no_customer(acme, settings):
    terms(acme, credit_limit=10)
    running(acme, "5000000", hour=FIRST)
    alarm = {"reason": "Too much.", "amount": 5000000, "raised_at": FIRST, "mail_after": FIRST}
    OpenHourAlarm.objects.create(customer=acme, hour=FIRST, **alarm)
    assert apply_balance_rules(now=FIRST) == 0

    RunningHour.objects.all().delete()
    settings.PARK_ABOVE_AMOUNT, settings.CREDIT_LIMIT = Decimal("0.001"), Decimal(0)
    terms(acme, credit_limit=None)
    record()
    close()
    assert [apply_balance_rules(now=at(66)), stopped(acme)] == [0, False]


def test_a_credit_by_hand_resumes_at_once(acme):
    terms(acme, credit_limit=0)
    record()
    close()
    apply_balance_rules(now=at(66))
    assert stopped(acme)

    proposed(Basis(acme), acme.hourly_bills.get().amount, kind=AdjustmentKind.CREDIT)

    assert not stopped(acme)


def test_a_balance_below_the_spending_of_the_last_three_hours_is_noted_once_between_payments(acme):
    terms(acme, pays_ahead=True)
    endpoint(acme, "http://127.0.0.1/hooks", kinds=["balance.low"])
    pay(acme, "10", at=FIRST - DAY)
    for number, amount in enumerate(("1", "1", "1")):
        billed_hour(acme, amount, hour=FIRST + number * HOUR)
    apply_balance_rules(now=FIRST + 4 * HOUR)
    assert not CustomerNotice.objects.exists()

    billed_hour(acme, "3", hour=FIRST + 3 * HOUR)  # 4 are left, and the last three cost 5
    for minutes in (1, 2):
        apply_balance_rules(now=FIRST + 4 * HOUR + dt.timedelta(minutes=minutes))
    payload = {"customer": "acme", "left": "4", "spent": "5", "hours": 3, "currency": "CNY"}
    assert WebhookEvent.objects.get().payload == payload

    pay(acme, "0.50", at=FIRST + 5 * HOUR)
    apply_balance_rules(now=FIRST + 5 * HOUR)
    assert CustomerNotice.objects.count() == 2


def test_arrears_warn_when_they_begin_and_before_they_suspend(acme, alice, settings):
    settings.PAYMENT_DUE_DAYS, settings.SUSPENSION_GRACE_DAYS = 30, 14
    terms(acme, notice_days=2)
    alice.language = "zh-hans"
    alice.save()
    assert finance_readers().filter(user=alice).exists()
    charge(acme)
    kinds = []
    for day in range(60):
        now = FIRST + day * DAY
        apply_balance_rules(now=now)
        kinds += [(day, one.kind) for one in CustomerNotice.objects.filter(at=now).order_by("pk")]
        mail_customer_notices(now=now)
    pay(acme, at=FIRST + 60 * DAY)
    mail_customer_notices(now=FIRST + 60 * DAY)

    assert kinds == [(31, "arrears.began"), (43, "suspension.near"), (45, "customer.suspended")]
    assert len(mail.outbox) == 4
    assert [one.to for one in mail.outbox] == [[alice.email]] * 4


KINDS = ["pay", "use", "run", "state", "credit", "charge"]
MOVES = st.tuples(st.sampled_from(KINDS), st.integers(1, 9))


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(MOVES, max_size=8), st.sampled_from([None, 0, 5]), st.booleans())
def test_suspended_and_resumed_exactly_by_a_plain_sum(moves, limit, pays_ahead):
    with transaction.atomic():
        acme, hour, paid, used, live = make_acme(), FIRST, 0, 0, 0
        terms(acme, credit_limit=limit, pays_ahead=pays_ahead)
        for move, amount in moves:
            hour, live = hour + HOUR, 0
            RunningHour.objects.all().delete()
            if move == "pay":
                pay(acme, amount, at=hour)
                paid += amount
            elif move == "use":
                billed_hour(acme, amount, hour=hour)
                used += amount
            elif move == "run":
                running(acme, amount, hour=hour)
                live = amount
            elif move == "state" and used and not acme.statements.exists():
                hour = issue_statement(acme).ends_at
            elif move in ("credit", "charge"):
                key = f"{hour}"
                proposed(Basis(acme), amount, key=key, kind=move, is_beyond_charges=True, now=hour)
                used += amount if move == "charge" else -amount
            apply_balance_rules(now=hour + HOUR)
            left = paid - used - live
            expected = left <= 0 if pays_ahead else limit is not None and left + limit < 0
            assert stopped(acme) == expected
            position = positions_of([acme], now=hour + HOUR)[acme.pk]
            assert position.balance - position.unbilled == paid - used
        transaction.set_rollback(True)


def test_the_customer_and_staff_see_the_state(acme, alice_client, operator_client):
    terms(acme, credit_limit=10)
    charge(acme, "11")
    apply_balance_rules(now=FIRST)

    for name in ("customer_account", "customer_limits", "customer_overview_alerts"):
        shown = text(alice_client.get(reverse(name, args=["acme"])))
        assert "more than the credit limit is owed" in shown
    staff = text(operator_client.get(reverse("admin:accounts_customer_changelist")))
    assert "suspended for the balance" in staff


def test_staff_set_a_limit_of_its_own(acme, operator_client):
    page = reverse("admin:accounts_customer_change", args=[acme.pk])
    fields = {"name": acme.name, "time_zone": acme.time_zone, "credit_limit": "10.50", "pays_ahead": "True"}
    fields |= {"members-TOTAL_FORMS": 0, "members-INITIAL_FORMS": 0, "low_balance_hours": "6"}

    assert operator_client.post(page, fields | {"credit_limit": "-1"}).status_code == 200
    assert operator_client.post(page, fields).status_code == 302

    acme.refresh_from_db()
    assert (acme.credit_limit, acme.pays_ahead, acme.low_balance_hours) == (Decimal("10.50"), True, 6)
