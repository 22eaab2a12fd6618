"""Alerts of budgets: each share that is reached is an event and a mail, once a window."""

import datetime as dt
from decimal import Decimal

from accounts.models import EventKind
from accounts.webhooks.events import emit_event
from pricing.rules.amounts import plain
from sensenova_billing.lib.local_time import utc_text
from usage.models import Budget, BudgetAlert, BudgetUse

ALL = 100


def find_alerts(*, use: BudgetUse, now: dt.datetime) -> None:
    """Write the alerts of shares that are reached by now, with their events, in the open transaction.

    Calls that are refused count as the whole budget: what is left covers none of them.
    """
    budget = use.budget
    reached = shares_reached(budget=budget, used=use.used, is_stopped=use.stopped_at is not None)
    for percent in sorted(reached - set(use.alerts.values_list("percent", flat=True))):
        is_stop = percent == ALL and use.stopped_at is not None
        BudgetAlert.objects.create(
            use=use, percent=percent, is_stop=is_stop, reached_at=now, used=use.used, mail_after=now
        )
        emit_event(
            customer=budget.customer,
            kind=EventKind.BUDGET_REACHED,
            key=f"{budget.pk} {use.begins_at:%Y-%m-%dT%HZ} {percent}",
            payload=_payload(use, percent, is_stop=is_stop),
            now=now,
        )


def shares_reached(*, budget: Budget, used: Decimal, is_stopped: bool) -> set[int]:
    """Return the shares that are reached, in percent; all of it if calls are refused."""
    reached = {percent for percent in budget.alerts_at if used * ALL >= percent * budget.amount}
    return reached | {ALL} if is_stopped else reached


def _payload(use: BudgetUse, percent: int, *, is_stop: bool) -> dict[str, object]:
    budget = use.budget
    return {
        "budget": budget.pk,
        "period": budget.period,
        "service": budget.service.name if budget.service else None,
        "metadata": {budget.metadata_name: budget.metadata_value} if budget.metadata_name else None,
        "percent": percent,
        "calls_refused": is_stop,
        "used": plain(use.used),
        "amount": plain(budget.amount),
        "currency": "CNY",
        "resets_at": utc_text(use.ends_at),
    }
