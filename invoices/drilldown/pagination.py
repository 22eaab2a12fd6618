"""Pages of a line's records, by key: the instant of the call, then its event id. No page counts or skips."""

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

_OLDEST_FIRST = ("occurred_at", "event_id")
_NEWEST_FIRST = ("-occurred_at", "-event_id")
LONGEST_EVENT_ID = 255


class RecordCursor(NamedTuple):
    """The place of a record among others of its customer."""

    occurred_at: dt.datetime
    event_id: str

    def __str__(self) -> str:
        """Write it so that it can stand in an address, whatever the event id holds."""
        text = f"{self.occurred_at.astimezone(dt.UTC).replace(tzinfo=None).isoformat()}Z{self.event_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "RecordCursor":
        """Read what `str` wrote; raise ValueError for anything else."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            instant, _, event_id = (
                base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("Z")
            )
        except (binascii.Error, UnicodeError) as error:
            raise ValueError("This is no key of a record.") from error
        if not 0 < len(event_id) <= LONGEST_EVENT_ID or "\0" in event_id:
            raise ValueError("This is no key of a record.")
        key = cls(dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC), event_id)
        if str(key) != text:
            raise ValueError("This is no key of a record.")
        return key


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


def _beyond(lookup: str, key: RecordCursor) -> Q:
    # The first condition follows from the second; it is what an index or a filter can begin with.
    return Q(**{f"occurred_at__{lookup}e": key.occurred_at}) & (
        Q(**{f"occurred_at__{lookup}": key.occurred_at}) | Q(**{f"event_id__{lookup}": key.event_id})
    )


def _key(record: Any) -> RecordCursor:
    return RecordCursor(record.occurred_at, record.event_id)
