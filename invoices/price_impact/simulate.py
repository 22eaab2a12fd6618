"""What real usage would have cost at other prices: without and with a change, on each stretch that differs.

The prices are given, not read: what is only planned is never in the database here. Only what the usage did
cost is looked up, by the prices of its time.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts.models import Customer
from invoices.rating.usage_sql import RANK, allow_memory
from pricing.models import BillingItem
from pricing.rules.amounts import exact_sum
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceFact
from pricing.timeline.differences import Counting, Stretch
from usage.billing_hours import hour_of


@dataclass(frozen=True)
class Costs:
    """What usage cost, and would have cost at a stretch's prices without and with the change; in RMB."""

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
    """The same of one billing item, with a price that counts for `PriceEffect.whose`, without and with."""

    item: BillingItem
    quantity: int
    costs: Costs
    without: PriceFact | None
    changed: PriceFact | None


@dataclass(frozen=True)
class PriceEffect:
    """What a period's usage would have cost on one stretch: who used something, and each item asked for.

    `whose` is the one customer whom alone it concerns; `own_prices` of how many customers own prices alone it
    concerns, 0 if everybody's.
    """

    stretch: Stretch
    whose: Customer | None
    own_prices: int
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
        asked = {item.item.measure for item in self.items}
        return [measure for measure in Measure if measure in asked]

    @property
    def affected(self) -> int:
        """For how many customers something changes."""
        return sum(1 for customer in self.customers if customer.costs.difference)


@transaction.atomic
def price_effects(
    *, items: Sequence[BillingItem], stretches: Sequence[Stretch], since: dt.datetime, until: dt.datetime
) -> list[PriceEffect]:
    """Return for each stretch what usage of [since, until) cost, and would have cost at its prices.

    All records of these items count by their own instant, of open hours as of closed ones, reversals with
    what they take back; re-ratings do not count. Where no price is in force, usage costs nothing. The
    customers come with the largest difference first, the items in the order given.
    """
    allow_memory()
    asked = _asked(items, stretches) | {"since": since, "until": until, "from_hour": hour_of(since)}
    with connection.cursor() as cursor:
        # For an expression over instants PostgreSQL expects as many groups as there are instants: it would
        # sort all records to find the few that there are.
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(_EFFECT, asked)
        rows = cursor.fetchall()
        cursor.execute("SET LOCAL enable_sort = on")
    return [
        _effect(stretch, items, [row[1:] for row in rows if row[0] == number])
        for number, stretch in enumerate(stretches)
    ]


def _asked(items: Sequence[BillingItem], stretches: Sequence[Stretch]) -> dict[str, Any]:
    """Return the items and, for each stretch, item and whose price, both rates, as the query reads them."""
    courses = {course for stretch in stretches for course in stretch.counting}
    service = {item.pk: item.service_id for item in items}
    own = {(service[item], customer) for item, customer in courses if customer is not None}
    rates = [
        (number, item.pk, customer or 0, *_rates(stretch, item.pk, customer))
        for number, stretch in enumerate(stretches)
        for item in items
        for customer in [None, *(whose for of, whose in own if of == item.service_id)]
    ]
    names = ("numbers", "rated", "whose", "without", "changed")
    columns: Iterable[Collection[Any]] = zip(*rates, strict=True) if rates else [()] * len(names)
    return {
        "items": [item.pk for item in items],
        "services": [item.service_id for item in items],
        "measures": [str(item.measure) for item in items],
    } | {name: list(column) for name, column in zip(names, columns, strict=True)}


def _rates(stretch: Stretch, item: int, customer: int | None) -> tuple[Decimal, Decimal]:
    without, changed = (rate or Decimal(0) for rate in _counting(stretch, item, customer).amounts)
    return without, changed


def _counting(stretch: Stretch, item: int, customer: int | None) -> Counting:
    """Return what counts of an item for a customer; without prices of its own, what counts for everybody."""
    everybodys = stretch.counting.get((item, None), Counting(None, None))
    return stretch.counting.get((item, customer), everybodys)


def _effect(stretch: Stretch, items: Sequence[BillingItem], rows: list[tuple[Any, ...]]) -> PriceEffect:
    by_item = {row[0]: row for row in rows if row[0] is not None}
    concerned = {customer or 0 for _, customer in stretch.differing}
    own_prices = 0 if 0 in concerned else len(concerned)
    whose = Customer.objects.get(pk__in=concerned) if own_prices == 1 else None
    customers = [_customer_effect(row) for row in rows if row[0] is None]
    return PriceEffect(
        stretch=stretch,
        whose=whose,
        own_prices=own_prices,
        customers=sorted(customers, key=lambda one: (-abs(one.costs.difference), one.customer_code)),
        items=[
            _item_effect(item, by_item.get(item.pk), stretch, whose.pk if whose else None) for item in items
        ],
    )


def _customer_effect(row: tuple[Any, ...]) -> CustomerEffect:
    _, code, name, _, cost, without, changed, *quantities = row
    used = {measure: int(quantity) for measure, quantity in zip(Measure, quantities, strict=True)}
    return CustomerEffect(code, name, used, Costs(cost, without, changed))


def _item_effect(
    item: BillingItem, row: tuple[Any, ...] | None, stretch: Stretch, whose: int | None
) -> ItemEffect:
    counting = _counting(stretch, item.pk, whose)
    quantity, costs = (int(row[3]), Costs(*row[4:7])) if row else (0, Costs())
    return ItemEffect(item, quantity, costs, counting.without, counting.changed)


_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', used.{measure})" for measure in Measure)
_QUANTITIES = ", ".join(
    f"coalesce(sum(quantity) FILTER (WHERE measure = '{measure}'), 0) AS {measure}" for measure in Measure
)
# A *course* is how the prices of a service run over the period: one for everybody (whose = 0), and one for
# each customer with prices of its own. Its instants cut the period into slices in which no price changes; a
# price is looked up once a slice of a course, not once a record or a group of them. A record is billed in its
# own hour or later, so no earlier billing hour holds a record of the period; how much later nobody knows. The
# unit price is multiplied by the reciprocal of the unit size, a power of ten: PostgreSQL rounds quotients but
# not products.
_EFFECT = f"""
WITH item AS MATERIALIZED (
    SELECT * FROM unnest(%(items)s::bigint[], %(services)s::bigint[], %(measures)s::text[])
           AS item (id, service_id, measure)
), planned AS MATERIALIZED (
    SELECT * FROM unnest(%(numbers)s::integer[], %(rated)s::bigint[], %(whose)s::bigint[],
                         %(without)s::numeric[], %(changed)s::numeric[])
           AS planned (number, item_id, whose, without, changed)
), change AS MATERIALIZED (
    SELECT item.service_id, coalesce(price.customer_id, 0) AS whose, instant
      FROM item
      JOIN pricing_price AS price ON price.billing_item_id = item.id
     CROSS JOIN LATERAL (VALUES (price.begins_at), (price.ends_at)) AS change (instant)
), course AS MATERIALIZED (
    SELECT service_id, whose,
           ARRAY(SELECT DISTINCT instant FROM change
                  WHERE change.service_id = own.service_id AND change.whose IN (0, own.whose)
                    AND instant > %(since)s AND instant < %(until)s
                  ORDER BY instant) AS instants
      FROM (SELECT item.service_id, planned.whose FROM planned JOIN item ON item.id = planned.item_id
             UNION SELECT service_id, 0 FROM item) AS own
), used AS MATERIALIZED (
    SELECT record.customer_id, record.service_id, coalesce(own.whose, 0) AS whose,
           width_bucket(record.occurred_at, coalesce(own.instants, everybodys.instants)) AS slice, {_SUMS}
      FROM usage_usagerecord AS record
      JOIN course AS everybodys ON everybodys.service_id = record.service_id AND everybodys.whose = 0
      LEFT JOIN course AS own ON own.service_id = record.service_id AND own.whose = record.customer_id
     WHERE billing_hour >= %(from_hour)s AND occurred_at >= %(since)s AND occurred_at < %(until)s
     GROUP BY 1, 2, 3, 4
), rates AS MATERIALIZED (
    SELECT course.service_id, course.whose, slice::integer, item.id AS item_id, item.measure,
           coalesce(counted.rate, 0) AS rate
      FROM course
      JOIN item ON item.service_id = course.service_id
     CROSS JOIN LATERAL unnest(%(since)s::timestamptz || course.instants)
           WITH ORDINALITY AS begun (instant, place)
     CROSS JOIN LATERAL (SELECT place - 1 AS slice) AS numbered
      LEFT JOIN LATERAL (
           SELECT unit_price * (1::numeric / unit_size) AS rate
             FROM pricing_price
            WHERE billing_item_id = item.id AND (customer_id IS NULL OR customer_id = course.whose)
              AND begins_at <= begun.instant AND (ends_at IS NULL OR ends_at > begun.instant)
            ORDER BY customer_id NULLS LAST, CASE kind {RANK} END
            LIMIT 1) AS counted ON true
), priced AS MATERIALIZED (
    SELECT used.customer_id, used.whose, rates.item_id, rates.measure, sum(measured.quantity) AS quantity,
           sum(measured.quantity * rates.rate) AS cost
      FROM used
      JOIN rates USING (service_id, whose, slice)
     CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
     WHERE measured.measure = rates.measure AND measured.quantity <> 0
     GROUP BY 1, 2, 3, 4
), effect AS (
    SELECT planned.number, priced.item_id, customer_id, sum(quantity) AS quantity, sum(cost) AS cost,
           sum(quantity * planned.without) AS without, sum(quantity * planned.changed) AS changed,
           {_QUANTITIES}
      FROM priced
      JOIN planned ON planned.item_id = priced.item_id AND planned.whose = priced.whose
     GROUP BY GROUPING SETS ((planned.number, customer_id), (planned.number, priced.item_id))
)
SELECT effect.number, item_id, coalesce(customer.code, effect.customer_id::text),
       coalesce(customer.name, ''), quantity, cost, without, changed, {", ".join(map(str, Measure))}
  FROM effect
  LEFT JOIN accounts_customer AS customer ON customer.id = effect.customer_id
"""  # noqa: S608  # only the names of our own measures and kinds
