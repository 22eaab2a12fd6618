"""Pages of rows by their number, which rows get in the order in which they are made. No page counts."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True)
class Page:
    """Some rows, newest first, and the keys of the pages next to them."""

    rows: list[Any]
    newer_than: int | None = None
    older_than: int | None = None


def newest_first(
    rows: QuerySet[Any], *, size: int, older_than: int | None = None, newer_than: int | None = None
) -> Page:
    """Return the newest rows, or those next to a key."""
    if newer_than is not None:
        rows = rows.filter(pk__gt=newer_than).order_by("pk")
    elif older_than is not None:
        rows = rows.filter(pk__lt=older_than).order_by("-pk")
    else:
        rows = rows.order_by("-pk")
    found = list(rows[: size + 1])  # one more tells whether there are more
    shown, is_more = found[:size], len(found) > size
    if newer_than is not None:
        shown.reverse()
    has_newer = is_more if newer_than is not None else bool(older_than is not None and shown)
    has_older = bool(shown) if newer_than is not None else is_more
    return Page(
        rows=shown,
        newer_than=shown[0].pk if has_newer else None,
        older_than=shown[-1].pk if has_older else None,
    )


def oldest_first(rows: QuerySet[Any], *, size: int, after: int | None) -> tuple[list[Any], int | None]:
    """Return the oldest rows after a key, and the key of the next page; None on the last."""
    if after is not None:
        rows = rows.filter(pk__gt=after)
    found = list(rows.order_by("pk")[: size + 1])
    return found[:size], found[size - 1].pk if len(found) > size else None
