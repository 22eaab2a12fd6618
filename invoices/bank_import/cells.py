"""Dates and amounts as banks write them, and how a file writes them where it shows that."""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal

# Year first, in any of the ways that banks separate it, perhaps with a time of day behind.
_YEAR_FIRST = re.compile(
    r"(20[0-9]{2})(?P<sep>[-/.年]?)([0-9]{1,2})(?:(?P=sep)|月)([0-9]{1,2})日?(?:[T ].*|[0-9]{6})?"
)
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2((?:20)?[0-9]{2})(?:[T ].*)?")
_SIGNS = str.maketrans({"\u2212": "-", "\uff0d": "-", "\uff0b": "+", "\uff0c": ",", "\uff0e": "."})
_CURRENCIES = re.compile(r"^(?:CNY|RMB|[¥￥])|(?:CNY|RMB|元)$", re.IGNORECASE)
_BLANKS = re.compile("[\\s'\u2019\u00a0\u2009\u202f]")
_DECIMALS = re.compile(r"[0-9]([.,])[0-9]{1,2}-?$")
_LONGEST = 30
_MONTHS = 12


def read_date(text: str, *, is_month_first: bool = False) -> dt.date:
    """Return the date, e.g. of 2026-11-03, 2026/11/03 10:20:30, 20261103 or 03.11.2026; raise ValueError."""
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day = (int(found[place]) for place in (1, 3, 4))
    elif found := _YEAR_LAST.fullmatch(text):
        day, month, year = (int(found[place]) for place in (1, 3, 4))
        if is_month_first and found[2] != ".":
            day, month = month, day
    else:
        raise ValueError(text)
    return dt.date(year if year > 99 else 2000 + year, month, day)


def read_amount(text: str, *, decimal_sign: str) -> Decimal:
    """Return the amount with its sign, e.g. of -1,234.50, 1.234,50- or (1 234.50); raise ValueError."""
    plain = _BLANKS.sub("", text.translate(_SIGNS))
    is_negative = plain.startswith(("-", "(")) or plain.endswith("-")
    plain = _CURRENCIES.sub("", plain.strip("+-()")).strip("+-")
    whole, _, decimals = plain.partition(decimal_sign)
    grouping = "," if decimal_sign == "." else "."
    if len(text) > _LONGEST or not re.fullmatch(rf"[0-9]+|[0-9]{{1,3}}(?:\{grouping}[0-9]{{3}})+", whole):
        raise ValueError(text)
    if not re.fullmatch("[0-9]*", decimals) or decimals[2:].strip("0"):
        raise ValueError(text)
    amount = Decimal(f"{whole.replace(grouping, '')}.{decimals[:2] or '0'}")
    return -amount if is_negative else amount


def guess_decimal_sign(cells: Iterable[str]) -> str:
    """Return the sign before the decimals: that with one or two digits behind it, a point where none has."""
    signs = [found[1] for cell in cells if (found := _DECIMALS.search(cell.translate(_SIGNS).strip()))]
    return "," if signs.count(",") > signs.count(".") else "."


def guess_is_month_first(cells: Iterable[str]) -> bool:
    """Whether dates such as 11/23/2026 show that the month comes first."""
    found = [one for cell in cells if (one := _YEAR_LAST.fullmatch(cell)) and one[2] != "."]
    return any(int(one[3]) > _MONTHS for one in found) and not any(int(one[1]) > _MONTHS for one in found)
