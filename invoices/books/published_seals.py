"""Seals that were published outside the database, compared with those of closed hours."""

import datetime as dt
from collections.abc import Sequence

from invoices.books.compare import Findings
from invoices.books.read import Seal
from invoices.seals.seal_list import ListedSeal


def compare_published_seals(
    *,
    published: Sequence[ListedSeal],
    seals: Sequence[Seal],
    from_hour: dt.datetime | None,
    until_hour: dt.datetime | None,
    found: Findings,
) -> None:
    """Find each hour of the span whose seal is not the published one.

    Hours before the first and after the last one of the list are not in it, and are not compared.
    """
    if not published:
        return
    stored = {seal.hour: seal.sha256.hex() if seal.sha256 else None for seal in seals}
    listed = {seal.hour for seal in published}
    first, last = min(listed), max(listed)
    for seal in published:
        if (from_hour and seal.hour < from_hour) or (until_hour and seal.hour >= until_hour):
            continue
        if seal.hour not in stored:
            found.add("chain", "has a seal that was kept outside, and is not closed here", hour=seal.hour)
        elif stored[seal.hour] != seal.sha256:
            found.add("chain", "its seal is not the one that was kept outside", hour=seal.hour)
    for hour in stored:
        if first < hour < last and hour not in listed:
            found.add("chain", "its seal is missing among those that were kept outside", hour=hour)
