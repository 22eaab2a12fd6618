"""Budgets that stop: an admitted call reserves what it may cost, so that calls at once cannot pass a cap.

Reservations are in PostgreSQL, whichever store keeps the windows of RPM and TPM. The row of a budget's window
is locked while its calls are decided. A reservation ends when the call is released, after its usage is in
what was used (`invoices/budgets/refresh.py`), or an hour after it was admitted, as admitted calls do.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from pricing.rules.amounts import exact_sum, plain
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import utc_text
from usage.limits.budget_windows import Window, budget_window
from usage.limits.caps import Cap
from usage.limits.entitlements import Entitlement
from usage.limits.errors import BudgetExhausted
from usage.limits.stores.windows import CALL_TTL, CallKey
from usage.models import Budget, BudgetReservation, BudgetUse


@dataclass(frozen=True, slots=True)
class BudgetedCall:
    """A call of a customer with a budget that stops."""

    entitlement: Entitlement
    cap: Cap
    call_id: str
    estimated_tokens: int
    metadata: Mapping[str, str]

    @property
    def key(self) -> CallKey:
        """What identifies the call."""
        return self.entitlement.customer_id, self.call_id

    @property
    def cost(self) -> Any:
        """What the call may cost."""
        return self.cap.cost(tokens=self.estimated_tokens)

    @property
    def budgets(self) -> list[Budget]:
        """The budgets in which it counts."""
        return [
            one
            for one in self.cap.budgets
            if not one.metadata_name or self.metadata.get(one.metadata_name) == one.metadata_value
        ]


class _Reservation(NamedTuple):
    use_id: int
    customer_id: int
    call_id: str
    amount: Any
    expires_at: dt.datetime


@transaction.atomic
def reserve_costs(
    *, calls: Mapping[int, BudgetedCall], now: dt.datetime
) -> tuple[dict[int, BudgetExhausted], set[CallKey]]:
    """Reserve what each call may cost in each budget that stops it; return refusals, and what is new.

    A call that has its reservation already, because the request is repeated, reserves nothing more.
    """
    budgets = {place: call.budgets for place, call in calls.items()}
    uses = _uses_at({one.pk: one for its in budgets.values() for one in its}, now=now)
    present = _present(calls.values()) if uses else set()
    refused: dict[int, BudgetExhausted] = {}
    made: list[_Reservation] = []
    for place, call in calls.items():
        if call.key in present or not budgets[place]:
            continue
        cost, counting = call.cost, [uses[one.pk] for one in budgets[place]]
        full = [use for use in counting if exact_sum((use.used, use.held, cost)) > use.budget.amount]
        if full:
            refused[place] = _exhausted(call, max(full, key=lambda use: use.ends_at), cost)
            _note_stop(full, now)
            continue
        present.add(call.key)
        for use in counting:
            use.held += cost
            made.append(_Reservation(use.pk, *call.key, cost, now + CALL_TTL))
    if made:
        fetch_all(_RESERVE, *(list(column) for column in zip(*made, strict=True)))
    return refused, {(one.customer_id, one.call_id) for one in made}


def release_reservations(calls: Collection[CallKey]) -> None:
    """End the reservations of calls that are not made; other calls are passed over."""
    for customer_id, call_id in calls:
        end_reservations(Q(customer_id=customer_id, call_id=call_id))


def mark_reservations(calls: Collection[CallKey]) -> None:
    """Note that the usage of these calls is committed, so that the next refresh ends their reservations."""
    if calls:
        customers, call_ids = zip(*calls, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [list(customers), list(call_ids)])


def end_reservations(chosen: Q) -> None:
    """Delete these reservations, and hold no more for them."""
    # Most calls have none, and take one round trip.
    if ids := set(BudgetReservation.objects.filter(chosen).values_list("use_id", flat=True)):
        _end_reservations(chosen, ids)


@transaction.atomic
def _end_reservations(chosen: Q, ids: set[int]) -> None:
    list(locked_uses(BudgetUse.objects.filter(pk__in=ids)).values_list("pk"))
    ended = BudgetReservation.objects.filter(chosen, use__in=ids).values_list("pk", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(_END, [list(ended)])


def locked_uses(uses: QuerySet[BudgetUse]) -> QuerySet[BudgetUse]:
    """Lock these rows until the transaction ends, all in one order."""
    return uses.order_by("pk").select_for_update(of=("self",), no_key=True)


def _uses_at(budgets: Mapping[int, Budget], *, now: dt.datetime) -> dict[int, BudgetUse]:
    """Return the windows of this instant by budget, locked; new ones are made."""
    windows = {
        pk: budget_window(period=budget.period, time_zone=budget.customer.time_zone, at=now)
        for pk, budget in budgets.items()
    }
    found = _locked_uses(windows)
    missing = windows.keys() - found.keys()
    if missing:
        new = [
            BudgetUse(budget_id=pk, begins_at=windows[pk][0], ends_at=windows[pk][1])
            for pk in sorted(missing)
        ]
        BudgetUse.objects.bulk_create(new, ignore_conflicts=True)
        found = _locked_uses(windows)
    for pk, use in found.items():
        use.budget = budgets[pk]
    return found


def _locked_uses(windows: Mapping[int, Window]) -> dict[int, BudgetUse]:
    if not windows:
        return {}
    beginnings = {begins_at for begins_at, _ in windows.values()}
    uses = locked_uses(BudgetUse.objects.filter(budget__in=list(windows), begins_at__in=beginnings))
    return {use.budget_id: use for use in uses if use.begins_at == windows[use.budget_id][0]}


def _present(calls: Collection[BudgetedCall]) -> set[CallKey]:
    """Return those of these calls that have reservations."""
    found = BudgetReservation.objects.filter(
        customer__in={call.key[0] for call in calls}, call_id__in=[call.call_id for call in calls]
    )
    return set(found.values_list("customer_id", "call_id"))


def _note_stop(uses: Iterable[BudgetUse], now: dt.datetime) -> None:
    new = [use.pk for use in uses if use.stopped_at is None]
    if new:
        BudgetUse.objects.filter(pk__in=new).update(stopped_at=now)
    for use in uses:
        use.stopped_at = use.stopped_at or now


def _exhausted(call: BudgetedCall, use: BudgetUse, cost: Any) -> BudgetExhausted:
    budget, used, resets_at = use.budget, use.used, utc_text(use.ends_at)
    service = None if budget.service_id is None else call.entitlement.service
    metadata = {budget.metadata_name: budget.metadata_value} if budget.metadata_name else None
    of_calls = "".join(f" with {name} {value}" for name, value in (metadata or {}).items())
    return BudgetExhausted(
        "budget_exhausted",
        f"The budget of {budget.amount:f} RMB a {budget.period} for {service or 'all services'}{of_calls} "
        f"does not cover this call: {plain(used)} RMB are used. It resets at {resets_at}.",
        [
            {
                "budget": budget.pk,
                "period": budget.period,
                "service": service,
                "metadata": metadata,
                "cap": f"{budget.amount:f}",
                "used": plain(used),
                "reserved": plain(use.held),
                "estimated_cost": plain(cost),
                "currency": "CNY",
                "resets_at": resets_at,
            }
        ],
    )


_RESERVE = load_statement("reserve_costs.sql", beside=__file__)
_END = load_statement("end_reservations.sql", beside=__file__)
_MARK = load_statement("mark_reservations.sql", beside=__file__)
