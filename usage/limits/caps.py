"""Caps: the budgets that stop a customer's calls to a service, and what a call may cost at most.

Read for many customers and services at once, and cached with their entitlements.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Prefetch, Q

from pricing.catalogue.offering import facts_of
from pricing.models import BillingItem, Price
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.measures import TOKEN_MEASURES, Measure
from pricing.rules.precedence import PriceFact, instants_of, price_in_force
from usage.limits.stores.windows import WindowId
from usage.models import Budget


class PricedMeasure(NamedTuple):
    """What one of a measure costs."""

    measure: Measure
    price: PriceFact


@dataclass(frozen=True, slots=True)
class Cap:
    """The budgets, each with its customer, and the prices of tokens and requests until they change."""

    budgets: tuple[Budget, ...]
    prices: tuple[PricedMeasure, ...]
    changes_at: dt.datetime | None

    def cost(self, *, tokens: int) -> Any:
        """Return what a call costs if all its tokens are of the dearest kind."""
        nothing = exact_sum(())
        of_tokens, of_requests = [nothing], [nothing]
        for measure, price in self.prices:
            is_request = measure is Measure.REQUESTS
            amount = amount_of(
                quantity=1 if is_request else tokens, unit_price=price.unit_price, unit_size=price.unit_size
            )
            (of_requests if is_request else of_tokens).append(amount)
        return exact_sum([max(of_tokens), *of_requests])


def read_caps(windows: Collection[WindowId], *, now: dt.datetime) -> dict[WindowId, Cap]:
    """Return the cap of each customer and service, where a budget stops calls."""
    if not windows:
        return {}
    budgets = Budget.objects.filter(
        customer__in={customer for customer, _ in windows}, is_cap=True, removed_at=None
    ).select_related("customer")
    by_customer: dict[int, list[Budget]] = {}
    for budget in budgets.order_by("pk"):
        by_customer.setdefault(budget.customer_id, []).append(budget)
    facts = _facts({window for window in windows if window[0] in by_customer})
    found = {}
    for window, its in facts.items():
        customer, service = window
        counting = tuple(one for one in by_customer[customer] if one.service_id in (None, service))
        if counting:
            found[window] = _cap(counting, its, customer, now)
    return found


def _cap(
    budgets: tuple[Budget, ...],
    facts: dict[Measure, list[PriceFact]],
    customer: int,
    now: dt.datetime,
) -> Cap:
    priced = {measure: price_in_force(its, customer=customer, at=now) for measure, its in facts.items()}
    changes = [at for its in facts.values() for at in instants_of(its) if at > now]
    return Cap(
        budgets,
        tuple(PricedMeasure(measure, price) for measure, price in priced.items() if price is not None),
        min(changes, default=None),
    )


def _facts(windows: Collection[WindowId]) -> dict[WindowId, dict[Measure, list[PriceFact]]]:
    """Return the prices of tokens and requests of each service, for everybody and for the customer."""
    of_payers = Price.objects.filter(Q(customer=None) | Q(customer__in={customer for customer, _ in windows}))
    items = BillingItem.objects.filter(
        service__in={service for _, service in windows}, measure__in=[*TOKEN_MEASURES, Measure.REQUESTS]
    ).prefetch_related(Prefetch("prices", queryset=of_payers))
    by_service: dict[int, dict[Measure, list[PriceFact]]] = {}
    for item in items:
        by_service.setdefault(item.service_id, {})[Measure(item.measure)] = facts_of(item)
    return {
        (customer, service): {
            measure: [fact for fact in facts if fact.customer in (None, customer)]
            for measure, facts in by_service.get(service, {}).items()
        }
        for customer, service in windows
    }
