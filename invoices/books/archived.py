"""Where a verification finds usage records: in the table, or in a temporary one with what an archive holds.

A table is filled from the file row group by row group, and is gone with the transaction, so memory holds no
hour. Only what the verified hour needs is read: its records, and the originals of its reversals.
"""

import datetime as dt
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from django.db import connection

from sensenova_billing.lib.database.statements import load_template
from usage.archive.files import copy_into, require_file
from usage.archive.parquet import COLUMNS, read_rows
from usage.models import HOUR, ArchivedEvent, UsageArchive

_TABLE = "usage_usagerecord"
_RECORDS, _ORIGINALS = "archived_records", "archived_originals"
_key = itemgetter(COLUMNS.index("customer_id"), COLUMNS.index("event_id"))


class Tables(NamedTuple):
    """The tables that hold the records of an hour, and what its reversals reverse."""

    records: str
    originals: str


class Records:
    """The usage records of a verification.

    A *pending* archive is verified before its records leave the table: they are read from its file.
    """

    def __init__(self, pending: UsageArchive | None = None) -> None:
        archives = [*UsageArchive.objects.filter(restored_at__isnull=True), *([pending] if pending else [])]
        self._of_hours = {
            archive.from_hour + number * HOUR: archive
            for archive in archives
            for number in range((archive.until_hour - archive.from_hour) // HOUR)
        }
        self._has_identities = ArchivedEvent.objects.exists()
        self._paths: dict[str, Path] = {}
        self._has_tables = True  # of a verification before, in the same transaction
        self.hours_read = 0

    def begin_hour(self) -> None:
        """Forget the tables of the hour before."""
        if self._has_tables:
            _run(f"DROP TABLE IF EXISTS pg_temp.{_RECORDS}, pg_temp.{_ORIGINALS}")
            self._has_tables = False

    def of(self, *, hour: dt.datetime, customer: int | None = None) -> Tables:
        """Return where the records of this hour are, of all customers or of one; or raise ArchiveError."""
        records = _TABLE
        if archive := self._of_hours.get(hour):
            records = _RECORDS
            self._make(_RECORDS)
            copy_into(_RECORDS, read_rows(self._path(archive), hour=hour, customer_id=customer))
            self.hours_read += customer is None
        originals = _TABLE
        if self._has_identities and (elsewhere := _find_archived(records, hour=hour, customer=customer)):
            originals = _ORIGINALS
            self._read_originals(elsewhere)
            _run(_LIVE_ORIGINALS.substitute(records=records), hour)
        return Tables(records, originals)

    def _read_originals(self, keys: list[tuple[dt.datetime, int, str]]) -> None:
        self._make(_ORIGINALS)
        for hour, of_hour in groupby(keys, itemgetter(0)):
            wanted = {(customer, event_id) for _, customer, event_id in of_hour}
            if archive := self._of_hours.get(hour):
                rows = read_rows(self._path(archive), hour=hour)
                copy_into(_ORIGINALS, (row for row in rows if _key(row) in wanted))

    def _make(self, table: str) -> None:
        _run(f"CREATE TEMPORARY TABLE IF NOT EXISTS {table} (LIKE {_TABLE}) ON COMMIT DROP")
        self._has_tables = True

    def _path(self, archive: UsageArchive) -> Path:
        if archive.file not in self._paths:
            self._paths[archive.file] = require_file(archive)
        return self._paths[archive.file]


def _find_archived(
    records: str, *, hour: dt.datetime, customer: int | None
) -> list[tuple[dt.datetime, int, str]]:
    """Return the records, by hour, that reversals of this hour reverse and that are in no table."""
    with connection.cursor() as cursor:
        cursor.execute(_ARCHIVED_ORIGINALS.substitute(records=records), [hour, customer, customer])
        found: list[tuple[dt.datetime, int, str]] = cursor.fetchall()
    return found


def _run(statement: str, *parameters: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


_ARCHIVED_ORIGINALS = load_template("find_archived_originals.sql", beside=__file__)
_LIVE_ORIGINALS = load_template("copy_originals.sql", beside=__file__)
