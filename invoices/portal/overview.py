"""What a customer owes and uses just now: open hours at current prices, the last day, the month.

Hours up to the last closed one come from bills, later ones from the records as they would be billed. The
last closed hour is read first and once: an hour that closes while the page is read is not counted twice.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum
from django.utils.translation import gettext_noop

from accounts.models import Customer
from invoices.models import ChargeLine, HourlyBill, ParkedHour
from invoices.running.open_hours import OpenHour, read_open_hours
from pricing.models import Service
from pricing.rules.amounts import exact_sum
from pricing.rules.kinds import Kind
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import EPOCH, hour_of, last_closed_hour
from usage.models import HOUR

LATEST_BILLS = 5
# The states of an hour; pages translate them.
RUNNING = gettext_noop("running")
CLOSING_SOON = gettext_noop("closing soon")
CLOSED = gettext_noop("closed")
NO_USAGE = gettext_noop("no usage")
UNDER_REVIEW = gettext_noop("under review")


@dataclass(frozen=True)
class Cell:
    """What a service costs in an hour; `is_used` tells nothing used from nothing charged."""

    amount: Decimal = Decimal(0)
    is_used: bool = False
    is_free_trial: bool = False


@dataclass(frozen=True)
class HourRow:
    """One of the last 24 hours; `bill_number` if it is closed and was billed."""

    hour: dt.datetime
    state: str
    bill_number: str | None
    records: int
    cells: list[Cell]
    amount: Decimal


@dataclass(frozen=True)
class Overview:
    """Everything the customer's overview shows."""

    running: OpenHour
    closing_soon: list[OpenHour]
    services: list[Service]
    rows: list[HourRow]
    amount_of_day: Decimal
    amount_of_month: Decimal
    month: dt.date
    latest_bills: list[HourlyBill]

    @property
    def has_parked(self) -> bool:
        """Whether one of the last 24 hours was parked."""
        return any(row.state == UNDER_REVIEW for row in self.rows)


@dataclass(frozen=True)
class _Spent:
    """One service's part of an hour, closed or open."""

    hour: dt.datetime
    service: str
    is_free_trial: bool
    amount: Decimal


def overview_of(*, customer: Customer, now: dt.datetime) -> Overview:
    """Read everything the customer's overview shows, as of now."""
    last_closed = last_closed_hour() or EPOCH
    this_hour = hour_of(now)
    day = [this_hour - n * HOUR for n in range(24)]
    zone = ZoneInfo(customer.time_zone)
    first_day = now.astimezone(zone).date().replace(day=1)
    month = start_of_day(first_day, zone)
    open_hours = read_open_hours(customer=customer, after=last_closed, this_hour=this_hour)
    bills = HourlyBill.objects.filter(customer=customer, hour_id__lte=last_closed)
    latest = list(bills.order_by("-hour_id")[: len(day)])
    spent = _spent_in_closed(customer=customer, since=day[-1], until=last_closed) + _spent_in_open(open_hours)
    services = _services_in({part.service for part in spent if part.hour >= day[-1]})
    parked = ParkedHour.objects.filter(customer=customer, hour_id__gte=day[-1])
    rows = _rows(
        day=day,
        bills=latest,
        parked=set(parked.values_list("hour_id", flat=True)),
        open_hours=open_hours,
        spent=spent,
        services=services,
    )
    closed_in_month = bills.filter(hour_id__gte=month).aggregate(amount=Sum("amount"))["amount"]
    open_in_month = [hour.amount for hour in open_hours if hour.hour >= month]
    return Overview(
        running=open_hours[-1],
        closing_soon=[hour for hour in open_hours[:-1] if hour.records or hour.charges],
        services=services,
        rows=rows,
        amount_of_day=exact_sum(row.amount for row in rows),
        amount_of_month=exact_sum([closed_in_month or Decimal(0), *open_in_month]),
        month=first_day,
        latest_bills=latest[:LATEST_BILLS],
    )


def _spent_in_closed(*, customer: Customer, since: dt.datetime, until: dt.datetime) -> list[_Spent]:
    rows = (
        ChargeLine.objects.filter(bill__customer=customer, bill__hour_id__gte=since, bill__hour_id__lte=until)
        .order_by()
        .annotate(is_free=Q(price_kind=Kind.FREE_TRIAL, unit_price=0))
        .values_list("bill__hour_id", "service__name", "is_free")
        .annotate(Sum("amount"))
    )
    return [_Spent(*row) for row in rows]


def _spent_in_open(open_hours: list[OpenHour]) -> list[_Spent]:
    return [
        _Spent(hour.hour, charge.service, charge.is_free_trial, charge.amount)
        for hour in open_hours
        for charge in hour.charges
    ]


def _services_in(names: set[str]) -> list[Service]:
    return list(Service.objects.filter(name__in=names).select_related("group")) if names else []


def _rows(
    *,
    day: list[dt.datetime],
    bills: list[HourlyBill],
    parked: set[dt.datetime],
    open_hours: list[OpenHour],
    spent: list[_Spent],
    services: list[Service],
) -> list[HourRow]:
    billed = {bill.hour_id: bill for bill in bills}
    still_open = {hour.hour: hour for hour in open_hours}
    parts: dict[tuple[dt.datetime, str], list[_Spent]] = {}
    for part in spent:
        parts.setdefault((part.hour, part.service), []).append(part)
    return [
        _row(
            hour=hour,
            bill=billed.get(hour),
            is_parked=hour in parked,
            open_hour=still_open.get(hour),
            cells=[_cell(parts.get((hour, service.name), [])) for service in services],
        )
        for hour in day
    ]


def _row(
    *,
    hour: dt.datetime,
    bill: HourlyBill | None,
    is_parked: bool,
    open_hour: OpenHour | None,
    cells: list[Cell],
) -> HourRow:
    if open_hour:
        state, records = (RUNNING if open_hour.is_running else CLOSING_SOON), open_hour.records
    else:
        without_bill = UNDER_REVIEW if is_parked else NO_USAGE
        state, records = (CLOSED if bill else without_bill), (bill.records if bill else 0)
    number = bill.number if bill else None
    amount = exact_sum(cell.amount for cell in cells)
    return HourRow(hour=hour, state=state, bill_number=number, records=records, cells=cells, amount=amount)


def _cell(parts: list[_Spent]) -> Cell:
    return Cell(
        amount=exact_sum(part.amount for part in parts),
        is_used=bool(parts),
        is_free_trial=bool(parts) and all(part.is_free_trial for part in parts),
    )
