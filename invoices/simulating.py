"""What other prices would have meant: real usage at the prices of its time, and at those of one instant.

Whoever wants to see the effect of prices that are only planned writes them in a transaction, asks here, and
rolls back: nothing here knows of a price that is not in the database. What lies in the future changes no
price of the past, so the old amounts are right all the same.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from invoices.rating import RANK, allow_memory
from pricing.amounts import exact_sum
from pricing.measures import Measure
from pricing.models import BillingItem, Price
from usage.hours import hour_of


@dataclass(frozen=True)
class CustomerEffect:
    """What one customer's usage cost, and would have cost; amounts in RMB."""

    customer_code: str
    customer_name: str
    quantities: Mapping[Measure, int]
    old: Decimal
    new: Decimal
    difference: Decimal


@dataclass(frozen=True)
class ItemEffect:
    """The same of one billing item, with everybody's price at the end of the period and at the instant."""

    item: BillingItem
    quantity: int
    old: Decimal
    new: Decimal
    difference: Decimal
    old_price: Price | None
    new_price: Price | None


@dataclass(frozen=True)
class PriceEffect:
    """The effect of other prices on a period's usage: who used something, and each item asked for."""

    since: dt.datetime
    until: dt.datetime
    at: dt.datetime
    customers: list[CustomerEffect]
    items: list[ItemEffect]

    @property
    def old(self) -> Decimal:
        """What it cost."""
        return exact_sum(item.old for item in self.items)

    @property
    def new(self) -> Decimal:
        """What it would have cost."""
        return exact_sum(item.new for item in self.items)

    @property
    def difference(self) -> Decimal:
        """By how much more; below 0: by how much less."""
        return exact_sum(item.difference for item in self.items)

    @property
    def measures(self) -> list[Measure]:
        """What the items measure, in the order of the price page."""
        asked = {item.item.measure for item in self.items}
        return [measure for measure in Measure if measure in asked]

    @property
    def affected(self) -> int:
        """For how many customers something changes."""
        return sum(1 for customer in self.customers if customer.difference)


@transaction.atomic
def price_effect(
    *, billing_items: Collection[int], at: dt.datetime, since: dt.datetime, until: dt.datetime
) -> PriceEffect:
    """Return what usage of [since, until) cost at the prices of its time, and would cost at those of `at`.

    All records of these items count by their own instant, of open hours as of closed ones, reversals with
    what they take back; re-ratings do not count. Where no price is in force, usage costs nothing. The
    customers come with the largest difference first, the items in the order of the price page.
    """
    items = list(BillingItem.objects.filter(pk__in=billing_items).select_related("service__group"))
    asked: dict[str, Any] = {"items": [item.pk for item in items], "at": at, "since": since, "until": until}
    allow_memory()
    with connection.cursor() as cursor:
        # For an expression over instants PostgreSQL expects as many groups as there are instants: it would
        # sort all records to find the few that there are.
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(_EFFECT, asked | {"from_hour": hour_of(since)})
        rows = cursor.fetchall()
        cursor.execute("SET LOCAL enable_sort = on")
    by_item = {row[0]: row[3:] for row in rows if row[0] is not None}
    return PriceEffect(
        since=since,
        until=until,
        at=at,
        customers=sorted(
            (_customer_effect(row) for row in rows if row[0] is None),
            key=lambda effect: (-abs(effect.difference), effect.customer_code),
        ),
        items=_item_effects(items=items, sums=by_item, at=at, until=until),
    )


def _customer_effect(row: tuple[Any, ...]) -> CustomerEffect:
    _, code, name, _, old, new, difference, *quantities = row
    used = {measure: int(quantity) for measure, quantity in zip(Measure, quantities, strict=True)}
    return CustomerEffect(code, name, used, old, new, difference)


def _item_effects(
    *, items: list[BillingItem], sums: dict[int, tuple[Any, ...]], at: dt.datetime, until: dt.datetime
) -> list[ItemEffect]:
    last_instant = until - dt.timedelta(microseconds=1)
    old_prices, new_prices = (_prices_for_everybody(items=items, at=when) for when in (last_instant, at))
    nothing = (Decimal(0),) * 4
    effects = []
    for item in items:
        quantity, old, new, difference = sums.get(item.pk, nothing)[:4]
        prices = old_prices.get(item.pk), new_prices.get(item.pk)
        effects.append(ItemEffect(item, int(quantity), old, new, difference, *prices))
    return effects


def _prices_for_everybody(*, items: list[BillingItem], at: dt.datetime) -> dict[int, Price]:
    found = Price.objects.filter(billing_item__in=items).for_everybody().in_force(at=at).by_precedence()
    prices: dict[int, Price] = {}
    for price in found.select_related("billing_item"):
        prices.setdefault(price.billing_item_id, price)
    return prices


_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', used.{measure})" for measure in Measure)
_QUANTITIES = ", ".join(
    f"coalesce(sum(quantity) FILTER (WHERE measure = '{measure}'), 0) AS {measure}" for measure in Measure
)
_PRICE_AT = f"""
    SELECT unit_price * (1::numeric / unit_size) AS rate
      FROM pricing_price
     WHERE billing_item_id = item.id AND (customer_id IS NULL OR customer_id = course.whose)
       AND begins_at <= {{instant}} AND (ends_at IS NULL OR ends_at > {{instant}})
     ORDER BY customer_id NULLS LAST, CASE kind {RANK} END
     LIMIT 1
"""  # noqa: S608
# A *course* is how the prices of a service run over the period: one for everybody (whose = 0), and one for
# each customer with prices of its own. Its instants cut the period into slices in which no price changes; a
# price is looked up once a slice of a course, not once a record or a group of them. A record is billed in its
# own hour or later, so no earlier billing hour holds a record of the period; how much later nobody knows. The
# unit price is multiplied by the reciprocal of the unit size, a power of ten: PostgreSQL rounds quotients but
# not products.
_EFFECT = f"""
WITH item AS MATERIALIZED (
    SELECT id, service_id, measure FROM pricing_billingitem WHERE id = ANY (%(items)s)
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
      FROM (SELECT DISTINCT service_id, whose FROM change) AS own
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
           coalesce(old.rate, 0) AS old_rate, coalesce(new.rate, 0) AS new_rate
      FROM course
      JOIN item ON item.service_id = course.service_id
     CROSS JOIN LATERAL unnest(%(since)s::timestamptz || course.instants)
           WITH ORDINALITY AS begun (instant, place)
     CROSS JOIN LATERAL (SELECT place - 1 AS slice) AS numbered
      LEFT JOIN LATERAL ({_PRICE_AT.format(instant="begun.instant")}) AS old ON true
      LEFT JOIN LATERAL ({_PRICE_AT.format(instant="%(at)s")}) AS new ON true
), priced AS (
    SELECT used.customer_id, rates.item_id, rates.measure, measured.quantity, old_rate, new_rate
      FROM used
      JOIN rates USING (service_id, whose, slice)
     CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
     WHERE measured.measure = rates.measure AND measured.quantity <> 0
), effect AS (
    SELECT item_id, customer_id, sum(quantity) AS quantity, sum(quantity * old_rate) AS old,
           sum(quantity * new_rate) AS new, {_QUANTITIES}
      FROM priced
     GROUP BY GROUPING SETS ((customer_id), (item_id))
)
SELECT item_id, coalesce(customer.code, effect.customer_id::text), coalesce(customer.name, ''),
       quantity, old, new, new - old AS difference, {", ".join(map(str, Measure))}
  FROM effect
  LEFT JOIN accounts_customer AS customer ON customer.id = effect.customer_id
"""  # noqa: S608  # only the names of our own measures and kinds
