"""What a customer's owners do with budgets."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.audit.context import audit_context
from accounts.models import Customer
from invoices.budgets.refresh import refresh_budgets
from pricing.models import Service
from usage.models import Budget

MOST_BUDGETS = 50


class BudgetRefused(Exception):
    """Nothing was done with a budget, for this reason."""


def budgets_of(customer: Customer) -> QuerySet[Budget]:
    """Return the customer's budgets that are not removed, newest first."""
    return Budget.objects.filter(customer=customer, removed_at=None).select_related("service", "customer")


def set_budget(
    *,
    customer: Customer,
    service: Service | None,
    metadata_name: str = "",
    metadata_value: str = "",
    period: str,
    amount: Decimal,
    alerts_at: Sequence[int],
    is_cap: bool,
    by: str,
    now: dt.datetime,
) -> Budget:
    """Set a budget, with what of its window is used already; raise BudgetRefused if there is one."""
    with audit_context(by=by):
        # Two who set the same one wait for each other here.
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        present = budgets_of(customer)
        calls = {"service": service, "metadata_name": metadata_name, "metadata_value": metadata_value}
        if present.filter(**calls, period=period).exists():
            raise BudgetRefused(gettext("There is such a budget already. Change it, or remove it first."))
        if present.count() >= MOST_BUDGETS:
            raise BudgetRefused(
                gettext("There are %(most)s budgets already. Remove one first.") % {"most": MOST_BUDGETS}
            )
        budget = Budget.objects.create(
            customer=customer,
            **calls,
            period=period,
            amount=amount,
            alerts_at=sorted(set(alerts_at)),
            is_cap=is_cap,
            created_at=now,
        )
        refresh_budgets(customer=customer, now=now)
        return budget


def change_budget(
    *, budget: Budget, amount: Decimal, alerts_at: Sequence[int], is_cap: bool, by: str, now: dt.datetime
) -> None:
    """Change the amount, the alerts and the stop; raise BudgetRefused if it was removed meanwhile."""
    with audit_context(by=by):
        locked = _locked(budget)
        locked.amount, locked.alerts_at, locked.is_cap = amount, sorted(set(alerts_at)), is_cap
        locked.save(update_fields=["amount", "alerts_at", "is_cap"])
        # Calls may be admitted again; the next refusal sets it again.
        locked.uses.filter(ends_at__gt=now).update(stopped_at=None)


def remove_budget(*, budget: Budget, by: str, now: dt.datetime) -> None:
    """Remove a budget: it alerts and stops no more."""
    with audit_context(by=by):
        locked = _locked(budget)
        locked.removed_at = now
        locked.save(update_fields=["removed_at"])


def _locked(budget: Budget) -> Budget:
    found = Budget.objects.select_for_update(no_key=True).filter(pk=budget.pk, removed_at=None).first()
    if found is None:
        raise BudgetRefused(gettext("This budget was removed meanwhile."))
    return found
