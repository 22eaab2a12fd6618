"""A month's bill as a workbook: the sums, by service and item, its hourly bills, their line items.

English, with the columns of the CSV files: what somebody builds on it works for every customer and language.
"""

from collections.abc import Iterator
from typing import IO
from zoneinfo import ZoneInfo

from django.utils import translation

from invoices.documents.monthly_bill import ItemSum, MonthlyBill, OtherPart
from invoices.documents.parties import Party
from invoices.drilldown.csv_tables import BILL_COLUMNS, LINE_COLUMNS, bill_row, hour_utc, lines_of_bills
from pricing.files.csv import Cell
from pricing.files.xlsx import Table, write_tables
from pricing.words import measure_name, unit_name
from sensenova_billing.lib.local_time import instant_text

ITEM_COLUMNS = (
    *("service", "billing_item", "price_kind", "unit_price_rmb", "unit", "calls", "quantity", "amount_rmb"),
)
OTHER_COLUMNS = ("day", "kind", "number", "package", "amount_rmb")
NO_FAPIAO = "This is not a fapiao (tax invoice)."


def write_month(bill: MonthlyBill, *, to: IO[bytes]) -> None:
    """Write the workbook of a month; raise TooManyLines for one that no sheet holds."""
    zone = ZoneInfo(bill.month.customer.time_zone)
    newest_first = bill.bills[::-1]
    with translation.override("en"):
        tables = [
            Table("Summary", ("field", "value"), list(_facts(bill, zone))),
            Table("By service and item", ITEM_COLUMNS, [*map(_item_row, bill.items), _total_row(bill)]),
            *_others(bill),
            Table("Hourly bills", BILL_COLUMNS, (bill_row(one, zone=zone) for one in newest_first)),
            Table("Line items", LINE_COLUMNS, lines_of_bills(newest_first, time_zone=zone.key)),
        ]
        write_tables(to=to, tables=tables)


def _facts(bill: MonthlyBill, zone: ZoneInfo) -> Iterator[tuple[str, Cell]]:
    month, payable = bill.month, bill.payable
    if bill.number:
        yield from (("statement", bill.number), ("supersedes", bill.corrects or None))
    yield from (("month", str(month)), ("time_zone", zone.key))
    yield from (("begin_utc", hour_utc(month.begin)), ("end_utc", hour_utc(month.end)))
    yield from (("customer", month.customer.code), ("customer_name", month.customer.name))
    yield from _party("seller", bill.seller)
    yield from _party("buyer", bill.buyer)
    yield from (("made_local", instant_text(bill.made_at, zone)), ("made_utc", hour_utc(bill.made_at)))
    yield from (("billed_until_utc", hour_utc(bill.billed_until)),)
    yield from (("hours_under_review", bill.hours_under_review), ("hourly_bills", len(bill.bills)))
    if bill.others:
        yield ("usage_rmb", bill.usage)
    yield from (("exact_total_rmb", payable.exact), ("payable_rmb", payable.amount))
    yield ("remainder_rmb", payable.remainder)
    if payable.tax:
        yield from (
            ("tax_rate", payable.tax.rate),
            ("net_rmb", payable.tax.net),
            ("tax_rmb", payable.tax.tax),
        )
    yield ("note", NO_FAPIAO)


def _party(name: str, party: Party) -> Iterator[tuple[str, Cell]]:
    yield from ((name, party.name), (f"{name}_tax_id", party.tax_id))
    yield from ((f"{name}_address", party.address), (f"{name}_email", party.email))


def _item_row(item: ItemSum) -> list[Cell]:
    return [
        *(item.service_name, measure_name(item.measure), item.price_words, item.unit_price),
        unit_name(measure=item.measure, unit_size=item.unit_size),
        *(item.calls, item.quantity, item.amount),
    ]


def _others(bill: MonthlyBill) -> Iterator[Table]:
    if bill.others:
        yield Table("Packages and credits", OTHER_COLUMNS, map(_other_row, bill.others))


def _other_row(part: OtherPart) -> list[Cell]:
    return [str(part.day), part.kind, part.number, part.text, part.amount]


def _total_row(bill: MonthlyBill) -> list[Cell]:
    return ["Total", *[None] * (len(ITEM_COLUMNS) - 2), bill.usage]
