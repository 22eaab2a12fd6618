"""What admins do with prices, as rows: change, offer, try for free, end, cancel, copy.

Each deed returns the rows that bring it about (see `applying`), and changes nothing itself.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError

from accounts.models import Customer
from pricing.changes.rows import PriceRow, SpecificationRow, key_of
from pricing.changes.stored import price_row
from pricing.changes.undo import LayingDeed, Replaced, deed_of
from pricing.models import BillingItem, Price, PriceKind
from pricing.rules.measures import Measure
from pricing.rules.unit_prices import PRICE_DECIMALS

Dated = TypeVar("Dated", PriceRow, SpecificationRow)

HUNDRED = Decimal(100)


def change_price(
    *,
    item: BillingItem,
    customer: Customer | None,
    kind: str,
    unit_price: Decimal,
    unit_size: int,
    begins_at: dt.datetime,
    ends_at: dt.datetime | None,
) -> list[PriceRow]:
    """Return the rows that put this price into force; what it replaces goes on before and after it."""
    draft = _Draft()
    draft.lay(
        PriceRow(
            service=item.service.name,
            measure=Measure(item.measure),
            customer=customer.code if customer else "",
            kind=kind,
            unit_price=unit_price,
            unit_size=unit_size,
            begins_at=begins_at,
            ends_at=ends_at,
        )
    )
    return draft.rows()


def announce_offer(
    *,
    items: Iterable[BillingItem],
    percent_off: Decimal | None = None,
    unit_prices: Mapping[int, Decimal] | None = None,
    begins_at: dt.datetime,
    ends_at: dt.datetime | None,
) -> list[PriceRow]:
    """Return the rows of an offer on these items: so many percent off, or a new price for each item's key.

    The percentage is off the list price; where there is none, off the price that counts. Raises
    ValidationError where that is no price.
    """
    draft = _Draft()
    for item in items:
        base = _base_price(item, begins_at)
        unit_price = (unit_prices or {}).get(item.pk)
        draft.lay(
            replace(
                price_row(base),
                kind=PriceKind.LIMITED_TIME_OFFER,
                unit_price=_reduced(base, percent_off) if unit_price is None else unit_price,
                begins_at=begins_at,
                ends_at=ends_at,
            )
        )
    return draft.rows()


def start_trial(
    *, items: Iterable[BillingItem], begins_at: dt.datetime, ends_at: dt.datetime | None
) -> list[PriceRow]:
    """Return the rows that make these items free for everybody for a time."""
    draft = _Draft()
    for item in items:
        draft.lay(
            replace(
                price_row(_base_price(item, begins_at)),
                kind=PriceKind.FREE_TRIAL,
                unit_price=Decimal(0),
                begins_at=begins_at,
                ends_at=ends_at,
            )
        )
    return draft.rows()


def end_prices(
    *,
    prices: Sequence[Price],
    ends_at: dt.datetime,
    successors: Mapping[int, Decimal] | None = None,
    taken_back: Sequence[Price] = (),
) -> list[PriceRow]:
    """Return the rows that end these prices; a successor, by a price's key, is the list price after it.

    Those of `taken_back` are scheduled: they go, and what they had replaced goes on instead.
    """
    draft = _Draft()
    for price in prices:
        ended = draft.end(price_row(price), ends_at)
        unit_price = (successors or {}).get(price.pk)
        if unit_price is not None:
            draft.lay(
                replace(
                    ended,
                    kind=PriceKind.LIST_PRICE,
                    unit_price=unit_price,
                    begins_at=ends_at,
                    ends_at=None,
                )
            )
    # The latest first: what goes on instead of it may be one that is taken back itself.
    for price in sorted(taken_back, key=lambda price: price.begins_at, reverse=True):
        draft.take_back(price)
    return draft.rows()


def cancel_price(*, price: Price) -> list[PriceRow]:
    """Return the rows that take a scheduled price back; what it had replaced goes on instead."""
    draft = _Draft()
    draft.take_back(price)
    return draft.rows()


def copy_prices(*, source: Customer, target: Customer, begins_at: dt.datetime) -> list[PriceRow]:
    """Return the rows that give a customer another's own prices, as they are from this instant on."""
    draft = _Draft()
    theirs = Price.objects.filter(customer=source).from_then_on(at=begins_at)
    for price in theirs.with_names():
        row = price_row(price)
        draft.lay(replace(row, customer=target.code, begins_at=max(row.begins_at, begins_at)))
    return draft.rows()


def overlaid(new: Dated, others: Sequence[Dated]) -> list[Dated]:
    """Return the rows that lay a price over others of its kind, item and customer, or a call specification.

    Others are cut where it begins and go on where it ends. One without an end gives way to the next one
    that is scheduled.
    """
    later = [other.begins_at for other in others if other.begins_at > new.begins_at]
    if new.ends_at is None and later:
        new = replace(new, ends_at=min(later))
    rows: list[Dated] = []
    for other in others:
        if not _overlap(new, other):
            continue
        if other.begins_at < new.begins_at:
            rows.append(replace(other, ends_at=new.begins_at))
        elif other.begins_at > new.begins_at:
            rows.append(replace(other, remove=True))
        if new.ends_at is not None and (other.ends_at is None or other.ends_at > new.ends_at):
            rows.append(replace(other, begins_at=new.ends_at))
    rows.append(new)
    return rows


class _Draft:
    """Rows that are planned one after the other, each on top of what is stored and of those before it."""

    def __init__(self) -> None:
        self._stored: dict[tuple[Any, ...], PriceRow] = {}
        self._keys: dict[tuple[Any, ...], int] = {}
        self._planned: dict[tuple[Any, ...], PriceRow] = {}
        self._read: set[tuple[str, ...]] = set()
        self._ended: set[tuple[Any, ...]] = set()

    def rows(self) -> list[PriceRow]:
        """Return what has been planned."""
        return list(self._planned.values())

    def put(self, row: PriceRow) -> None:
        """Plan a row instead of what is stored or planned under its key."""
        self._read_once(row)
        self._planned.pop(key_of(row), None)
        if not row.remove or key_of(row) in self._stored:
            self._planned[key_of(row)] = row

    def lay(self, new: PriceRow) -> None:
        """Plan a price over the others of its kind, item and customer."""
        for row in overlaid(new, self._course(new)):
            self.put(row)

    def end(self, row: PriceRow, ends_at: dt.datetime) -> PriceRow:
        """Plan another end of a price, which then stays, whatever else is planned."""
        ended = replace(row, ends_at=ends_at)
        self.put(ended)
        self._ended.add(key_of(ended))
        return ended

    def take_back(self, price: Price) -> None:
        """Plan a scheduled price away, and let go on what the deed that brought it had cut or removed."""
        row = price_row(price)
        gone = next((one for one in self._course(row) if key_of(one) == key_of(row)), None)
        if gone is None:
            raise ValidationError(f"{price.billing_item}: {price.text} is not scheduled any more.")
        before = [
            # A list price ends because another follows; an offer or a trial may just have been over.
            Before(one, self._keys.get(key_of(one)), one.kind == PriceKind.LIST_PRICE)
            for one in self._course(row)
            if one.ends_at == gone.begins_at and key_of(one) not in self._ended
        ]
        for undone in taken_back(gone, deed_of(price), before):
            self.put(undone)

    def _course(self, row: PriceRow) -> list[PriceRow]:
        """Return what is stored and planned of a row's kind, item and customer."""
        self._read_once(row)
        others = [row for row in (self._stored | self._planned).values() if not row.remove]
        return [other for other in others if _course_of(other) == _course_of(row)]

    def _read_once(self, row: PriceRow) -> None:
        if _course_of(row) in self._read:
            return
        self._read.add(_course_of(row))
        same = Price.objects.filter(
            billing_item__service__name=row.service,
            billing_item__measure=row.measure,
            customer__code=row.customer or None,
            kind=row.kind,
        )
        for price in same.with_names():
            stored = price_row(price)
            self._stored[key_of(stored)] = stored
            self._keys[key_of(stored)] = price.pk


def _course_of(row: PriceRow) -> tuple[str, ...]:
    """Return among which prices a row's period must not overlap with another."""
    return row.service, row.measure, row.customer, row.kind


@dataclass(frozen=True)
class Before(Generic[Dated]):
    """What ends where another begins, its key if it is stored, and whether it always goes on without it."""

    row: Dated
    key: int | None
    goes_on: bool


def taken_back(gone: Dated, deed: LayingDeed, before: Iterable[Before[Dated]]) -> list[Dated]:
    """Return the rows that take one away, and let go on what the deed that brought it had cut or removed."""
    pieces: list[Dated] = [piece for one in deed.removed if (piece := _within(gone, one))]
    until = min((piece.begins_at for piece in pieces), default=gone.ends_at)
    rows: list[Dated] = [replace(gone, remove=True)]
    for one in before:
        if one.goes_on:
            rows.append(replace(one.row, ends_at=until))
        elif one.key in deed.cut:
            rows.append(replace(one.row, ends_at=_earlier(deed.cut[one.key], until)))
    rows += pieces
    return rows


def _earlier(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    """Return the earlier of two ends; None is no end."""
    return min((end for end in (one, other) if end is not None), default=None)


def _within(gone: Dated, replaced: Replaced) -> Dated | None:
    """Return what of a row that was replaced lies within the time of the one that goes."""
    begins_at, ends_at = max(gone.begins_at, replaced.begins_at), _earlier(gone.ends_at, replaced.ends_at)
    if ends_at is not None and ends_at <= begins_at:
        return None
    return replace(gone, **replaced.said, begins_at=begins_at, ends_at=ends_at)


def _overlap(one: Dated, other: Dated) -> bool:
    return (one.ends_at is None or other.begins_at < one.ends_at) and (
        other.ends_at is None or one.begins_at < other.ends_at
    )


def _base_price(item: BillingItem, at: dt.datetime) -> Price:
    """Return what an offer is off: everybody's list price at this instant, else the price that counts."""
    counting = Price.objects.filter(billing_item=item).for_everybody().in_force(at=at).by_precedence()
    prices = {price.kind: price for price in reversed(counting)}
    base = prices.get(PriceKind.LIST_PRICE) or next(reversed(prices.values()), None)
    if base is None:
        raise ValidationError(f"{item} has no price at {at:%Y-%m-%d %H:%M} UTC.")
    return base


def _reduced(base: Price, percent_off: Decimal | None) -> Decimal:
    if percent_off is None:
        raise ValidationError(f"{base.billing_item}: say how many percent off, or the new price.")
    if base.kind == PriceKind.FREE_TRIAL:
        raise ValidationError(f"{base.billing_item} has no price to be reduced, only a free trial.")
    with localcontext(prec=40):
        reduced = (base.unit_price * (HUNDRED - percent_off) / HUNDRED).normalize()
    if reduced < 0 or -int(reduced.as_tuple().exponent) > PRICE_DECIMALS:
        raise ValidationError(
            f"{base.billing_item}: {percent_off:f} % off {base.unit_price.normalize():f} is {reduced:f} RMB. "
            f"A unit price has at most {PRICE_DECIMALS} decimals and is not below 0: "
            "give the new price instead."
        )
    return reduced
