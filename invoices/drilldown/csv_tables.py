"""The columns and rows of the CSV files: bills, charge lines and usage records, in the words of the pages."""

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from invoices.drilldown.bill_lists import BillRow, Selection, in_order_of_page
from invoices.drilldown.pagination import by_amount
from invoices.drilldown.trace.lines import records_of
from invoices.models import ChargeLine, Correction, HourlyBill
from pricing.files.csv import Cell
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from sensenova_billing.lib.local_time import hour_text, instant_text

_BATCH = 2000  # rows of a server-side cursor

BILL_COLUMNS = (
    *("bill", "customer", "customer_name", "hour_local", "hour_utc", "issued_local", "issued_utc"),
    *("time_zone", "service", "calls", "amount_rmb"),
)
LINE_COLUMNS = (
    *("bill", "customer", "customer_name", "hour_local", "hour_utc", "used_local", "used_utc", "time_zone"),
    *("service", "billing_item", "state", "corrects_bill", "corrected_on_bills", "reason"),
    *("calls", "quantity", "unit_price_rmb", "unit", "unit_size", "price_kind", "your_contract_price"),
    *("amount_rmb", "covered_by"),
)
RECORD_COLUMNS = (
    *("bill", "customer", "charge_line", "service", "billing_item", "event_id", "occurred_local"),
    *("occurred_utc", "received_local", "received_utc", "time_zone", "reverses", "quantity"),
    *("unit_price_rmb", "unit_size", "amount_rmb", "covered_by"),
)


def bill_rows(selection: Selection) -> Iterator[list[Cell]]:
    """Yield a row for each bill, newest first."""
    zone = ZoneInfo(selection.customer.time_zone)
    service = selection.service.name if selection.service else "all"
    for row in selection.rows(selection.bills()).iterator(chunk_size=_BATCH):
        yield bill_row(BillRow(*row), zone=zone, service=service)


def bill_row(bill: BillRow, *, zone: ZoneInfo, service: str = "all") -> list[Cell]:
    """Return the row of a bill, as far as it charges for this service."""
    return [
        *(bill.number, bill.customer_code, bill.customer_name),
        *(hour_text(bill.hour_id, zone), hour_utc(bill.hour_id)),
        *(instant_text(bill.issued_at, zone), _instant_utc(bill.issued_at)),
        *(zone.key, service, bill.records, bill.amount),
    ]


def line_rows(lines: Iterable[Any], *, time_zone: str) -> Iterator[list[Cell]]:
    """Yield a row for each charge line, which is `explained`."""
    zone = ZoneInfo(time_zone)
    hour_texts = lru_cache(maxsize=64)(lambda hour: (hour_text(hour, zone), hour_utc(hour)))
    for line in lines:
        bill: HourlyBill = line.bill
        yield [
            *(bill.number, bill.customer_code, bill.customer_name),
            *hour_texts(bill.hour_id),
            *(*hour_texts(line.usage_hour), zone.key),
            *(line.service_name, Measure(line.measure).label, _state(line)),
            *(line.corrects.bill.number if line.corrects else None, " ".join(line.corrected_on)),
            *("; ".join(line.reasons), _calls(line), line.quantity),
            *(line.unit_price, line.unit, line.unit_size, _price_kind(line)),
            *("yes" if line.is_own_price else "no", line.amount, _covered_by(line)),
        ]


def lines_of_bills(bills: Iterable[BillRow], *, time_zone: str) -> Iterator[list[Cell]]:
    """Yield a row for each charge line of these bills, newest bill first."""
    lines = ChargeLine.objects.filter(bill__in=[bill.pk for bill in bills])
    ordered = in_order_of_page(lines, "-bill__hour_id").iterator(chunk_size=_BATCH)
    return line_rows(ordered, time_zone=time_zone)


def selected_line_rows(selection: Selection) -> Iterator[list[Cell]]:
    """Yield a row for each charge line of the selected bills."""
    lines = selection.lines().iterator(chunk_size=_BATCH)
    return line_rows(lines, time_zone=selection.customer.time_zone)


def record_rows(line: ChargeLine, *, is_by_amount: bool = False) -> Iterator[list[Cell]]:
    """Yield a row for each usage record behind the line, oldest first or the largest amounts first."""
    bill = line.bill
    zone = ZoneInfo(bill.customer.time_zone)
    columns = ("event_id", "occurred_at", "received_at", "reverses", "quantity", "amount")
    found = records_of(line=line)
    ordered = by_amount(found) if is_by_amount else found.order_by("occurred_at", "event_id")
    records = ordered.values_list(*columns)
    covered_by = _covered_by(line)
    head = (bill.number, bill.customer_code, line.pk, line.service_name, line.get_measure_display())
    for event_id, occurred_at, received_at, reverses, quantity, amount in records.iterator(_BATCH):
        yield [
            *(*head, event_id),
            *(instant_text(occurred_at, zone, timespec="microseconds"), precise_utc(occurred_at)),
            *(instant_text(received_at, zone, timespec="microseconds"), precise_utc(received_at)),
            *(zone.key, reverses, quantity, line.unit_price, line.unit_size, amount),
            covered_by,
        ]


def _state(line: ChargeLine) -> str:
    return "late" if line.is_late else Correction(line.correction).words


def _calls(line: ChargeLine) -> int | None:
    """Return the calls that the line counts, below 0 for a reversal; None for a re-rating."""
    if not line.records:
        return None
    return -line.records if line.correction == Correction.REVERSAL else line.records


def _price_kind(line: ChargeLine) -> str:
    return "corrected price" if line.correction == Correction.REBILLED else Kind(line.price_kind).label


def _covered_by(line: ChargeLine) -> str | None:
    """Return the number of the package that covers the line."""
    return line.package.number if line.package else None


def hour_utc(hour: dt.datetime) -> str:
    """Return an hour's beginning in UTC, e.g. `2026-11-23T02:00:00Z`."""
    return f"{hour:%Y-%m-%dT%H:%M:%SZ}"


def _instant_utc(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def precise_utc(instant: dt.datetime) -> str:
    """Return an instant in UTC, to the microsecond."""
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"
