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
from django.db.models import Prefetch, Q, QuerySet

from pricing.catalogue.offering import facts_of
from pricing.models import BillingItem, Price
from pricing.rules.amounts import amount_of, exact_sum, plain
from pricing.rules.measures import TOKEN_MEASURES, Measure
from pricing.rules.precedence import PriceFact, price_in_force
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import utc_text
from usage.limits.budget_windows import budget_window
from usage.limits.entitlements import Entitlement
from usage.limits.errors import BudgetExhausted
from usage.limits.stores.windows import CALL_TTL, CallKey, WindowId
from usage.models import Budget, BudgetReservation, BudgetUse


@dataclass(frozen=True, slots=True)
class BudgetedCall:
    """A call of a customer with a budget that stops."""

    entitlement: Entitlement
    call_id: str
    estimated_tokens: int
    metadata: Mapping[str, str]

    @property
    def key(self) -> CallKey:
        """What identifies the call."""
        return self.entitlement.customer_id, self.call_id

    @property
    def window(self) -> WindowId:
        """The customer and the service."""
        return self.entitlement.customer_id, self.entitlement.service_id


class PricedMeasure(NamedTuple):
    """What one of a measure costs."""

    measure: Measure
    price: PriceFact


@transaction.atomic
def reserve_costs(
    *, calls: Mapping[int, BudgetedCall], now: dt.datetime
) -> tuple[dict[int, BudgetExhausted], set[CallKey]]:
    """Reserve what each call may cost in each budget that stops it; return refusals, and what is new.

    A call that has its reservation already, because the request is repeated, reserves nothing more.
    """
    uses = _uses_at(customers={call.key[0] for call in calls.values()}, now=now)
    prices = _prices_in_force({call.window for call in calls.values()}, now)
    held = {use.pk: use.held for use in uses}
    present = _present(calls.values())
    refused: dict[int, BudgetExhausted] = {}
    made: list[BudgetReservation] = []
    for place, call in calls.items():
        if call.key in present:
            continue
        cost = _cost(call, prices[call.window])
        counting = [use for use in uses if _counts_in(call, use.budget)]
        full = [use for use in counting if exact_sum((use.used, held[use.pk], cost)) > use.budget.amount]
        if full:
            refused[place] = _exhausted(call, max(full, key=lambda use: use.ends_at), cost)
            _note_stop(full, now)
            continue
        present.add(call.key)
        for use in counting:
            held[use.pk] += cost
            made.append(_reservation(call, use, cost, now))
    BudgetReservation.objects.bulk_create(made)
    for use in uses:
        if held[use.pk] != use.held:
            BudgetUse.objects.filter(pk=use.pk).update(held=held[use.pk])
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


def _uses_at(*, customers: Collection[int], now: dt.datetime) -> list[BudgetUse]:
    """Return the windows of this instant of these customers' caps, locked; new ones are made."""
    budgets = Budget.objects.filter(customer__in=customers, is_cap=True, removed_at=None)
    windows = {
        budget.pk: budget_window(period=budget.period, time_zone=budget.customer.time_zone, at=now)
        for budget in budgets.select_related("customer")
    }
    if not windows:
        return []
    chosen = Q()
    for pk, (begins_at, _end) in windows.items():
        chosen |= Q(budget=pk, begins_at=begins_at)
    found = BudgetUse.objects.filter(chosen)
    missing = windows.keys() - set(found.values_list("budget_id", flat=True))
    if missing:
        new = [
            BudgetUse(budget_id=pk, begins_at=windows[pk][0], ends_at=windows[pk][1])
            for pk in sorted(missing)
        ]
        BudgetUse.objects.bulk_create(new, ignore_conflicts=True)
    return list(locked_uses(found.select_related("budget")))


def _prices_in_force(windows: Iterable[WindowId], now: dt.datetime) -> dict[WindowId, list[PricedMeasure]]:
    """Return the prices in force of tokens and requests, by customer and service."""
    chosen = set(windows)
    of_payers = Price.objects.filter(Q(customer=None) | Q(customer__in={payer for payer, _ in chosen}))
    items = BillingItem.objects.filter(
        service__in={service for _, service in chosen}, measure__in=[*TOKEN_MEASURES, Measure.REQUESTS]
    ).prefetch_related(Prefetch("prices", queryset=of_payers))
    found: dict[WindowId, list[PricedMeasure]] = {window: [] for window in chosen}
    for item in items:
        for payer, _ in (window for window in chosen if window[1] == item.service_id):
            price = price_in_force(facts_of(item), customer=payer, at=now)
            if price is not None:
                found[payer, item.service_id].append(PricedMeasure(Measure(item.measure), price))
    return found


def _cost(call: BudgetedCall, prices: Iterable[PricedMeasure]) -> Any:
    """Return what the call costs if all its tokens are of the dearest kind."""
    nothing = exact_sum(())
    tokens, requests = [nothing], [nothing]
    for one in prices:
        is_request = one.measure is Measure.REQUESTS
        amount = amount_of(
            quantity=1 if is_request else call.estimated_tokens,
            unit_price=one.price.unit_price,
            unit_size=one.price.unit_size,
        )
        (requests if is_request else tokens).append(amount)
    return exact_sum([max(tokens), *requests])


def _present(calls: Iterable[BudgetedCall]) -> set[CallKey]:
    chosen = Q(pk__in=[])
    for call in calls:
        chosen |= Q(customer=call.key[0], call_id=call.call_id)
    return set(BudgetReservation.objects.filter(chosen).values_list("customer_id", "call_id"))


def _counts_in(call: BudgetedCall, budget: Budget) -> bool:
    return (
        budget.customer_id == call.entitlement.customer_id
        and budget.service_id in (None, call.entitlement.service_id)
        and (not budget.metadata_name or call.metadata.get(budget.metadata_name) == budget.metadata_value)
    )


def _reservation(call: BudgetedCall, use: BudgetUse, cost: Any, now: dt.datetime) -> BudgetReservation:
    return BudgetReservation(
        use=use, customer_id=call.key[0], call_id=call.call_id, amount=cost, expires_at=now + CALL_TTL
    )


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


_END = load_statement("end_reservations.sql", beside=__file__)
_MARK = load_statement("mark_reservations.sql", beside=__file__)
