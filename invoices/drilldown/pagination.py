"""Pages of a line's records, by key. No page counts or skips.

By time the key is the instant of the call, then its event id. By amount the quantity on the line comes before
both: all records of a line have one price, so the largest quantity is the largest amount.
"""

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Abs

from sensenova_billing.lib.numbers import read_whole_number

_OLDEST_FIRST = ("occurred_at", "event_id")
_NEWEST_FIRST = ("-occurred_at", "-event_id")
_DEAREST_FIRST = ("-size", "occurred_at", "event_id")
LONGEST_EVENT_ID = 255


class RecordCursor(NamedTuple):
    """The place of a record among others of its customer."""

    occurred_at: dt.datetime
    event_id: str

    def __str__(self) -> str:
        """Write it so that it can stand in an address, whatever the event id holds."""
        return _encoded(self._text)

    @property
    def _text(self) -> str:
        return f"{self.occurred_at.astimezone(dt.UTC).replace(tzinfo=None).isoformat()}Z{self.event_id}"

    @classmethod
    def read(cls, text: str) -> "RecordCursor":
        """Read what `str` wrote; raise ValueError for anything else."""
        instant, _, event_id = _decoded(text).partition("Z")
        if not 0 < len(event_id) <= LONGEST_EVENT_ID or "\0" in event_id:
            raise ValueError("This is no key of a record.")
        key = cls(dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC), event_id)
        if str(key) != text:
            raise ValueError("This is no key of a record.")
        return key


class AmountCursor(NamedTuple):
    """The place of a record among others of its line by amount; size is its quantity without a sign."""

    size: int
    record: RecordCursor

    def __str__(self) -> str:
        """Write it so that it can stand in an address."""
        return _encoded(f"{self.size}@{self.record}")

    @classmethod
    def read(cls, text: str) -> "AmountCursor":
        """Read what `str` wrote; raise ValueError for anything else."""
        size, _, record = _decoded(text).partition("@")
        key = cls(read_whole_number(size), RecordCursor.read(record))
        if str(key) != text:
            raise ValueError("This is no key of a record.")
        return key


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str) -> str:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("This is no key of a record.") from error


@dataclass(frozen=True)
class RecordsPage:
    """Some of a line's records, and whether there are others on either side."""

    records: list[Any]
    has_older: bool
    has_newer: bool

    @property
    def oldest(self) -> RecordCursor:
        """The key of the oldest record on the page."""
        return min(map(_key, self.records))

    @property
    def newest(self) -> RecordCursor:
        """The key of the newest record on the page."""
        return max(map(_key, self.records))


def newest_records(
    *, records: QuerySet[Any], size: int, older_than: RecordCursor | None = None
) -> RecordsPage:
    """Return the newest records, or the newest of those that are older than a key; newest first."""
    if older_than:
        records = records.filter(_beyond("lt", older_than))
    found = list(records.order_by(*_NEWEST_FIRST)[: size + 1])  # one more tells whether there are more
    return RecordsPage(found[:size], has_older=len(found) > size, has_newer=older_than is not None)


def oldest_records(
    *, records: QuerySet[Any], size: int, newer_than: RecordCursor | None = None
) -> RecordsPage:
    """Return the oldest records, or the oldest of those that are newer than a key; oldest first."""
    if newer_than:
        records = records.filter(_beyond("gt", newer_than))
    found = list(records.order_by(*_OLDEST_FIRST)[: size + 1])
    return RecordsPage(found[:size], has_older=newer_than is not None, has_newer=len(found) > size)


@dataclass(frozen=True)
class DearestPage:
    """Some of a line's records, the largest amounts first, and the keys of the pages next to them."""

    records: list[Any]
    before: AmountCursor | None
    after: AmountCursor | None


def by_amount(records: QuerySet[Any]) -> QuerySet[Any]:
    """Return records of a line, the largest amounts first; of a credit those that credit the most."""
    ordered: QuerySet[Any] = records.annotate(size=Abs(F("quantity"))).order_by(*_DEAREST_FIRST)
    return ordered


def dearest_records(
    *,
    records: QuerySet[Any],
    size: int,
    after: AmountCursor | None = None,
    before: AmountCursor | None = None,
) -> DearestPage:
    """Return the records of the largest amounts, or those next to a key; the largest first."""
    ordered = by_amount(records)
    if before:
        ordered = ordered.filter(_dearer(before)).reverse()
    elif after:
        ordered = ordered.filter(_cheaper(after))
    found = list(ordered[: size + 1])
    shown, is_more = found[:size], len(found) > size
    if before:
        shown.reverse()
    has_before = is_more if before else bool(after and shown)
    has_after = bool(before and shown) or (is_more and not before)
    return DearestPage(
        shown,
        before=_amount_key(shown[0]) if has_before else None,
        after=_amount_key(shown[-1]) if has_after else None,
    )


def _cheaper(key: AmountCursor) -> Q:
    return Q(size__lt=key.size) | Q(size=key.size) & _beyond("gt", key.record)


def _dearer(key: AmountCursor) -> Q:
    return Q(size__gt=key.size) | Q(size=key.size) & _beyond("lt", key.record)


def _amount_key(record: Any) -> AmountCursor:
    return AmountCursor(record.size, _key(record))


def _beyond(lookup: str, key: RecordCursor) -> Q:
    # The first condition follows from the second; it is what an index or a filter can begin with.
    return Q(**{f"occurred_at__{lookup}e": key.occurred_at}) & (
        Q(**{f"occurred_at__{lookup}": key.occurred_at}) | Q(**{f"event_id__{lookup}": key.event_id})
    )


def _key(record: Any) -> RecordCursor:
    return RecordCursor(record.occurred_at, record.event_id)
