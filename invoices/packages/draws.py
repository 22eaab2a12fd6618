"""The log of a package: what each hourly bill drew from it or gave back.

Of a TPM package it is the minutes in which more tokens were used than were bought.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from invoices.drilldown.csv_tables import hour_utc, precise_utc
from invoices.models import PackageDraw, QuotaOverrun
from pricing.files.csv import Cell
from pricing.models import QuotaPackage
from sensenova_billing.lib.local_time import hour_text, instant_text

DRAW_COLUMNS = (
    *("package", "product", "customer", "hour_local", "hour_utc", "time_zone", "bill", "state"),
    *("left_before", "tokens", "left", "ran_out_local", "ran_out_utc", "ran_out_event_id"),
)
_BATCH = 2000  # rows of a server-side cursor


def draws_of(package: QuotaPackage) -> QuerySet[PackageDraw]:
    """Return the package's draws with their bills."""
    return PackageDraw.objects.filter(package=package).select_related("bill")


def overruns_of(package: QuotaPackage) -> QuerySet[QuotaOverrun]:
    """Return the minutes above the quota while the package was in force, of the services that it covers."""
    ends_at = package.ended_at or package.expires_at
    return QuotaOverrun.objects.filter(
        bill__customer=package.customer_id,
        bill__hour__gte=package.begins_at,
        service__in=package.periods.values("service"),
        minute__gte=package.begins_at,
        minute__lt=ends_at,
    ).select_related("bill", "service")


def draw_rows(package: QuotaPackage) -> Iterator[list[Cell]]:
    """Yield a row for each draw, oldest first."""
    zone = ZoneInfo(package.customer.time_zone)
    head = (package.number, package.product_name, package.customer.code)
    for draw in draws_of(package).order_by("id").iterator(chunk_size=_BATCH):
        hour, ran_out_at = draw.bill.hour_id, draw.ran_out_at
        yield [
            *(*head, hour_text(hour, zone), hour_utc(hour), zone.key, draw.bill.number),
            "given back" if draw.is_return else "drawn",
            *(draw.left_before, -draw.tokens if draw.is_return else draw.tokens, draw.left),
            instant_text(ran_out_at, zone, timespec="microseconds") if ran_out_at else None,
            precise_utc(ran_out_at) if ran_out_at else None,
            draw.ran_out_event_id,
        ]
