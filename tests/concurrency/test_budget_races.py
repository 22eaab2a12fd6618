"""Eight processes that ask at once: together they never reserve more than a budget, and nearly all of it."""

import multiprocessing

import pytest
from django.db import connection, connections

from accounts.models import Customer
from sensenova_billing.lib import clock
from tests.invoices.budgets.builders import budget
from tests.usage.limits.builders import service
from usage.limits import budgets
from usage.limits.budgets import BudgetedCall, reserve_costs
from usage.limits.caps import read_caps
from usage.limits.entitlements import Entitlement
from usage.limits.stores.windows import CallLimits

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, CALLS = 8, 40
LIMITS = CallLimits(rpm=1_000_000, tpm=None)


def ask_often(process):
    """Ask for calls of 0.01 RMB each; return how many were admitted."""
    customer = Customer.objects.get(code="acme")
    window = customer.pk, service().pk
    cap = read_caps([window], now=clock.now())[window]
    entitlement = Entitlement(*window, "SenseChat-5", LIMITS, cap)
    admitted = 0
    for number in range(CALLS):
        call = BudgetedCall(entitlement, cap, f"call-{process}-{number}", 100, {})
        refused, _ = reserve_costs(calls={0: call}, now=clock.now())
        admitted += not refused
    connection.close()
    return admitted


def admitted_of_320():
    connections.close_all()  # a fork must not share a connection
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        return sum(pool.map(ask_often, range(PROCESSES), chunksize=1))


def test_eight_processes_use_a_budget_up_and_never_pass_it(acme):
    monthly = budget(acme, "2.00", period="month")

    assert admitted_of_320() == 200  # of 320 calls, all that the budget covers: 100 % of it
    assert monthly.uses.get().held == 2


def test_without_the_lock_they_would_pass_it(acme, monkeypatch):
    """The control: the test above fails if the rows are read and not locked."""
    monkeypatch.setattr(budgets, "locked_uses", lambda uses: uses.order_by("pk"))
    budget(acme, "2.00", period="month")

    assert admitted_of_320() > 200
