"""What a customer owes and uses just now: open hours at current prices, the last day and days, the month.

Hours up to the last closed one come from bills, later ones from the records as they would be billed. The
last closed hour is read first and once: an hour that closes while the page is read is not counted twice.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils.translation import gettext_noop

from accounts.models import Customer
from invoices.portal.figures import Figures, Spent, figures_of
from invoices.running.open_hours import OpenHour, read_open_hours
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import start_of_day
from usage.billing_hours import EPOCH, hour_of, last_closed_hour
from usage.models import HOUR

LATEST_BILLS = 5
HOURS, DAYS = 24, 30
# The states of an hour; pages translate them.
RUNNING = gettext_noop("running")
CLOSING_SOON = gettext_noop("closing soon")
CLOSED = gettext_noop("closed")
NO_USAGE = gettext_noop("no usage")
UNDER_REVIEW = gettext_noop("under review")


class ServiceName(NamedTuple):
    """A service in charts and tables."""

    pk: int
    name: str


class Bill(NamedTuple):
    """A bill in a list, or a parked hour without its number."""

    hour_id: dt.datetime
    number: str
    issued_at: dt.datetime
    records: int
    amount: Decimal


@dataclass(frozen=True)
class Cell:
    """What a service costs in an hour or day; `is_used` tells nothing used from nothing charged."""

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
class DayRow:
    """One of the last 30 days of the customer's clock."""

    day: dt.date
    cells: list[Cell]
    amount: Decimal


@dataclass(frozen=True)
class Overview:
    """Everything the customer's overview shows."""

    running: OpenHour
    closing_soon: list[OpenHour]
    services: list[ServiceName]
    rows: list[HourRow]
    day_services: list[ServiceName]
    days: list[DayRow]
    figures: Figures
    month: dt.date
    latest_bills: list[Bill]
    parked: list[Bill]

    @property
    def amount_of_day(self) -> Decimal:
        """What the last 24 hours come to."""
        return exact_sum(row.amount for row in self.rows)

    @property
    def amount_of_month(self) -> Decimal:
        """What this month comes to so far."""
        return self.figures.month.amount

    @property
    def has_parked(self) -> bool:
        """Whether one of the last 24 hours was parked."""
        return any(row.state == UNDER_REVIEW for row in self.rows)

    @property
    def is_unused(self) -> bool:
        """Whether nothing was ever used, as far as this page reaches."""
        is_open = any(hour.records or hour.charges for hour in [self.running, *self.closing_soon])
        return not (is_open or self.latest_bills or self.parked)


def overview_of(*, customer: Customer, now: dt.datetime) -> Overview:
    """Read everything the customer's overview shows, as of now."""
    last_closed = last_closed_hour() or EPOCH
    this_hour = hour_of(now)
    zone = ZoneInfo(customer.time_zone)
    today = now.astimezone(zone).date()
    hours = [this_hour - n * HOUR for n in range(HOURS)]
    days = [today - dt.timedelta(days=n) for n in range(DAYS)]
    month = today.replace(day=1)
    open_hours = read_open_hours(customer=customer, after=last_closed, this_hour=this_hour)
    values: dict[str, Any] = {
        "customer": customer.pk,
        "closed": last_closed,
        "zone": customer.time_zone,
        "hours_since": this_hour - 2 * HOURS * HOUR,
        "days_since": start_of_day(days[-1], zone),
        "bills": HOURS,
        **_months(month, now, zone),
    }
    spent = _read_spent(values) + _spent_in_open(open_hours, zone)
    bills, parked = _read_bills(values)
    by_hour = [part for part in spent if part.span == "hour" and part.begins >= hours[-1]]
    by_day = [part for part in spent if part.span == "day"]
    services, day_services = _services_in(by_hour), _services_in(by_day)
    return Overview(
        running=open_hours[-1],
        closing_soon=[hour for hour in open_hours[:-1] if hour.records or hour.charges],
        services=services,
        rows=_rows(hours, bills=bills, parked=parked, open_hours=open_hours, cells=_Cells(by_hour, services)),
        day_services=day_services,
        days=[_day(day, zone, _Cells(by_day, day_services)) for day in days],
        figures=figures_of(spent=spent, customer=customer, now=now),
        month=month,
        latest_bills=bills[:LATEST_BILLS],
        parked=[one for one in parked if one.hour_id >= values["month"]],
    )


def _months(month: dt.date, now: dt.datetime, zone: ZoneInfo) -> dict[str, dt.datetime]:
    """Return when this month and the one before began, and the instant of that one that is the same."""
    begins = start_of_day(month, zone)
    before = start_of_day((month - dt.timedelta(days=1)).replace(day=1), zone)
    return {"month": begins, "month_before": before, "same_instant": min(before + (now - begins), begins)}


def _spent_in_open(open_hours: list[OpenHour], zone: ZoneInfo) -> list[Spent]:
    spent = []
    for hour in open_hours:
        day = hour.hour.astimezone(zone).date()
        begins = {
            "hour": hour.hour,
            "day": start_of_day(day, zone),
            "month": start_of_day(day.replace(day=1), zone),
        }
        spent += [
            Spent(span, begin, charge.service_id, charge.service, charge.is_free_trial, charge.amount)
            for charge in hour.charges
            for span, begin in begins.items()
        ]
    return spent


def _services_in(spent: Iterable[Spent]) -> list[ServiceName]:
    return sorted({ServiceName(part.service_id, part.service) for part in spent})


class _Cells:
    """What each of these services costs, by the beginning of an hour or day."""

    def __init__(self, spent: Iterable[Spent], services: list[ServiceName]) -> None:
        self._services = services
        self._parts: dict[tuple[dt.datetime, int], list[Spent]] = {}
        for part in spent:
            self._parts.setdefault((part.begins, part.service_id), []).append(part)

    def at(self, begins: dt.datetime) -> list[Cell]:
        return [_cell(self._parts.get((begins, service.pk), [])) for service in self._services]


def _cell(parts: list[Spent]) -> Cell:
    return Cell(
        amount=exact_sum(part.amount for part in parts),
        is_used=bool(parts),
        is_free_trial=bool(parts) and all(part.is_free_trial for part in parts),
    )


def _rows(
    hours: list[dt.datetime],
    *,
    bills: list[Bill],
    parked: list[Bill],
    open_hours: list[OpenHour],
    cells: _Cells,
) -> list[HourRow]:
    billed = {bill.hour_id: bill for bill in bills}
    waiting = {bill.hour_id for bill in parked}
    still_open = {hour.hour: hour for hour in open_hours}
    return [
        _row(hour, billed.get(hour), hour in waiting, still_open.get(hour), cells.at(hour)) for hour in hours
    ]


def _row(
    hour: dt.datetime, bill: Bill | None, is_parked: bool, open_hour: OpenHour | None, cells: list[Cell]
) -> HourRow:
    if open_hour:
        state, records = (RUNNING if open_hour.is_running else CLOSING_SOON), open_hour.records
    else:
        without_bill = UNDER_REVIEW if is_parked else NO_USAGE
        state, records = (CLOSED if bill else without_bill), (bill.records if bill else 0)
    amount = exact_sum(cell.amount for cell in cells)
    return HourRow(hour, state, bill.number if bill else None, records, cells, amount)


def _day(day: dt.date, zone: ZoneInfo, cells: _Cells) -> DayRow:
    its = cells.at(start_of_day(day, zone))
    return DayRow(day, its, exact_sum(cell.amount for cell in its))


def _read_spent(values: dict[str, Any]) -> list[Spent]:
    with connection.cursor() as cursor:
        cursor.execute(_SPENT, values)
        return [Spent(*row) for row in cursor.fetchall()]


def _read_bills(values: dict[str, Any]) -> tuple[list[Bill], list[Bill]]:
    with connection.cursor() as cursor:
        cursor.execute(_BILLS, values)
        rows = cursor.fetchall()
    bills, parked = ([Bill(*row) for what, *row in rows if what == one] for one in ("bill", "parked"))
    return bills, parked


_SPENT = load_statement("read_spent.sql", beside=__file__)
_BILLS = load_statement("read_bills.sql", beside=__file__)
