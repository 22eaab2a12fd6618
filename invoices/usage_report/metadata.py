"""Summing up closed hours by the metadata of their calls: project, end user, API key.

Each share belongs to a charge line: its quantity is that of the calls with this value, its amount that
quantity at the line's unit price. What no value is known of is left: a line's shares add up to it or to less.
Names are those of `USAGE_METADATA_KEYS`; a name that is added later counts from then on. Of many values of a
name the largest are shown apart, and those with a budget.
"""

import datetime as dt
import time
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform

from invoices.drilldown.trace.lines import price_of_one, records_of
from invoices.models import ChargeLine, Correction, HourlyBill, MetadataSum, MetadataUsage
from invoices.rating.usage_sql import (
    MEASURED,
    NET_QUANTITY,
    SUMS_OF_RECORD,
    allow_memory,
    rating_parameters,
)
from pricing.rules.precedence_sql import price_in_force_sql
from sensenova_billing.lib.database.statements import load_statement
from usage.models import BillingHour, Budget

# Of a line and a name so many values are shown apart.
MOST_VALUES = 1000
LONGEST_VALUE = 255
# A round ends after so long; the next one goes on.
ROUND = dt.timedelta(seconds=30)


def sum_up_closed_hours(*, now: dt.datetime) -> int:
    """Sum up closed hours that are not yet, oldest first; return how many."""
    began = time.monotonic_ns()
    hours = 0
    summed = MetadataSum.objects.filter(pk=OuterRef("pk"))
    for hour in BillingHour.objects.exclude(Exists(summed)).order_by("hour").values_list("hour", flat=True):
        hours += sum_up(hour=hour, now=now)
        if time.monotonic_ns() - began > ROUND // dt.timedelta(microseconds=1) * 1000:
            break
    return hours


@transaction.atomic(durable=True)
def sum_up(*, hour: dt.datetime, now: dt.datetime) -> bool:
    """Sum up the bills that were sealed in this hour, once; return whether it was not done before."""
    _, is_first = MetadataSum.objects.get_or_create(hour_id=hour, defaults={"summed_at": now})
    if not is_first:
        return False
    allow_memory()
    bills = HourlyBill.objects.filter(sealed_in=hour).order_by()
    for of_hour in bills.values_list("hour_id", flat=True).distinct():
        values = rating_parameters(hour=of_hour)
        names = list(settings.USAGE_METADATA_KEYS)
        with connection.cursor() as cursor:
            cursor.execute(_SUM, {**values, "sealed_in": hour, "names": names, "most": MOST_VALUES})
    for line in _divided_lines(bills.values("pk")):
        MetadataUsage.objects.bulk_create(_shares(line))
    with connection.cursor() as cursor:
        cursor.execute(_RERATED, {"sealed_in": hour})
    return True


def _divided_lines(bills: QuerySet[HourlyBill, Any]) -> Iterable[ChargeLine]:
    """Return the lines for usage that others share, of which packages cover different parts."""
    lines = ChargeLine.objects.filter(bill__in=bills, correction=Correction.NONE)
    others = ChargeLine.objects.filter(
        bill=OuterRef("bill"),
        billing_item=OuterRef("billing_item"),
        price=OuterRef("price"),
        usage_hour=OuterRef("usage_hour"),
        correction=Correction.NONE,
    ).exclude(pk=OuterRef("pk"))
    return lines.filter(Exists(others)).select_related("bill", "corrects__bill", "package")


def _shares(line: ChargeLine) -> list[MetadataUsage]:
    shares = []
    for name in settings.USAGE_METADATA_KEYS:
        budgets = Budget.objects.filter(customer=line.bill.customer_id, metadata_name=name, removed_at=None)
        budgeted = set(budgets.values_list("metadata_value", flat=True))
        values = (
            records_of(line=line)
            .annotate(value=KeyTextTransform(name, "metadata"))
            .exclude(value=None)
            .exclude(value="")
            .order_by()
            .values_list("value")
            .annotate(calls=Count("event_id"), total=Sum("quantity"))
            .order_by("-total", "value")
        )
        shares += [
            MetadataUsage(
                line=line,
                customer_id=line.bill.customer_id,
                hour=line.bill.hour_id,
                service_id=line.service_id,
                billing_item_id=line.billing_item_id,
                name=name,
                value=value[:LONGEST_VALUE],
                calls=calls,
                quantity=total,
                amount=total * price_of_one(line),
            )
            for place, (value, calls, total) in enumerate(values)
            if place < MOST_VALUES or value in budgeted
        ]
    return shares


_SUM = load_statement(
    "sum_metadata.sql",
    beside=__file__,
    sums_of_record=SUMS_OF_RECORD,
    measured=MEASURED,
    net_quantity=NET_QUANTITY,
    price_in_force=price_in_force_sql(item="item.id", customer="used.customer_id", instant="used.instant"),
)
_RERATED = load_statement("sum_rerated.sql", beside=__file__)
