"""Commands on prices: change, offer, free trial, end, cancel, copy.

Each command returns the rows to apply (see `apply.py`) and changes nothing itself.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from accounts.models import Customer
from pricing.changes.rows import PackageRow, PriceRow, SpecificationRow, key_of
from pricing.changes.stored import price_row
from pricing.changes.undo import RemovedRow, Superseded, superseded_by
from pricing.models import BillingItem, Price, moment_text
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.unit_prices import PRICE_DECIMALS

Dated = TypeVar("Dated", PriceRow, SpecificationRow, PackageRow)

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
    """Return the rows that add this price; the superseded ones stay in force before and after it."""
    draft = _Draft()
    draft.supersede(
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
        row = _discounted(item, percent_off, unit_prices or {}, begins_at)
        draft.supersede(replace(row, kind=Kind.LIMITED_TIME_OFFER, ends_at=ends_at))
    return draft.rows()


def agree_prices(
    *,
    code: str,
    items: Iterable[BillingItem],
    percent_off: Decimal | None = None,
    unit_prices: Mapping[int, Decimal] | None = None,
    begins_at: dt.datetime,
) -> list[PriceRow]:
    """Return the rows of the own prices of a customer who has none yet, without an end.

    So many percent off, or a new price for each item's key, as `announce_offer` has them.
    """
    rows = [_discounted(item, percent_off, unit_prices or {}, begins_at) for item in items]
    return [replace(row, customer=code, kind=Kind.LIST_PRICE, ends_at=None) for row in rows]


def start_trial(
    *, items: Iterable[BillingItem], begins_at: dt.datetime, ends_at: dt.datetime | None
) -> list[PriceRow]:
    """Return the rows that make these items free for everybody for a time."""
    draft = _Draft()
    for item in items:
        draft.supersede(
            replace(
                price_row(_base_price(item, begins_at)),
                kind=Kind.FREE_TRIAL,
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
    cancelled: Sequence[Price] = (),
) -> list[PriceRow]:
    """Return the rows that end these prices; a successor, by a price's key, is the list price after it.

    `cancelled` prices have not begun: they are removed, and the prices that they replaced resume.
    """
    draft = _Draft()
    for price in prices:
        ended = draft.end(price_row(price), ends_at)
        unit_price = (successors or {}).get(price.pk)
        if unit_price is not None:
            draft.supersede(
                replace(
                    ended,
                    kind=Kind.LIST_PRICE,
                    unit_price=unit_price,
                    begins_at=ends_at,
                    ends_at=None,
                )
            )
    # The latest first: the price that resumes may be cancelled too.
    for price in sorted(cancelled, key=lambda price: price.begins_at, reverse=True):
        draft.cancel(price)
    return draft.rows()


def cancel_price(*, price: Price) -> list[PriceRow]:
    """Return the rows that cancel a scheduled price; the prices that it superseded resume."""
    draft = _Draft()
    draft.cancel(price)
    return draft.rows()


def take_back(*, prices: Sequence[Price], continued: Mapping[int, Price], now: dt.datetime) -> list[PriceRow]:
    """Return the rows that take back prices that were announced together.

    Those that have not begun are cancelled, the others end now; what one of them interrupts in its own
    series, by its key in `continued`, then goes on at once.
    """
    draft = _Draft()
    for price in prices:
        if price.begins_at <= now:
            draft.end(price_row(price), now)
            if price.pk in continued:
                draft.supersede(replace(price_row(continued[price.pk]), begins_at=now))
    scheduled = [price for price in prices if price.begins_at > now]
    for price in sorted(scheduled, key=lambda price: price.begins_at, reverse=True):
        draft.cancel(price)
    return draft.rows()


def copy_prices(*, source: Customer, target: Customer, begins_at: dt.datetime) -> list[PriceRow]:
    """Return the rows that copy one customer's own prices, from this instant on, to another customer."""
    draft = _Draft()
    theirs = Price.objects.filter(customer=source).from_then_on(at=begins_at)
    for price in theirs.with_names():
        row = price_row(price)
        draft.supersede(replace(row, customer=target.code, begins_at=max(row.begins_at, begins_at)))
    return draft.rows()


def superseding_rows(new: Dated, others: Sequence[Dated]) -> list[Dated]:
    """Return the rows that add a row to its series and make room for it.

    Others are truncated where it begins and resume where it ends. A row without an end ends where the next
    scheduled one begins.
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
    """Collects rows one after the other, each on top of the stored ones and of those before it."""

    def __init__(self) -> None:
        self._stored: dict[tuple[Any, ...], PriceRow] = {}
        self._keys: dict[tuple[Any, ...], int] = {}
        self._planned: dict[tuple[Any, ...], PriceRow] = {}
        self._read: set[tuple[str, ...]] = set()
        self._ended: set[tuple[Any, ...]] = set()

    def rows(self) -> list[PriceRow]:
        """Return the collected rows."""
        return list(self._planned.values())

    def put(self, row: PriceRow) -> None:
        """Add a row in place of the stored or collected one of the same key."""
        self._read_once(row)
        self._planned.pop(key_of(row), None)
        if not row.remove or key_of(row) in self._stored:
            self._planned[key_of(row)] = row

    def supersede(self, new: PriceRow) -> None:
        """Add a price, and make room for it in its series."""
        for row in superseding_rows(new, self._series(new)):
            self.put(row)

    def end(self, row: PriceRow, ends_at: dt.datetime) -> PriceRow:
        """Set the end of a price; later calls do not move it."""
        ended = replace(row, ends_at=ends_at)
        self.put(ended)
        self._ended.add(key_of(ended))
        return ended

    def cancel(self, price: Price) -> None:
        """Remove a scheduled price, and let the prices that it had truncated or removed resume."""
        row = price_row(price)
        gone = next((one for one in self._series(row) if key_of(one) == key_of(row)), None)
        if gone is None:
            raise ValidationError(
                gettext("%(item)s: %(price)s is not scheduled any more.")
                % {"item": price.billing_item, "price": price.text}
            )
        before = [
            # A list price ends because another follows; an offer or a trial may just have been over.
            Predecessor(one, self._keys.get(key_of(one)), one.kind == Kind.LIST_PRICE)
            for one in self._series(row)
            if one.ends_at == gone.begins_at and key_of(one) not in self._ended
        ]
        for undone in cancelling_rows(gone, superseded_by(price), before):
            self.put(undone)

    def _series(self, row: PriceRow) -> list[PriceRow]:
        """Return the stored and collected rows of a row's series: its kind, item and customer."""
        self._read_once(row)
        others = [row for row in (self._stored | self._planned).values() if not row.remove]
        return [other for other in others if _series_key(other) == _series_key(row)]

    def _read_once(self, row: PriceRow) -> None:
        if _series_key(row) in self._read:
            return
        self._read.add(_series_key(row))
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


def _series_key(row: PriceRow) -> tuple[str, ...]:
    """Return the key of the series in which the periods of prices must not overlap."""
    return row.service, row.measure, row.customer, row.kind


@dataclass(frozen=True)
class Predecessor(Generic[Dated]):
    """A row that ends where another begins, its primary key if stored, and whether it always resumes."""

    row: Dated
    key: int | None
    resumes: bool


def cancelling_rows(gone: Dated, superseded: Superseded, before: Iterable[Predecessor[Dated]]) -> list[Dated]:
    """Return the rows that remove one row and let those that it had truncated or removed resume."""
    pieces: list[Dated] = [piece for one in superseded.removed if (piece := _within(gone, one))]
    until = min((piece.begins_at for piece in pieces), default=gone.ends_at)
    rows: list[Dated] = [replace(gone, remove=True)]
    for one in before:
        if one.resumes:
            rows.append(replace(one.row, ends_at=until))
        elif one.key in superseded.truncated:
            rows.append(replace(one.row, ends_at=_earlier(superseded.truncated[one.key], until)))
    rows += pieces
    return rows


def _earlier(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    """Return the earlier of two ends; None is no end."""
    return min((end for end in (one, other) if end is not None), default=None)


def _within(gone: Dated, replaced: RemovedRow) -> Dated | None:
    """Return the part of a removed row that lies within the period of the cancelled one, if any."""
    begins_at, ends_at = max(gone.begins_at, replaced.begins_at), _earlier(gone.ends_at, replaced.ends_at)
    if ends_at is not None and ends_at <= begins_at:
        return None
    return replace(gone, **replaced.values, begins_at=begins_at, ends_at=ends_at)


def _overlap(one: Dated, other: Dated) -> bool:
    return (one.ends_at is None or other.begins_at < one.ends_at) and (
        other.ends_at is None or one.begins_at < other.ends_at
    )


def _base_price(item: BillingItem, at: dt.datetime) -> Price:
    """Return the price that a discount applies to: everybody's list price, else their price in force."""
    counting = Price.objects.filter(billing_item=item).for_everybody().in_force(at=at).by_precedence()
    prices = {price.kind: price for price in reversed(counting)}
    base = prices.get(Kind.LIST_PRICE) or next(reversed(prices.values()), None)
    if base is None:
        raise ValidationError(
            gettext("%(item)s has no price at %(at)s.") % {"item": item, "at": moment_text(at)}
        )
    return base


def _discounted(
    item: BillingItem, percent_off: Decimal | None, unit_prices: Mapping[int, Decimal], begins_at: dt.datetime
) -> PriceRow:
    """Return the price that a discount applies to with its new unit price, from this instant on."""
    base = _base_price(item, begins_at)
    unit_price = unit_prices.get(item.pk)
    return replace(
        price_row(base),
        unit_price=_reduced(base, percent_off) if unit_price is None else unit_price,
        begins_at=begins_at,
    )


def _reduced(base: Price, percent_off: Decimal | None) -> Decimal:
    words: dict[str, Any] = {"item": base.billing_item, "places": PRICE_DECIMALS}
    if percent_off is None:
        raise ValidationError(gettext("%(item)s: give a percentage off or a new price.") % words)
    if base.kind == Kind.FREE_TRIAL:
        text = gettext("%(item)s has only a free trial: there is no price to reduce.")
        raise ValidationError(text % words)
    with localcontext(prec=40):
        reduced = (base.unit_price * (HUNDRED - percent_off) / HUNDRED).normalize()
    if reduced < 0 or -int(reduced.as_tuple().exponent) > PRICE_DECIMALS:
        words |= {"percent": f"{percent_off:f}", "price": f"{base.unit_price.normalize():f}"}
        words["reduced"] = f"{reduced:f}"
        text = gettext(
            "%(item)s: %(percent)s %% off %(price)s is %(reduced)s RMB. A unit price has at most %(places)s "
            "decimals and is not below 0: give the new price instead."
        )
        raise ValidationError(text % words)
    return reduced
