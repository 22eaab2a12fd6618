"""A list of seals outside the database: a head, then a line for each closed hour, oldest first.

    hour,sha256
    2026-11-30T01:00:00Z,5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456

`GET /api/v1/seals` answers the same two columns as CSV, so a customer's copy is such a list, too.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

HEAD = ("hour", "sha256")
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:00:00Z),([0-9a-f]{64})")
_BEGUN = re.compile(r"[0-9TZ:,a-f-]*")


class ListedSeal(NamedTuple):
    """A closed hour and its seal, in hexadecimal digits."""

    hour: dt.datetime
    sha256: str


class UnreadableList(ValueError):
    """A line that is neither the head nor an hour with its seal."""


def hour_text(hour: dt.datetime) -> str:
    """Return an hour as lists have it."""
    return f"{hour.astimezone(dt.UTC):%Y-%m-%dT%H:00:00Z}"


def write_lines(seals: Iterable[ListedSeal]) -> str:
    """Return the lines of seals, without the head."""
    return "".join(f"{hour_text(hour)},{sha256}\n" for hour, sha256 in seals)


def read_list(lines: Iterable[str]) -> Iterator[ListedSeal]:
    """Yield the seals of a list.

    A line that the next one repeats and completes was cut off when its writer ended, and is skipped; so is
    the last one if it is only begun. Anything else raises UnreadableList.
    """
    whole = [line.removeprefix("\ufeff").rstrip("\r\n") for line in lines]
    for number, (line, following) in enumerate(pairwise([*whole, ""]), start=1):
        if found := _LINE.fullmatch(line):
            yield ListedSeal(dt.datetime.fromisoformat(found[1]), found[2])
            continue
        is_cut_off = following.startswith(line) or (number == len(whole) and _BEGUN.fullmatch(line))
        if line != ",".join(HEAD) and not is_cut_off:
            raise UnreadableList(f"Line {number} is not an hour with its seal: {line[:100]!r}")
