"""What real usage would have cost without and with a change of prices, in each interval where they differ.

The planned prices are parameters, not rows: the database holds only the present catalogue here. What the
usage did cost is looked up by the prices in force at its own time.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts.models import Customer
from invoices.rating.usage_sql import MEASURED, NET_QUANTITY, SUMS, allow_memory
from pricing.models import BillingItem
from pricing.rules.amounts import exact_sum
from pricing.rules.measures import WHOLE_OF, Measure
from pricing.rules.precedence import PriceFact
from pricing.rules.precedence_sql import price_in_force_sql
from pricing.timeline.differences import PriceComparison, PriceInterval
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import hour_of


@dataclass(frozen=True)
class Costs:
    """What usage cost, and would have cost at an interval's prices without and with the change; in RMB."""

    cost: Decimal = Decimal(0)
    without: Decimal = Decimal(0)
    changed: Decimal = Decimal(0)

    @property
    def difference(self) -> Decimal:
        """By how much more it would have cost with the change than without; below 0: by how much less."""
        return exact_sum([self.changed, -self.without])


@dataclass(frozen=True)
class CustomerEffect:
    """What one customer's usage cost and would have cost."""

    customer_code: str
    customer_name: str
    quantities: Mapping[Measure, int]
    costs: Costs


@dataclass(frozen=True)
class ItemEffect:
    """The same of one billing item, with its price for `PriceEffect.customer` without and with the change."""

    item: BillingItem
    quantity: int
    costs: Costs
    without: PriceFact | None
    changed: PriceFact | None


@dataclass(frozen=True)
class PriceEffect:
    """What a period's usage would have cost in one interval, by customer and by billing item.

    `customer` is set if only that customer's prices change; `own_price_customers` counts the customers if
    only negotiated prices change, and is 0 otherwise. Then the effect is about these customers alone, and
    names those without usage too.
    """

    interval: PriceInterval
    customer: Customer | None
    own_price_customers: int
    customers: list[CustomerEffect]
    items: list[ItemEffect]

    @property
    def costs(self) -> Costs:
        """What all of it cost and would have cost."""
        all_costs = [item.costs for item in self.items]
        return Costs(
            exact_sum(costs.cost for costs in all_costs),
            exact_sum(costs.without for costs in all_costs),
            exact_sum(costs.changed for costs in all_costs),
        )

    @property
    def measures(self) -> list[Measure]:
        """What the items measure, in the order of the price page."""
        charged = {item.item.measure for item in self.items}
        return [measure for measure in Measure if measure in charged]

    @property
    def affected(self) -> int:
        """For how many customers something changes."""
        return sum(1 for customer in self.customers if customer.costs.difference)


@transaction.atomic
def price_effects(
    *,
    items: Sequence[BillingItem],
    intervals: Sequence[PriceInterval],
    since: dt.datetime,
    until: dt.datetime,
) -> list[PriceEffect]:
    """Return for each interval what usage of [since, until) cost, and would have cost at its prices.

    The items of a whole and its parts have to be given together. All records of these items count by their
    own instant, of open hours as of closed ones, reversals with what they take back; re-ratings do not count,
    nor does what a package covers on a bill of a whole hour of that time.
    Where no price is in force, usage costs nothing. The customers come with the largest difference first,
    the items in the order given.
    """
    allow_memory()
    parameters = _parameters(items, intervals) | {"since": since, "until": until, "from_hour": hour_of(since)}
    with connection.cursor() as cursor:
        # For an expression over instants PostgreSQL expects as many groups as there are instants: it would
        # sort all records to find the few that there are.
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(_EFFECT, parameters)
        rows = cursor.fetchall()
        cursor.execute("SET LOCAL enable_sort = on")
    return [
        _effect(interval, items, [row[1:] for row in rows if row[0] == number])
        for number, interval in enumerate(intervals)
    ]


def _parameters(items: Sequence[BillingItem], intervals: Sequence[PriceInterval]) -> dict[str, Any]:
    """Return the query's parameters: the items, and both rates per interval, item and price series."""
    series_keys = {series for interval in intervals for series in interval.counting}
    service = {item.pk: item.service_id for item in items}
    own = {(service[item], customer) for item, customer in series_keys if customer is not None}
    ids = {(item.service_id, str(item.measure)): item.pk for item in items}
    wholes = {item.pk: ids.get((item.service_id, str(WHOLE_OF.get(Measure(item.measure))))) for item in items}
    rates = [
        (number, item.pk, customer or 0, *_rates(interval, item.pk, wholes[item.pk], customer))
        for number, interval in enumerate(intervals)
        for item in items
        for customer in [None, *(owner for of, owner in own if of == item.service_id)]
        if _is_concerned(interval, customer)
    ]
    names = ("numbers", "rated", "scopes", "without", "changed")
    columns: Iterable[Collection[Any]] = zip(*rates, strict=True) if rates else [()] * len(names)
    return {
        "items": [item.pk for item in items],
        "services": [item.service_id for item in items],
        "measures": [str(item.measure) for item in items],
        "wholes": [wholes[item.pk] for item in items],
    } | {name: list(column) for name, column in zip(names, columns, strict=True)}


def _is_concerned(interval: PriceInterval, customer: int | None) -> bool:
    """Whether the effect is about these customers: where only own prices change, about no others."""
    concerned = {one for _, one in interval.differing}
    return not concerned or None in concerned or customer in concerned


def _rates(
    interval: PriceInterval, item: int, whole: int | None, customer: int | None
) -> tuple[Decimal, Decimal]:
    """Return what one of the item costs without and with the change; a part without a price: as its whole."""
    amounts = _counting(interval, item, customer).amounts
    of_whole = (None, None) if whole is None else _counting(interval, whole, customer).amounts
    without, changed = (
        own if own is not None else as_whole or Decimal(0)
        for own, as_whole in zip(amounts, of_whole, strict=True)
    )
    return without, changed


def _counting(interval: PriceInterval, item: int, customer: int | None) -> PriceComparison:
    """Return what counts of an item for a customer; without prices of its own, what counts for everybody."""
    general = interval.counting.get((item, None), PriceComparison(None, None))
    return interval.counting.get((item, customer), general)


def _effect(
    interval: PriceInterval, items: Sequence[BillingItem], rows: list[tuple[Any, ...]]
) -> PriceEffect:
    by_item = {row[0]: row for row in rows if row[0] is not None}
    concerned = {customer or 0 for _, customer in interval.differing}
    own_price_customers = 0 if 0 in concerned else len(concerned)
    named = list(Customer.objects.filter(pk__in=concerned - {0})) if own_price_customers else []
    customer = named[0] if own_price_customers == 1 else None
    customers = [_customer_effect(row) for row in rows if row[0] is None]
    with_usage = {one.customer_code for one in customers}
    unused = dict.fromkeys(Measure, 0)
    customers += [
        CustomerEffect(one.code, one.name, unused, Costs()) for one in named if one.code not in with_usage
    ]
    return PriceEffect(
        interval=interval,
        customer=customer,
        own_price_customers=own_price_customers,
        customers=sorted(customers, key=lambda one: (-abs(one.costs.difference), one.customer_code)),
        items=[
            _item_effect(item, by_item.get(item.pk), interval, customer.pk if customer else None)
            for item in items
        ],
    )


def _customer_effect(row: tuple[Any, ...]) -> CustomerEffect:
    _, code, name, _, cost, without, changed, *quantities = row
    used = {measure: int(quantity) for measure, quantity in zip(Measure, quantities, strict=True)}
    return CustomerEffect(code, name, used, Costs(cost, without, changed))


def _item_effect(
    item: BillingItem, row: tuple[Any, ...] | None, interval: PriceInterval, customer: int | None
) -> ItemEffect:
    counting = _counting(interval, item.pk, customer)
    quantity, costs = (int(row[3]), Costs(*row[4:7])) if row else (0, Costs())
    return ItemEffect(item, quantity, costs, counting.without, counting.changed)


_QUANTITIES = ", ".join(
    f"coalesce(sum(quantity) FILTER (WHERE measure = '{measure}'), 0) AS {measure}" for measure in Measure
)
_EFFECT = load_statement(
    "price_effects.sql",
    beside=__file__,
    sums=SUMS,
    measured=MEASURED,
    quantities=_QUANTITIES,
    measures=", ".join(Measure),
    net_quantity=NET_QUANTITY,
    price_in_force=price_in_force_sql(item="item.id", customer="series.scope", instant="begun.instant"),
    price_of_whole=price_in_force_sql(item="item.whole_id", customer="series.scope", instant="begun.instant"),
)
