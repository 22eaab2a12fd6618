"""Whole numbers as people write them, read in one way by forms, files, commands and settings.

Python's own `int` also reads `1_000`, `+5`, digits of other scripts and blanks around, and Django's field for
whole numbers reads `1.000` as 1. Decimal numbers are read in `decimals.py`.
"""

import re

LONGEST = 18  # digits; what a bigint holds

_DIGITS = re.compile(r"[0-9]+")
# By commas or spaces of any width: 1,500 and 1 500. Not by points: 1.500 may be one and a half.
_GROUPED = re.compile("[1-9][0-9]{0,2}(?:([, \u00a0\u2009\u202f])[0-9]{3})(?:\\1[0-9]{3})*")
_NEGATIVE = re.compile(r"[-\u2212]\s*[0-9]")


def read_whole_number(text: str) -> int:
    """Return the number of these digits, plain or in groups of three; raise ValueError."""
    if _NEGATIVE.match(text):
        raise ValueError("Give 0 or more.")
    if not (_DIGITS.fullmatch(text) or _GROUPED.fullmatch(text)):
        raise ValueError("Give a whole number, e.g. 1500 or 1,500.")
    digits = re.sub(r"[^0-9]", "", text).lstrip("0") or "0"
    if len(digits) > LONGEST:
        raise ValueError(f"Give a number of at most {LONGEST} digits.")
    return int(digits)
