"""The expected lines of an hour's bills, computed again from plain rows: no SQL, no Django, exact fractions.

This is the second opinion on the closing and shares nothing with it. Prices are chosen, quantities added up
and corrections followed here once more, one customer's hour at a time.

An *interval* is a part of an hour in which no price begins or ends. *Due* is the expected charge line.
"""

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

HOUR = dt.timedelta(hours=1)
# The first that is in force counts, of a customer's own prices and then of everybody's.
KINDS = ("free_trial", "limited_time_offer", "list_price")
# What is measured as a part of something else, which is charged without it where the part has a price.
PARTS = {"cached_input_tokens": "input_tokens", "cache_write_tokens": "input_tokens"}


class Price(NamedTuple):
    """A row of the price list."""

    id: int
    billing_item: int
    customer: int | None
    kind: str
    unit_price: Decimal
    unit_size: int
    begins_at: dt.datetime
    ends_at: dt.datetime | None

    def is_in_force(self, at: dt.datetime) -> bool:
        """Whether its period holds this instant."""
        return self.begins_at <= at and (self.ends_at is None or at < self.ends_at)


class Line(NamedTuple):
    """A stored charge line, with the place of its bill: the hour of its seal, then its own."""

    id: int
    bill: int
    sealed_in: dt.datetime
    hour: dt.datetime
    usage_hour: dt.datetime
    service: int
    service_name: str
    measure: str
    billing_item: int
    price: int
    price_kind: str
    is_own_price: bool
    unit_price: Decimal
    unit_size: int
    records: int
    quantity: Decimal
    amount: Decimal
    correction: str
    corrects: int | None
    rerating: int | None
    package: int | None = None

    @property
    def place(self) -> tuple[dt.datetime, dt.datetime]:
        """Bills are made in this order."""
        return self.sealed_in, self.hour


class Order(NamedTuple):
    """A re-rating: usage of these hours that was charged at this price is charged at another.

    With a customer, only that one's.
    """

    id: int
    price: int
    from_hour: dt.datetime
    until_hour: dt.datetime
    unit_price: Decimal
    customer: int | None = None


class LineKey(NamedTuple):
    """What tells the lines of a bill apart."""

    usage_hour: dt.datetime
    billing_item: int
    price: int
    correction: str = ""
    corrects: int | None = None
    package: int | None = None


class Due(NamedTuple):
    """An expected charge line."""

    service: int
    measure: str
    price_kind: str
    is_own_price: bool
    unit_price: Decimal
    unit_size: int
    records: int
    quantity: int
    rerating: int | None = None

    @property
    def amount(self) -> Fraction:
        """Quantity x unit price / unit size, exactly."""
        return exact_amount(self.quantity, self.unit_price, self.unit_size)


class Portion(NamedTuple):
    """Usage of a service in an interval, that one package covers or none, and how much by each measure.

    `records` are those of which it is all or a part. Of a *piece*, a part of what was used then, there are
    lines for what was used only. Of a reversal, `billed_in` is the hour in which the reversed record was
    billed.
    """

    service: int
    begin: dt.datetime
    billed_in: dt.datetime | None
    records: int
    quantities: tuple[int, ...]
    package: int | None = None
    is_piece: bool = False


Usage = list[Portion]


def exact_amount(quantity: int | Decimal, unit_price: Decimal, unit_size: int) -> Fraction:
    """Return quantity x unit price / unit size as a fraction."""
    numerator, denominator = unit_price.as_integer_ratio()
    return Fraction(int(quantity) * numerator, denominator * unit_size)


def hour_holding(instant: dt.datetime) -> dt.datetime:
    """Return the beginning of the hour that holds this instant."""
    return instant.replace(minute=0, second=0, microsecond=0)


class PriceList:
    """All prices and billing items, to find the price in force."""

    def __init__(
        self, *, items: Iterable[tuple[int, int, str]], prices: Iterable[Price], measures: tuple[str, ...]
    ) -> None:
        """Take the items as (id, service, measure); measures name the quantities of a record, in order."""
        self.measures = measures
        self._items = {(service, measure): item for item, service, measure in items}
        self._prices: dict[tuple[int, int | None], list[Price]] = defaultdict(list)
        changes = set()
        for price in prices:
            self._prices[price.billing_item, price.customer].append(price)
            changes |= {price.begins_at, price.ends_at} - {None}
        for candidates in self._prices.values():
            candidates.sort(key=lambda price: KINDS.index(price.kind))
        self._changes: list[dt.datetime] = sorted(changes)  # type: ignore[arg-type]

    def price_of(self, service: int, measure: str, *, customer: int, at: dt.datetime) -> Price | None:
        """Return the price that counts for this customer at this instant, if the service charges for it."""
        item = self._items.get((service, measure))
        return None if item is None else self.in_force(item=item, customer=customer, at=at)

    def in_force(self, *, item: int, customer: int, at: dt.datetime) -> Price | None:
        """Return the price that counts for this customer at this instant, if there is any."""
        for owner in (customer, None):
            for price in self._prices.get((item, owner), ()):
                if price.is_in_force(at):
                    return price
        return None

    def are_free(self, service: int, measures: Iterable[str], *, customer: int, at: dt.datetime) -> bool:
        """Whether all of these that are charged for at this instant are under a free trial."""
        found = [self.price_of(service, one, customer=customer, at=at) for one in measures]
        return {price.kind for price in found if price is not None} == {"free_trial"}

    def interval(self, instant: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """Return the part of the hour around this instant in which no price changes."""
        begin = hour_holding(instant)
        end = begin + HOUR
        place = bisect_right(self._changes, instant)
        if place and self._changes[place - 1] > begin:
            begin = self._changes[place - 1]
        if place < len(self._changes) and self._changes[place] < end:
            end = self._changes[place]
        return begin, end


class Recomputed(NamedTuple):
    """What a customer's hour comes to, and what of it no line can hold."""

    due: dict[LineKey, Due]
    unbillable: list[str]


class EarlierBilling(NamedTuple):
    """What was charged on earlier bills: lines, and the corrections of each line, oldest first."""

    lines: dict[tuple[dt.datetime, LineKey], Line]
    corrections: dict[int, list[Line]]

    def counting_price(self, line: Line) -> Decimal:
        """Return the price that counts for the line: that of its last re-rating, else its own."""
        rebilled = [one for one in self.corrections.get(line.id, ()) if one.correction == "charged_anew"]
        return rebilled[-1].unit_price if rebilled else line.unit_price

    def left(self, line: Line) -> int:
        """Return how much of the line has not been reversed."""
        reversals = (one for one in self.corrections.get(line.id, ()) if one.correction == "reversal")
        return int(line.quantity) + sum(int(one.quantity) for one in reversals)


def recompute(
    *,
    customer: int,
    usage: Usage,
    orders: list[Order],
    affected: list[Line],
    before: EarlierBilling,
    prices: PriceList,
) -> Recomputed:
    """Return what must be on the customer's bill for the hour."""
    unbillable: list[str] = []
    due: dict[LineKey, Due] = {}
    for billed_in, key, part in _rated(customer=customer, usage=usage, prices=prices, unbillable=unbillable):
        if billed_in is not None:
            line = before.lines.get((billed_in, key))
            if line is None and not part.quantity:
                continue
            if line is None:
                unbillable.append(f"reversals of {part.records} records that no earlier bill holds")
                continue
            key = key._replace(correction="reversal", corrects=line.id)
            part = part._replace(unit_price=before.counting_price(line))
        same = due.get(key)
        due[key] = part if same is None else _added(same, part)
    reversed_now = {key.corrects: part.quantity for key, part in due.items() if key.corrects is not None}
    for order in orders:
        if order.customer not in (None, customer):
            continue
        for line in affected:
            if line.package is not None:
                continue  # what a package covers costs nothing at any price
            if line.price == order.price and order.from_hour <= line.usage_hour < order.until_hour:
                left = before.left(line) + reversed_now.get(line.id, 0)
                due |= _reworked(line=line, left=left, old=before.counting_price(line), order=order)
    return Recomputed(due, unbillable)


def _rated(
    *, customer: int, usage: Usage, prices: PriceList, unbillable: list[str]
) -> Iterator[tuple[dt.datetime | None, LineKey, Due]]:
    for portion in usage:
        priced = False
        for measure, quantity, price in _priced(portion, customer=customer, prices=prices):
            if price is not None:
                priced = True
                key = LineKey(hour_holding(portion.begin), price.billing_item, price.id)
                due = _due(price=price, portion=portion, measure=measure, quantity=quantity)
                yield portion.billed_in, key._replace(package=portion.package), due
            elif quantity:
                unbillable.append(f"{quantity} {measure} for which there is no price")
        if not priced:
            unbillable.append(f"{portion.records} records for which there is no price")


def _priced(portion: Portion, *, customer: int, prices: PriceList) -> Iterator[tuple[str, int, Price | None]]:
    """Yield what was used of each measure that is charged by itself, with its price if there is any."""
    gross = dict(zip(prices.measures, portion.quantities, strict=True))
    found = {
        measure: prices.price_of(portion.service, measure, customer=customer, at=portion.begin)
        for measure in gross
    }
    used = dict(gross)
    for part in [part for part in PARTS if part in used]:
        if found[part] is None:
            del used[part]  # charged as its whole
        else:
            used[PARTS[part]] -= used[part]
    for measure, quantity in used.items():
        if gross[measure] or not portion.is_piece:
            yield measure, quantity, found[measure]


def _due(*, price: Price, portion: Portion, measure: str, quantity: int) -> Due:
    return Due(
        service=portion.service,
        measure=measure,
        price_kind=price.kind,
        is_own_price=price.customer is not None,
        unit_price=price.unit_price if portion.package is None else Decimal(0),
        unit_size=price.unit_size,
        records=portion.records,
        quantity=quantity,
    )


def _added(one: Due, other: Due) -> Due:
    return one._replace(records=one.records + other.records, quantity=one.quantity + other.quantity)


def _reworked(*, line: Line, left: int, old: Decimal, order: Order) -> dict[LineKey, Due]:
    """Return the credit of the rest of the line and its rebilling; nothing if the price stays."""
    if left == 0 or old == order.unit_price:
        return {}
    key = LineKey(line.usage_hour, line.billing_item, line.price, "taken_back", line.id)
    taken = Due(
        service=line.service,
        measure=line.measure,
        price_kind=line.price_kind,
        is_own_price=line.is_own_price,
        unit_price=old,
        unit_size=line.unit_size,
        records=0,
        quantity=-left,
        rerating=order.id,
    )
    rebilled = taken._replace(unit_price=order.unit_price, quantity=left)
    return {key: taken, key._replace(correction="charged_anew"): rebilled}
