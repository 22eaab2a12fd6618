"""How far budgets are used: bills of closed hours and what open hours would cost, written every few seconds.

Reservations of calls end after their usage was written, so that a call is at no moment in neither; for a
moment it may be in both.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.models import Customer
from invoices.budgets.alerts import find_alerts
from invoices.models import ChargeLine, HourlyBill
from invoices.running.open_hours import OpenHour, read_open_hours
from pricing.rules.amounts import exact_sum
from usage.billing_hours import EPOCH, hour_of, last_closed_hour
from usage.limits.budget_windows import budget_window
from usage.limits.budgets import end_reservations, locked_uses
from usage.models import Budget, BudgetReservation, BudgetUse


def refresh_budgets(*, now: dt.datetime) -> int:
    """Write how far every budget is used in its present window, with alerts; return how many budgets."""
    end_reservations(Q(expires_at__lte=now))
    customers = Customer.objects.filter(budgets__removed_at=None, budgets__isnull=False).distinct()
    return sum(refresh_budgets_of(customer=customer, now=now) for customer in customers.order_by("pk"))


def refresh_budgets_of(*, customer: Customer, now: dt.datetime) -> int:
    """Do it for the budgets of one customer."""
    budgets = list(Budget.objects.filter(customer=customer, removed_at=None).select_related("service"))
    # Before anything is summed up: the usage of these calls was committed by then.
    reported = list(
        BudgetReservation.objects.filter(customer=customer, reported_at__isnull=False).values_list(
            "pk", "reported_at"
        )
    )
    closed, hour = last_closed_hour() or EPOCH, hour_of(now)
    open_hours = read_open_hours(customer=customer, after=closed, this_hour=hour)
    summed_up = [one.as_of for one in open_hours if one.as_of]
    for budget in budgets:
        begins_at, ends_at = budget_window(period=budget.period, time_zone=customer.time_zone, at=now)
        used = exact_sum([_billed(budget, begins_at, closed), *_open(budget, begins_at, open_hours)])
        use, _ = BudgetUse.objects.get_or_create(
            budget=budget, begins_at=begins_at, defaults={"ends_at": ends_at}
        )
        _write(use, used=used, as_of=min([now, *summed_up]), now=now)
    counted = [pk for pk, at in reported if at is not None and (not summed_up or at < min(summed_up))]
    end_reservations(Q(pk__in=counted))
    return len(budgets)


def _billed(budget: Budget, begins_at: dt.datetime, closed: dt.datetime) -> Decimal:
    bills = HourlyBill.objects.filter(customer=budget.customer_id, hour__gte=begins_at, hour__lte=closed)
    # A bill is the sum of its lines, of which there are many more.
    billed: QuerySet[Any] = bills
    if budget.service_id:
        billed = ChargeLine.objects.filter(bill__in=bills, service=budget.service_id)
    return billed.aggregate(amount=Sum("amount"))["amount"] or Decimal(0)


def _open(budget: Budget, begins_at: dt.datetime, open_hours: Iterable[OpenHour]) -> Iterable[Decimal]:
    for hour in open_hours:
        if hour.hour >= begins_at:
            for charge in hour.charges:
                if budget.service is None or charge.service == budget.service.name:
                    yield charge.amount


@transaction.atomic
def _write(use: BudgetUse, *, used: Decimal, as_of: dt.datetime, now: dt.datetime) -> None:
    locked = locked_uses(BudgetUse.objects.filter(pk=use.pk)).select_related("budget__customer").get()
    if locked.as_of is not None and locked.as_of > as_of:
        return  # another refresh read later
    locked.used, locked.as_of = used, as_of
    locked.save(update_fields=["used", "as_of"])
    find_alerts(use=locked, now=now)
