"""Where the files of archives are, and whether they are those that were archived."""

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from usage.archive.parquet import COLUMNS, ArchiveError, Row, sha256_of
from usage.models import UsageArchive

_CHUNK = 5000
_TEXTS = {"metadata": "metadata::text"}
SELECTED = ", ".join(_TEXTS.get(column, column) for column in COLUMNS)


def path_of(archive: UsageArchive) -> Path:
    """Return where the file is: in the folder of archives, unless it was written elsewhere."""
    return Path(settings.USAGE_ARCHIVE_DIR) / archive.file


def require_file(archive: UsageArchive) -> Path:
    """Return where the file is; or raise ArchiveError if it is not there or not the one that was archived."""
    path = path_of(archive)
    if not path.is_file():
        raise ArchiveError(f"{path} is not there.")
    if sha256_of(path) != bytes(archive.sha256):
        raise ArchiveError(f"{path} is not the file that was archived: its SHA-256 differs.")
    return path


def archive_of(hour: dt.datetime) -> UsageArchive | None:
    """Return the archive in which the records of this hour are, if they are in one."""
    return UsageArchive.objects.filter(
        from_hour__lte=hour, until_hour__gt=hour, restored_at__isnull=True
    ).first()


def copy_into(table: str, rows: Iterable[Row]) -> None:
    """Copy rows into a table with the columns of usage records."""
    statement = f"COPY {table} ({', '.join(COLUMNS)}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def stored_rows(*, from_hour: dt.datetime, until_hour: dt.datetime) -> Iterator[Row]:
    """Yield the records of these hours as a file holds them: by hour, customer and event id."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_STORED, [from_hour, until_hour])
        while rows := cursor.fetchmany(_CHUNK):
            yield from rows


_STORED = f"""
SELECT {SELECTED} FROM usage_usagerecord
 WHERE billing_hour >= %s AND billing_hour < %s
 ORDER BY billing_hour, customer_id, event_id
"""  # noqa: S608  # columns of our own
