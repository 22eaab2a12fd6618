"""How far budgets are used: bills of closed hours and what open hours would cost, written every few seconds.

All budgets together take a few statements, however many there are. What is on bills is added up once for each
closing, and only rows that change are locked and written. Reservations of calls end after their usage was
written, so that a call is at no moment in neither; for a moment it may be in both.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.models import Customer
from invoices.budgets.alerts import find_alerts, shares_reached
from invoices.budgets.usage import Usage, read_usage
from sensenova_billing.lib.database.statements import load_statement
from usage.limits.budget_windows import budget_window
from usage.limits.budgets import end_reservations, locked_uses
from usage.models import Budget, BudgetAlert, BudgetReservation, BudgetUse

# What is unchanged is written so often, to show that it is.
WRITTEN_EVERY = dt.timedelta(minutes=1)
# Rows that admission may wait for.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to be written of a window, and whether a share is reached that was not reported yet."""

    use: BudgetUse
    usage: Usage
    alerts: bool


def refresh_budgets(*, now: dt.datetime, customer: Customer | None = None) -> int:
    """Write how far all budgets, or one customer's, are used in their windows; return how many budgets."""
    its = Q() if customer is None else Q(customer=customer)
    end_reservations(its & Q(expires_at__lte=now))
    # Before anything is summed up: the usage of these calls was committed by then.
    reported = list(
        BudgetReservation.objects.filter(its, reported_at__isnull=False).values_list(
            "pk", "customer_id", "reported_at"
        )
    )
    # Each customer is read once, whatever the number of its budgets.
    budgets = Budget.objects.filter(its, removed_at=None).prefetch_related("customer")
    uses = _present_uses(budgets, now)
    found, summed_up = read_usage(uses=uses, now=now)
    changes = _changes(uses, found, _alerted(budgets, now))
    for start in range(0, len(changes), AT_ONCE):
        _write(changes[start : start + AT_ONCE], now=now)
    counted = [
        pk
        for pk, customer_id, at in reported
        if at is not None and (customer_id not in summed_up or at < summed_up[customer_id])
    ]
    for start in range(0, len(counted), AT_ONCE):
        end_reservations(Q(pk__in=counted[start : start + AT_ONCE]))
    return len(uses)


def _present_uses(budgets: QuerySet[Budget], now: dt.datetime) -> list[BudgetUse]:
    """Return the window of each budget in which this instant is; new ones are made."""
    found = _stored_uses(budgets, now)
    missing = [
        BudgetUse(budget=budget, begins_at=begins_at, ends_at=ends_at)
        for budget, (begins_at, ends_at) in _windows(budgets, now)
        if (budget.pk, begins_at) not in found
    ]
    if missing:
        BudgetUse.objects.bulk_create(missing, ignore_conflicts=True)
        found = _stored_uses(budgets, now)
    windows = [(budget.pk, begins_at) for budget, (begins_at, _) in _windows(budgets, now)]
    return [found[window] for window in windows if window in found]  # not of those removed meanwhile


def _stored_uses(budgets: QuerySet[Budget], now: dt.datetime) -> dict[tuple[int, dt.datetime], BudgetUse]:
    by_id = {budget.pk: budget for budget in budgets}
    found = BudgetUse.objects.filter(begins_at__lte=now, ends_at__gt=now, budget__in=budgets)
    uses = [use for use in found.order_by() if use.budget_id in by_id]
    for use in uses:
        use.budget = by_id[use.budget_id]
    return {(use.budget_id, use.begins_at): use for use in uses}


def _windows(
    budgets: Iterable[Budget], now: dt.datetime
) -> Iterator[tuple[Budget, tuple[dt.datetime, dt.datetime]]]:
    known = {}
    for budget in budgets:
        kind = budget.period, budget.customer.time_zone
        if kind not in known:
            known[kind] = budget_window(period=kind[0], time_zone=kind[1], at=now)
        yield budget, known[kind]


def _alerted(budgets: QuerySet[Budget], now: dt.datetime) -> set[tuple[int, int]]:
    """Return the shares of present windows that were reported."""
    found = BudgetAlert.objects.filter(use__begins_at__lte=now, use__ends_at__gt=now, use__budget__in=budgets)
    return set(found.order_by().values_list("use_id", "percent"))


def _changes(
    uses: Sequence[BudgetUse], found: dict[int, Usage], alerted: set[tuple[int, int]]
) -> list[_Change]:
    """Return what is to be written, in the order of the rows; most windows are as they were."""
    changes = []
    for use in sorted(uses, key=lambda use: use.pk):
        usage = found[use.pk]
        is_changed = (use.used, use.billed_through) != (usage.used, usage.billed_through) or (
            use.as_of is None or usage.as_of - use.as_of >= WRITTEN_EVERY
        )
        reached = shares_reached(budget=use.budget, used=usage.used, is_stopped=use.stopped_at is not None)
        alerts = any((use.pk, percent) not in alerted for percent in reached)
        if is_changed or alerts:
            changes.append(_Change(use, usage, alerts))
    return changes


@transaction.atomic
def _write(changes: Sequence[_Change], *, now: dt.datetime) -> None:
    by_id = {change.use.pk: change for change in changes}
    locked = locked_uses(BudgetUse.objects.filter(pk__in=list(by_id))).values_list("pk", "as_of")
    # Another refresh may have read later.
    found = [by_id[pk] for pk, as_of in locked if as_of is None or as_of <= by_id[pk].usage.as_of]
    if not found:
        return
    columns = zip(*((one.use.pk, *one.usage) for one in found), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [list(column) for column in columns])
    alerting = BudgetUse.objects.filter(pk__in=[one.use.pk for one in found if one.alerts])
    for use in alerting.select_related("budget__customer", "budget__service"):
        find_alerts(use=use, now=now)


_WRITE = load_statement("write_uses.sql", beside=__file__)
