"""Decimal numbers as people write them, read in one way by forms, files, commands and settings."""

import re
from decimal import Decimal

LONGEST = 30  # characters; no price has as many

_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def read_decimal(text: str) -> Decimal:
    """Return the number of these digits, with a point before decimals; raise ValueError.

    Not by `Decimal` alone, which also reads `1_0`, `1e3`, `NaN`, digits of other scripts and blanks around.
    """
    if not _DECIMAL.fullmatch(text):
        raise ValueError("Give digits, with a point before the decimals, e.g. 1500 or 0.04.")
    if len(text) > LONGEST:
        raise ValueError(f"Give at most {LONGEST} digits.")
    return Decimal(text)
