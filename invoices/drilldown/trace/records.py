"""From a usage record to the charge lines on which it is billed and corrected."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Q

from accounts.models import Customer
from invoices.drilldown.coverage import Chain, chain_of, shares_of
from invoices.drilldown.prices import is_for
from invoices.drilldown.trace.lines import sign_of
from invoices.models import ChargeLine, Correction, HourlyBill, ParkedHour
from invoices.rating.coverage import Quantities
from pricing.models import Price
from pricing.rules.amounts import amount_of, exact_sum
from pricing.rules.measures import PARTS_OF, Measure
from usage.billing_hours import hour_of, last_closed_hour
from usage.models import ArchivedEvent, UsageRecord


class BillingState(StrEnum):
    """Whether a record is billed yet."""

    BILLED = "billed"
    OPEN = "open"
    PARKED = "parked"
    NOT_CHARGED = "not charged"
    # Never, unless the books are broken: its hour is closed, and no line and no parked hour holds it.
    UNBILLED = "unbilled"


class Share(NamedTuple):
    """A record's part of a charge line."""

    line: ChargeLine
    quantity: int
    amount: Decimal


@dataclass(frozen=True)
class RecordTrace:
    """A record, its billing state, and its part of every line that bills or corrects it."""

    record: UsageRecord
    billing_state: BillingState
    bill: HourlyBill | None
    parked: ParkedHour | None
    lines: list[Share]
    reratings: list[Share]
    reversal: "RecordTrace | None"

    @property
    def corrections(self) -> list[Share]:
        """Its part of the lines that correct it, reversals last."""
        return [*self.reratings, *(self.reversal.lines if self.reversal else ())]

    @property
    def amount(self) -> Decimal:
        """What it comes to by now, corrections included."""
        return exact_sum(share.amount for share in [*self.lines, *self.corrections])


def trace_record(*, customer: Customer, event_id: str) -> RecordTrace | None:
    """Return where this record is billed and how that was corrected.

    None if there is no such record here: it, or what reverses it, may be archived (`find_archived`).
    """
    last_closed = last_closed_hour()  # first: an hour that closes meanwhile has its bill below
    of_customer = UsageRecord.objects.select_related("service", "customer").filter(customer=customer)
    found = {one.event_id: one for one in of_customer.filter(Q(event_id=event_id) | Q(reverses=event_id))}
    record = found.pop(event_id, None)
    if record is None:
        return None
    reversing = next(iter(found.values()), None)
    if reversing is None and ArchivedEvent.objects.filter(customer=customer, reverses=event_id).exists():
        return None
    original = record
    if record.reverses is not None:
        original = of_customer.filter(event_id=record.reverses).first() or _archived_original(record)
    books = _read_books(original=original, reversal=reversing or record, last_closed=last_closed)
    reversal = _trace(record=reversing, reversal=None, books=books) if reversing else None
    return _trace(record=record, reversal=reversal, books=books)


def _archived_original(reversal: UsageRecord) -> UsageRecord:
    """Return the archived record that this one reverses, as far as its identity and the reversal tell."""
    event = ArchivedEvent.objects.get(customer=reversal.customer_id, event_id=reversal.reverses)
    return UsageRecord(
        customer=reversal.customer,
        event_id=event.event_id,
        service=reversal.service,
        occurred_at=event.occurred_at,
        billing_hour=event.billing_hour,
    )


@dataclass(frozen=True)
class _Books:
    """What is read at once of a record and of its reversal, which is priced at the same instant."""

    original: UsageRecord
    last_closed: dt.datetime | None
    bills: dict[dt.datetime, HourlyBill]
    parked: dict[dt.datetime, ParkedHour]
    chain: Chain
    own_prices: set[str]
    lines: list[ChargeLine]


def _read_books(*, original: UsageRecord, reversal: UsageRecord, last_closed: dt.datetime | None) -> _Books:
    hours = {original.billing_hour, reversal.billing_hour}
    of_customer = {"customer": original.customer_id, "hour__in": hours}
    bills = {bill.hour_id: bill for bill in HourlyBill.objects.filter(**of_customer)}
    is_complete = hours == bills.keys()
    parked = () if is_complete else ParkedHour.objects.filter(**of_customer)
    usage_hour = hour_of(original.occurred_at)
    billed = bills.get(original.billing_hour)
    service = original.service_id
    prices = _prices_at(original) if billed else []
    lines = ChargeLine.objects.filter(
        bill__in=bills.values(), service=service, usage_hour=usage_hour, price__in=[one.pk for one in prices]
    )
    return _Books(
        original=original,
        last_closed=last_closed,
        bills=bills,
        parked={one.hour_id: one for one in parked if one.hour_id not in bills},
        chain=chain_of(bill=billed, service_id=service, usage_hour=usage_hour)
        if billed
        else Chain([], {}, []),
        own_prices={price.billing_item.measure for price in prices},
        lines=list(lines.select_related("bill", "package", "corrects__bill").order_by("billing_item_id"))
        if prices
        else [],
    )


def _trace(*, record: UsageRecord, reversal: RecordTrace | None, books: _Books) -> RecordTrace:
    bill, parked = books.bills.get(record.billing_hour), books.parked.get(record.billing_hour)
    parts: list[Share] = []
    covered: dict[int | None, Quantities] = {}
    if bill and record.is_charged is None:
        covered = shares_of(record, chain=books.chain, event_id=books.original.event_id)
        own = [line for line in _lines_of(record, bill, books) if line.package_id in covered]
        parts = [_share(line, covered[line.package_id], books.own_prices) for line in own]
        # Of a call that is divided, a line has what is more than nothing.
        parts = [part for part in parts if part.quantity or len(covered) == 1]
    lines = [part.line for part in parts]
    reratings = _reratings_of(lines, reversal) if record.reverses is None else []
    return RecordTrace(
        record=record,
        billing_state=_state(record, lines, parked, books.last_closed),
        bill=bill,
        parked=parked,
        lines=parts,
        reratings=[_share(line, covered[None], books.own_prices) for line in reratings],
        reversal=reversal,
    )


def _state(
    record: UsageRecord,
    lines: list[ChargeLine],
    parked: ParkedHour | None,
    last_closed: dt.datetime | None,
) -> BillingState:
    if record.is_charged is False:
        return BillingState.NOT_CHARGED
    if lines:
        return BillingState.BILLED
    if parked:
        return BillingState.PARKED
    is_open = last_closed is None or record.billing_hour > last_closed
    return BillingState.OPEN if is_open else BillingState.UNBILLED


def _prices_at(record: UsageRecord) -> list[Price]:
    """Return the price in force of each of the service's billing items at the record's instant."""
    return list(
        Price.objects.in_force(at=record.occurred_at)
        .filter(is_for(record.customer_id), billing_item__service=record.service_id)
        .select_related("billing_item")
        .by_precedence()
        .distinct("billing_item_id")  # the first of each item counts
    )


def _lines_of(record: UsageRecord, bill: HourlyBill, books: _Books) -> list[ChargeLine]:
    """Return the lines of this bill that a record may be on: of usage, or of the original's reversal."""
    return [line for line in books.lines if line.bill_id == bill.pk and _may_hold(line, record, books)]


def _may_hold(line: ChargeLine, record: UsageRecord, books: _Books) -> bool:
    if record.reverses is None:
        return line.correction == Correction.NONE
    return (
        line.correction == Correction.REVERSAL
        and line.corrects is not None
        and line.corrects.bill.hour_id == books.original.billing_hour
    )


def _reratings_of(lines: list[ChargeLine], reversal: RecordTrace | None) -> list[ChargeLine]:
    found = (
        ChargeLine.objects.filter(corrects__in=lines, rerating__isnull=False)
        .select_related("bill", "package")
        .order_by("bill__sealed_in", "bill__hour", "billing_item_id", "-correction")
    )
    reversed_on = reversal.bill if reversal else None
    return [line for line in found if reversed_on is None or _order(line.bill) < _order(reversed_on)]


def _order(bill: HourlyBill) -> tuple[dt.datetime, dt.datetime]:
    """Bills are made in the order of the hours that seal them, then of their own hours."""
    return bill.sealed_in_id, bill.hour_id


def _share(line: ChargeLine, used: Quantities, own_prices: set[str]) -> Share:
    """Return what was used as a part of the line: of a whole, with the parts that have no prices."""
    measure = Measure(line.measure)
    parts = [part for part in PARTS_OF.get(measure, ()) if part not in own_prices]
    quantity = sign_of(line) * sum(used.get(one, 0) for one in (measure, *parts))
    amount = amount_of(quantity=quantity, unit_price=line.unit_price, unit_size=line.unit_size)
    return Share(line, quantity, amount)
