"""Amounts, quantities and hours as text. Nothing is rounded but what `rmb` shows of a total.

English and Chinese group digits and write hours alike: 1,051.60 and 2026-11-23 10:00-11:00.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext

from invoices.models import Correction
from pricing.rules.amounts import exact_sum, plain
from pricing.rules.measures import Measure
from pricing.words import measure_name, unit_name
from sensenova_billing.lib import local_time
from usage.models import UsageRecord

register = template.Library()
register.filter(plain)

FEN = Decimal("0.01")
_DIGITS = 60  # more than any amount has, so that nothing is rounded on the way


@register.filter
def exact(number: Decimal, decimals: int = 2) -> str:
    """Return every digit of a number, in thousands, with at least so many decimals: `1,051.59758`."""
    return f"{number:,.{max(decimals, _decimals(number))}f}"


@register.filter
def rmb(amount: Decimal) -> str:
    """Return a total to the fen, e.g. `RMB 1,051.60`; less than a fen is shown with all its digits."""
    if amount and -FEN < amount < FEN:
        return in_rmb(amount)
    with localcontext(prec=_DIGITS):
        return in_rmb(amount.quantize(FEN, ROUND_HALF_UP))


@register.filter
def in_rmb(amount: Decimal) -> str:
    """Return every digit of an amount with its currency, e.g. `RMB 0.0415`."""
    return gettext("RMB %(amount)s") % {"amount": exact(amount)}


@register.filter
def amount_of_all(parts: Iterable[Any]) -> Decimal:
    """Return the exact sum of the amounts of some rows."""
    return exact_sum(part.amount for part in parts)


@register.filter
def quantity_of(quantities: Mapping[str, Decimal], unit: str) -> Decimal:
    """Return what was used of this unit."""
    return quantities.get(unit, Decimal(0))


@register.filter
def grouped(number: Decimal | int) -> str:
    """Return a whole number in thousands, e.g. `1,024,000`."""
    return f"{number:,f}" if isinstance(number, Decimal) else f"{number:,}"


@register.filter
def billing_item(measure: str) -> str:
    """Return a billing item's words, e.g. `Input tokens`."""
    return measure_name(measure)


@register.filter
def in_sentence(name: str) -> str:
    """Return a name as it stands within a sentence: in English with a small letter."""
    return name.lower() if name.isascii() else name


@register.filter
def correction_words(correction: str) -> str:
    """Return what a line does to an earlier one, e.g. `credited`."""
    return gettext(Correction(correction).words)


@register.filter
def correction_name(correction: str) -> str:
    """Return the name of a correction, e.g. `rebilled`."""
    return gettext(Correction(correction).label)


@register.filter
def unit(charge: Any) -> str:
    """Return what the unit price of a charge or line is for, e.g. `thousand tokens`."""
    return unit_name(measure=charge.measure, unit_size=charge.unit_size)


@register.filter
def hour_text(hour: dt.datetime) -> str:
    """Return an hour by the page's clock, e.g. `2026-11-23 10:00-11:00`."""
    return local_time.hour_text(hour, timezone.get_current_timezone())


@register.filter
def hour_text_utc(hour: dt.datetime) -> str:
    """Return an hour in UTC, e.g. `2026-11-23 02:00-03:00 UTC`."""
    return f"{local_time.hour_text(hour, dt.UTC)} UTC"


@register.filter
def instant_text(instant: dt.datetime) -> str:
    """Return an instant by the page's clock, to the second."""
    return local_time.instant_text(instant, timezone.get_current_timezone())


@register.filter
def instant_minute(instant: dt.datetime) -> str:
    """Return an instant by the page's clock, to the minute: `2026-11-23 10:00`."""
    return local_time.minute_text(instant, timezone.get_current_timezone())


@register.filter
def precise_text(instant: dt.datetime) -> str:
    """Return an instant by the page's clock, to the microsecond."""
    return local_time.instant_text(instant, timezone.get_current_timezone(), timespec="microseconds")


@register.filter
def quantities(record: UsageRecord) -> list[tuple[Measure, int]]:
    """Return what a record holds of each measure, where it holds something."""
    held = [(measure, record.quantity_of(measure)) for measure in Measure]
    return [(measure, quantity) for measure, quantity in held if quantity]


@register.filter
def series(service_id: int) -> int:
    """Return the colour of a service in charts and legends: the same on every page."""
    return (service_id - 1) % 16


def decimals_of(numbers: Iterable[Decimal]) -> int:
    """Return how many decimals a column needs to show these numbers exactly; at least 2."""
    return max([2, *map(_decimals, numbers)])


def _decimals(number: Decimal) -> int:
    return len(plain(number).partition(".")[2])
