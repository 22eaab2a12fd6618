"""Changes of prices that need a second confirmation: by more than the bounds, or to a list price of 0."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pricing.changes.rows import PriceRow
from pricing.models import price_text
from pricing.rules.amounts import amount_of, plain
from pricing.rules.kinds import RANK, Kind
from pricing.words import item_within

NOT_CONFIRMED = _("Nothing was changed. Tick that the figures named below are meant, or correct them.")
HUNDRED = Decimal(100)
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class SteepChange:
    """A price, the one that it takes the place of if there is one, and by how many percent it differs."""

    row: PriceRow
    before: PriceRow | None
    percent: Decimal | None

    def __str__(self) -> str:
        name = item_within(self.row.service, self.row.measure)
        if self.row.customer:
            name = gettext("%(item)s for %(customer)s") % {"item": name, "customer": self.row.customer}
        words = {"item": name, "price": _text(self.row)}
        if self.before is None or self.percent is None:
            return gettext("%(item)s at %(price)s") % words
        same_size = self.before.unit_size == self.row.unit_size
        before = plain(self.before.unit_price) if same_size else _text(self.before)
        words |= {"before": before, "percent": percent_text(self.percent)}
        return gettext("%(item)s from %(before)s to %(price)s, %(percent)s") % words


class Unconfirmed(Exception):
    """Steep changes were not confirmed. Nothing was changed."""

    def __init__(self, steep: Sequence[SteepChange]) -> None:
        super().__init__("; ".join(str(one) for one in steep))
        self.steep = steep


def steep_changes(*, written: Iterable[PriceRow], before: Sequence[PriceRow]) -> list[SteepChange]:
    """Return those of the written prices that differ by more than the settings allow without a confirmation.

    `before` are the stored prices of the same items. A free trial is never one of them.
    """
    found = []
    for row in written:
        if row.remove or row.kind == Kind.FREE_TRIAL:
            continue
        replaced = _replaced(row, before)
        percent = _percent(row, replaced) if replaced else None
        is_free = row.kind == Kind.LIST_PRICE and not row.unit_price
        was_free = replaced is not None and not replaced.unit_price
        if (is_free and not was_free) or (percent is not None and _is_steep(percent)):
            found.append(SteepChange(row, replaced, percent))
    return found


def percent_text(percent: Decimal) -> str:
    """E.g. `+99,900 %`, to a tenth."""
    rounded = percent.quantize(_TENTH, ROUND_HALF_EVEN)
    return f"{rounded:+,f} %".replace(".0 %", " %")


def _is_steep(percent: Decimal) -> bool:
    return percent > settings.PRICE_CONFIRM_ABOVE_PERCENT or percent < -settings.PRICE_CONFIRM_BELOW_PERCENT


def _replaced(row: PriceRow, before: Sequence[PriceRow]) -> PriceRow | None:
    """Return the price of its series that is in force where it begins, else the one that counts there."""
    there = [
        one
        for one in before
        if (one.service, one.measure) == (row.service, row.measure)
        and one.customer in {"", row.customer}
        and one.begins_at <= row.begins_at
        and (one.ends_at is None or row.begins_at < one.ends_at)
    ]
    return min(
        there, key=lambda one: (not _same_series(one, row), not one.customer, _rank(one)), default=None
    )


def _same_series(one: PriceRow, row: PriceRow) -> bool:
    return (one.customer, one.kind) == (row.customer, row.kind)


def _rank(row: PriceRow) -> int:
    return RANK[Kind(row.kind)]


def _percent(row: PriceRow, before: PriceRow) -> Decimal | None:
    rate, was = (
        amount_of(quantity=1, unit_price=one.unit_price, unit_size=one.unit_size) for one in (row, before)
    )
    return (rate - was) * HUNDRED / was if was else None


def _text(row: PriceRow) -> str:
    digits = plain(row.unit_price)
    return price_text(kind=row.kind, digits=digits, unit_size=row.unit_size, measure=row.measure)
