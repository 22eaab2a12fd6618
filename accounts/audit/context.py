"""The audit context: author and reason of a transaction's changes, recorded by the trail's triggers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from sensenova_billing.lib.database.prepared_statements import fetch_all

LONGEST_REASON = 500  # why something was changed or corrected


def set_audit_context(*, by: str, reason: str = "") -> None:
    """Set author and reason for every change of this transaction; or raise TransactionManagementError."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "The audit context belongs to a transaction: there is none."
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('billing.by', %s, true), set_config('billing.reason', %s, true)",
            [by, reason],
        )


@contextmanager
def audit_context(*, by: str, reason: str = "") -> Iterator[None]:
    """Run the block in a transaction with this author and reason for every change."""
    with transaction.atomic():
        set_audit_context(by=by, reason=reason)
        yield


def changes_since(*, snapshot: str | None) -> tuple[str, bool]:
    """Return the database's snapshot, and whether the audit trail has entries that an earlier one lacks.

    Lets a cache of audited rows check with one query that it is still valid. An entry counts from its
    commit on, however long before that it was written.
    """
    ((now, is_changed),) = fetch_all(_CHANGED, snapshot)
    return now, is_changed


def unseen_entries(snapshot: str) -> RawSQL:
    """Return the ids of the audit trail's entries that a snapshot of this server lacks, as a subquery."""
    return RawSQL(_UNSEEN_ENTRIES, [snapshot])


def is_of_this_server(snapshot: str) -> bool:
    """Whether a snapshot was taken since the database server started: ids of another are not comparable."""
    ((started,),) = fetch_all("SELECT extract(epoch FROM pg_postmaster_start_time())::text")
    return bool(snapshot.split(" ")[0] == started)


# Our snapshot includes the server's start time, because transaction ids are comparable within one server
# only; ids above xmax were imported from another server. It ends with the reader's own transaction and the
# last entry of that, because pg_visible_in_snapshot counts a transaction's own writes as seen once any later
# one has ended.
_EARLIER = """
    SELECT split_part(given, ' ', 1) AS server,
           nullif(split_part(given, ' ', 2), '')::pg_snapshot AS snapshot,
           nullif(split_part(given, ' ', 3), '')::bigint AS reader,
           nullif(split_part(given, ' ', 4), '')::bigint AS last
      FROM (SELECT coalesce(%s::text, '')) AS parameters (given)
"""
_UNSEEN = """
        transaction >= pg_snapshot_xmin(earlier.snapshot)::text::bigint
          AND CASE WHEN transaction = earlier.reader THEN id > earlier.last
                   ELSE NOT pg_visible_in_snapshot(transaction::text::xid8, earlier.snapshot) END
"""
_UNSEEN_ENTRIES = f"(SELECT id FROM accounts_auditentry, ({_EARLIER}) AS earlier WHERE {_UNSEEN})"  # noqa: S608 - made of constants
_CHANGED = f"""
WITH earlier AS ({_EARLIER}), present AS (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text AS server, pg_current_snapshot() AS snapshot,
           coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) AS reader,
           coalesce((SELECT max(id) FROM accounts_auditentry
                      WHERE transaction = pg_current_xact_id_if_assigned()::text::bigint), 0) AS last
)
SELECT concat_ws(' ', present.server, present.snapshot, present.reader, present.last),
       present.server <> earlier.server OR EXISTS (
       SELECT FROM accounts_auditentry
        WHERE (transaction < pg_snapshot_xmax(present.snapshot)::text::bigint
               OR transaction = pg_current_xact_id_if_assigned()::text::bigint)
          AND {_UNSEEN})
  FROM present, earlier
"""  # noqa: S608 - made of constants
