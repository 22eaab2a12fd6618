"""Calls of a customer with a budget that stops: admitted while what they may cost is left, then refused."""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.budgets.changes import remove_budget
from invoices.budgets.refresh import refresh_budgets
from sensenova_billing.lib import clock
from tests.builders import price, record, report
from tests.invoices.budgets.builders import OWNER, ask, budget, gateway, use_of
from tests.usage.limits.builders import service
from usage.limits.admission import release_call
from usage.limits.budgets import mark_reservations
from usage.limits.errors import BudgetExhausted
from usage.models import BudgetReservation

SECOND = dt.timedelta(seconds=1)

pytestmark = pytest.mark.django_db


def refused(key, call_id, **asked):
    with pytest.raises(BudgetExhausted) as refusal:
        ask(key, call_id, **asked)
    return refusal.value


def test_calls_are_admitted_until_the_next_may_cost_more_than_is_left(acme):
    hourly, key = budget(acme, "1.00"), gateway()
    for call in range(5):
        ask(key, f"call-{call}")

    error = refused(key, "call-5")
    assert (error.code, error.details[0]["reserved"], error.details[0]["cap"]) == (
        "budget_exhausted",
        "1",
        "1.00",
    )
    assert use_of(hourly).stopped_at is not None
    ask(key, "call-4")  # repeated, it reserves nothing more
    release_call(call_id="call-4", customer="acme", key=key)
    assert str(use_of(hourly).held.normalize()) == "0.8"
    ask(key, "call-6")


def test_the_answer_says_what_was_used_the_cap_and_when_it_resets(acme):
    budget(acme, "0.10")
    _, secret = issue_service_key(name="http", scopes=[Scope.CALLS_ADMIT])
    answer = Client().post(
        reverse("api_calls"),
        {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 2000},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "budget_exhausted"
    assert error["details"][0].keys() >= {"used", "cap", "reserved", "resets_at", "period"}


def test_reported_usage_takes_the_place_of_its_reservation(acme):
    hourly, key, now = budget(acme, "1.00"), gateway(), clock.now()
    for call in range(5):
        ask(key, f"call-{call}")
    used = report("call-0", occurred_at=now, call_id="call-0")
    record(used, now=now)
    mark_reservations({(acme.pk, "call-0")})
    refresh_budgets(now=now)

    use = use_of(hourly)
    assert 0 < use.used < 0.2  # 1,000 tokens and 500, dearer ones, not 2,000 of the dearer
    assert str(use.held.normalize()) == "0.8"
    assert not BudgetReservation.objects.filter(call_id="call-0").exists()
    ask(key, "call-6", tokens=100)


def test_a_budget_of_one_service_stops_no_other_and_a_removed_one_nothing(acme, globex):
    key = gateway()
    other = budget(acme, "0.01", service=service("SenseChat"))
    budget(globex, "0.01")
    ask(key, "call-1")
    own = budget(acme, "0.01", service=service("SenseChat-5"))
    later = {"now": clock.now() + 2 * SECOND}
    assert refused(key, "call-2", **later).details[0]["service"] == "SenseChat-5"
    remove_budget(budget=own, by=OWNER, now=clock.now())
    ask(key, "call-2", now=clock.now() + 3 * SECOND)
    assert not other.uses.get().held


def test_a_reservation_of_a_call_that_is_never_reported_expires(acme):
    hourly, key, now = budget(acme, "1.00", period="month"), gateway(), clock.now()
    ask(key, "call-1", now=now)
    refresh_budgets(now=now + 3601 * SECOND)

    assert not BudgetReservation.objects.exists()
    assert not hourly.uses.earliest("begins_at").held


def test_a_price_agreed_with_the_customer_counts_from_its_instant_on(acme):
    hourly, key, now = budget(acme, "100.00", period="month"), gateway(), clock.now()
    price("SenseChat-5", "output_tokens", "1", begins_at=now + 5 * SECOND, customer=acme)
    ask(key, "call-1", now=now + 2 * SECOND)
    assert use_of(hourly).held == Decimal("0.2")  # with the entitlement, the price is cached until then
    ask(key, "call-2", now=now + 5 * SECOND)

    assert use_of(hourly).held == Decimal("2.2")
