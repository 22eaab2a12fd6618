"""Restoring an archive: its records are in the table again, row for row as they were."""

import datetime as dt

from django.db import connection, transaction

from invoices.retention.spans import require_one_server
from usage.archive.files import copy_into, require_file, stored_rows
from usage.archive.identities import lock_archives
from usage.archive.parquet import ArchiveError, RowsDigest, digest_of, read_rows
from usage.models import UsageArchive


@transaction.atomic(durable=True)
def restore_archive(*, archive: UsageArchive, now: dt.datetime) -> None:
    """Put the records of an archive back into the table; or raise ArchiveError, and change nothing.

    Its hours may be archived again later.
    """
    require_one_server()
    lock_archives()
    archive.refresh_from_db()
    if archive.restored_at is not None:
        raise ArchiveError(f"{archive} was restored at {archive.restored_at:%Y-%m-%d %H:%M} UTC.")
    path = require_file(archive)
    archive.restored_at = now
    archive.save(update_fields=["restored_at"])
    read = RowsDigest()
    copy_into("usage_usagerecord", read.watch(read_rows(path)))
    stored = digest_of(stored_rows(from_hour=archive.from_hour, until_hour=archive.until_hour))
    if not read.result() == stored or stored[0] != archive.records:
        raise ArchiveError(f"{path} does not hold the {archive.records:,} records that were archived.")
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE_IDENTITIES, [archive.from_hour, archive.until_hour])


_REMOVE_IDENTITIES = """
DELETE FROM usage_archivedevent AS archived
 USING usage_usagerecord AS record
 WHERE record.billing_hour >= %s AND record.billing_hour < %s
   AND archived.customer_id = record.customer_id AND archived.event_id = record.event_id
"""
