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
    values: dict[str, Any] = {"items": [item.pk for item in items], "at": at, "since": since, "until": until}
    changes = _changes(values)
    values |= {
        "changes": changes,
        "services": sorted({item.service_id for item in items}),
        "from_hour": hour_of(since),
    }
    allow_memory()
    with connection.cursor() as cursor:
        cursor.execute(_PREPARE.format(slices=_slices(changes=len(changes))), values)
        cursor.execute(_EFFECT)
        rows = cursor.fetchall()
    by_item = {row[0]: row[3:] for row in rows if row[0] is not None}
    return PriceEffect(
        since=since,
        until=until,
        at=at,
        customers=[_customer_effect(row) for row in rows if row[0] is None],
        items=_item_effects(items=items, sums=by_item, at=at, until=until),
    )


def _changes(values: dict[str, Any]) -> list[dt.datetime]:
    """Return the instants within the period at which prices of these items change."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, values)
        return [instant for (instant,) in cursor.fetchall()]


def _slices(*, changes: int) -> str:
    """Group by the slice as well: bit by bit, because PostgreSQL knows how few values a condition has.

    For the number itself it would expect as many as there are instants, and sort all records.
    """
    slice_of = _SLICE.format("occurred_at")
    return "".join(f", {slice_of} & {1 << bit} <> 0" for bit in range(changes.bit_length()))


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


_CHANGES = """
SELECT DISTINCT instant
  FROM pricing_price
 CROSS JOIN LATERAL (VALUES (begins_at), (ends_at)) AS change (instant)
 WHERE billing_item_id = ANY (%(items)s) AND instant > %(since)s AND instant < %(until)s
 ORDER BY instant
"""
_SLICE = "width_bucket({}, %(changes)s::timestamptz[])"
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', used.{measure})" for measure in Measure)
_QUANTITIES = ", ".join(
    f"coalesce(sum(quantity) FILTER (WHERE measure = '{measure}'), 0) AS {measure}" for measure in Measure
)
# A record is billed in its own hour or later, so no earlier billing hour holds a record of the period; how
# much later nobody knows, so there is no last one.
#
# `rates` holds what one unit of an item costs at each moment (slice 0, 1, ...; the asked instant is -1), for
# everybody and for each customer with prices of its own. They are worked out once, not once a group as rating
# does: over a month there are many slices, and each own price would be looked at for each group. The unit
# price is multiplied by the reciprocal of the unit size, a power of ten, because PostgreSQL rounds quotients
# but not products. Both are tables with statistics: of subqueries PostgreSQL expects a few rows and compares
# each with each.
_PREPARE = f"""
DROP TABLE IF EXISTS pg_temp.consumed, pg_temp.rates;
CREATE TEMPORARY TABLE consumed ON COMMIT DROP AS
WITH used AS MATERIALIZED (
    SELECT customer_id, service_id, min(occurred_at) AS instant, {_SUMS}
      FROM usage_usagerecord
     WHERE billing_hour >= %(from_hour)s AND occurred_at >= %(since)s AND occurred_at < %(until)s
       AND service_id = ANY (%(services)s)
     GROUP BY customer_id, service_id {{slices}}
)
SELECT used.customer_id, {_SLICE.format("used.instant")} AS slice, item.id AS item_id, measured.*
  FROM used
 CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
  JOIN pricing_billingitem AS item ON item.service_id = used.service_id AND item.measure = measured.measure
 WHERE item.id = ANY (%(items)s) AND measured.quantity <> 0;
CREATE TEMPORARY TABLE rates ON COMMIT DROP AS
WITH moments (slice, instant) AS (
    SELECT -1, %(at)s::timestamptz
     UNION ALL
    SELECT ordinality - 1, instant
      FROM unnest(%(since)s::timestamptz || %(changes)s::timestamptz[]) WITH ORDINALITY AS begins (instant)
)
SELECT DISTINCT ON (price.billing_item_id, price.customer_id, slice)
       price.billing_item_id AS item_id, price.customer_id, slice::integer AS slice,
       price.unit_price * (1::numeric / price.unit_size) AS rate
  FROM moments
  JOIN pricing_price AS price
    ON price.begins_at <= instant AND (price.ends_at IS NULL OR price.ends_at > instant)
 WHERE price.billing_item_id = ANY (%(items)s)
 ORDER BY price.billing_item_id, price.customer_id, slice, CASE price.kind {RANK} END;
ANALYZE pg_temp.consumed, pg_temp.rates;
"""  # noqa: S608  # only the names of our own measures and kinds
_EFFECT = f"""WITH priced AS (
    SELECT consumed.*,
           quantity * coalesce(own_old.rate, old.rate, 0) AS old_amount,
           quantity * coalesce(own_new.rate, new.rate, 0) AS new_amount
      FROM consumed
      LEFT JOIN rates AS own_old USING (item_id, customer_id, slice)
      LEFT JOIN rates AS own_new
        ON (own_new.item_id, own_new.customer_id) = (consumed.item_id, consumed.customer_id)
       AND own_new.slice = -1
      LEFT JOIN rates AS old
        ON (old.item_id, old.slice) = (consumed.item_id, consumed.slice) AND old.customer_id IS NULL
      LEFT JOIN rates AS new
        ON (new.item_id, new.slice) = (consumed.item_id, -1) AND new.customer_id IS NULL
), effect AS (
    SELECT item_id, customer_id, sum(quantity) AS quantity, sum(old_amount) AS old, sum(new_amount) AS new,
           sum(new_amount) - sum(old_amount) AS difference, {_QUANTITIES}
      FROM priced
     GROUP BY GROUPING SETS ((customer_id), (item_id))
)
SELECT item_id, coalesce(customer.code, effect.customer_id::text) AS code, coalesce(customer.name, ''),
       quantity, old, new, difference, {", ".join(str(measure) for measure in Measure)}
  FROM effect
  LEFT JOIN accounts_customer AS customer ON customer.id = effect.customer_id
 ORDER BY abs(difference) DESC, code
"""  # noqa: S608  # only the names of our own measures and kinds
