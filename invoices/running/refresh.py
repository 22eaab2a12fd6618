"""Summing up open hours, so that no page reads millions of records at each look.

Customers with many records in an open hour, or whose hour may come to more than a bound of parking, are rated
together, by the statements of the closing, which here write nothing but the sums. A refresh takes at most a
twentieth of the time: one that took 6 seconds is followed by the next after two minutes.
"""

import datetime as dt
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from django.conf import settings
from django.db import connection, transaction

from accounts.models import Customer
from invoices.closing.bill import BILLS_TO_KNOW_WHAT_IS_USUAL, DAYS_TO_LOOK_BACK
from invoices.models import Rerating, RunningHour, RunningRefresh
from invoices.rating.charges_sql import Charge, charges_of_customers
from invoices.rating.usage_sql import MEASURED, allow_memory
from pricing.rules.amounts import exact_sum
from pricing.rules.measures import Measure
from sensenova_billing.lib.database.statements import load_statement, load_template
from usage.billing_hours import EPOCH, hour_of, last_closed_hour

# A part of the time that refreshes may take.
SHARE_OF_TIME = 20

# Of customers, how many records they have in an hour and how many of these are reversals.
Counts = dict[int, tuple[int, int]]


@transaction.atomic(durable=True)
def refresh_running_hours(*, now: dt.datetime) -> int | None:
    """Sum up the open hours of such customers; return how many hours, or None if it is no turn.

    What was summed up before is replaced at once; hours that closed since are gone with it.
    """
    RunningRefresh.objects.get_or_create(is_only=True, defaults={"began_at": EPOCH, "took": dt.timedelta(0)})
    turn = RunningRefresh.objects.select_for_update(skip_locked=True).first()
    if turn is None or now - turn.began_at < SHARE_OF_TIME * turn.took:
        return None
    began = time.monotonic_ns()
    rows = _sum_up(after=last_closed_hour() or EPOCH, now=now)
    RunningHour.objects.all().delete()
    RunningHour.objects.bulk_create(rows)
    turn.began_at, turn.took = now, dt.timedelta(microseconds=(time.monotonic_ns() - began) // 1000)
    turn.save(update_fields=["began_at", "took"])
    return len(rows)


def draw_of(charges: Iterable[Charge], *, drawn: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """Return what packages have given after an hour with these charges, by package."""
    after = dict(drawn)
    for draw in {charge.draw for charge in charges if charge.draw}:
        # A package that runs out covers nothing later, whatever small rest it may have.
        taken = draw.left_before if draw.runs_out else draw.tokens
        after[draw.package_id] = after.get(draw.package_id, Decimal(0)) + taken
    return after


def _sum_up(*, after: dt.datetime, now: dt.datetime) -> list[RunningHour]:
    counted = _count(after=after, this_hour=hour_of(now))
    customers = Customer.objects.in_bulk({one for counts in counted.values() for one in counts})
    if not customers:
        return []
    rerated = Rerating.objects.filter(billing_hour__gt=after, billing_hour__lte=hour_of(now))
    allow_memory()
    rows = []
    drawn: dict[int, Decimal] = {}
    for hour in sorted({*counted, *rerated.values_list("billing_hour", flat=True)}):
        charges = charges_of_customers(customers=list(customers), hour=hour, drawn_before=drawn)
        drawn = draw_of([charge for its in charges.values() for charge in its], drawn=drawn)
        counts = counted.get(hour, {})
        rows += [
            _row(customer_id, hour, counts.get(customer_id, (0, 0)), charges.get(customer_id, []), now=now)
            for customer_id in sorted(customers.keys() & (counts.keys() | charges.keys()))
        ]
    return rows


def _row(
    customer_id: int, hour: dt.datetime, counts: tuple[int, int], charges: list[Charge], *, now: dt.datetime
) -> RunningHour:
    records, reversals = counts
    return RunningHour(
        customer_id=customer_id,
        hour=hour,
        as_of=now,
        calls=records - reversals,
        reversals=reversals,
        amount=exact_sum(charge.amount for charge in charges),
        charges=msgspec.to_builtins(charges),
    )


def _count(*, after: dt.datetime, this_hour: dt.datetime) -> dict[dt.datetime, Counts]:
    counted: dict[dt.datetime, Counts] = {}
    values: dict[str, Any] = {"after": after, "this_hour": this_hour, "most": settings.RATED_LIVE_RECORDS}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {**values, **parking_bounds()})
        for hour, customer_id, records, reversals in cursor.fetchall():
            counted.setdefault(hour, {})[customer_id] = (records, reversals)
    return counted


def parking_bounds() -> dict[str, Any]:
    """Return the parameters of `beyond_sql`."""
    return {
        "most_amount": settings.PARK_ABOVE_AMOUNT,
        "unusual_from": settings.PARK_UNUSUAL_FROM,
        "times_usual": settings.PARK_ABOVE_TIMES_USUAL,
        "usual_within": dt.timedelta(days=DAYS_TO_LOOK_BACK),
        "bills_to_know": BILLS_TO_KNOW_WHAT_IS_USUAL,
    }


def beyond_sql(*, hours: str, hour: str) -> dict[str, str]:
    """Return the parts `usual` and `is_beyond` of a statement on a relation of customers' hours."""
    usual = _USUAL.substitute(customer=f"{hours}.customer_id", hour=f"{hours}.{hour}")
    return {"usual": usual, "is_beyond": _IS_BEYOND.substitute(hour=hours)}


_USUAL = load_template("usual_amount.sql", beside=__file__)
_IS_BEYOND = load_template("is_beyond.sql", beside=__file__)
_COUNT = load_statement(
    "count_usage.sql",
    beside=__file__,
    charged=", ".join(
        f"coalesce(sum({one}) FILTER (WHERE reverses IS NULL AND is_charged IS NOT FALSE), 0) AS {one}"
        for one in Measure
    ),
    measured=MEASURED,
    **beyond_sql(hours="possible", hour="billing_hour"),
)
