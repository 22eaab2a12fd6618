"""Alerts of budgets: each share that is reached is an event and a mail, once a window."""

import datetime as dt

from accounts.models import EventKind
from accounts.webhooks.events import emit_event
from pricing.rules.amounts import plain
from sensenova_billing.lib.local_time import utc_text
from usage.models import BudgetAlert, BudgetUse

ALL = 100


def find_alerts(*, use: BudgetUse, now: dt.datetime) -> None:
    """Write the alerts of shares that are reached by now, with their events, in the open transaction.

    Calls that are refused count as the whole budget: what is left covers none of them.
    """
    budget = use.budget
    reached = {percent for percent in budget.alerts_at if use.used * ALL >= percent * budget.amount}
    if use.stopped_at is not None:
        reached.add(ALL)
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


def _payload(use: BudgetUse, percent: int, *, is_stop: bool) -> dict[str, object]:
    budget = use.budget
    return {
        "budget": budget.pk,
        "period": budget.period,
        "service": budget.service.name if budget.service else None,
        "percent": percent,
        "calls_refused": is_stop,
        "used": plain(use.used),
        "amount": plain(budget.amount),
        "currency": "CNY",
        "resets_at": utc_text(use.ends_at),
    }
