"""Who changes what, and why: the signature that the audit trail's triggers write down."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from accounts.prepared import fetch_all

LONGEST_REASON = 500  # why something was changed or corrected


def sign(*, by: str, reason: str = "") -> None:
    """Put who and why under every change of this transaction; or raise TransactionManagementError."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A signature holds for a transaction: there is none.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('billing.by', %s, true), set_config('billing.reason', %s, true)",
            [by, reason],
        )


@contextmanager
def signed(*, by: str, reason: str = "") -> Iterator[None]:
    """Do the block in a transaction with who and why under every change."""
    with transaction.atomic():
        sign(by=by, reason=reason)
        yield


def changes_since(*, snapshot: str | None) -> tuple[str, bool]:
    """Return the database's snapshot, and whether the audit trail has entries that an earlier one lacks.

    So who keeps what is under audit learns for one question that it is as it was. An entry counts from its
    commit on, however long before that it was written.
    """
    ((now, is_changed),) = fetch_all(_CHANGED, snapshot)
    return now, is_changed


# With when the server began: another one counts transactions anew. Numbers that it has not come to are those
# of the server from which the entries were moved. With the reader's own transaction and its last entry,
# because pg_visible_in_snapshot counts a transaction's own writes as seen once any later one has ended.
_CHANGED = """
WITH earlier AS (
    SELECT split_part(given, ' ', 1) AS server,
           nullif(split_part(given, ' ', 2), '')::pg_snapshot AS snapshot,
           nullif(split_part(given, ' ', 3), '')::bigint AS reader,
           nullif(split_part(given, ' ', 4), '')::bigint AS last
      FROM (SELECT coalesce(%s::text, '')) AS parameters (given)
), present AS (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text AS server, pg_current_snapshot() AS snapshot,
           coalesce(pg_current_xact_id_if_assigned()::text::bigint, 0) AS reader,
           coalesce((SELECT max(id) FROM accounts_auditentry
                      WHERE transaction = pg_current_xact_id_if_assigned()::text::bigint), 0) AS last
)
SELECT concat_ws(' ', present.server, present.snapshot, present.reader, present.last),
       present.server <> earlier.server OR EXISTS (
       SELECT FROM accounts_auditentry
        WHERE transaction >= pg_snapshot_xmin(earlier.snapshot)::text::bigint
          AND (transaction < pg_snapshot_xmax(present.snapshot)::text::bigint
               OR transaction = pg_current_xact_id_if_assigned()::text::bigint)
          AND CASE WHEN transaction = earlier.reader THEN id > earlier.last
                   ELSE NOT pg_visible_in_snapshot(transaction::text::xid8, earlier.snapshot) END)
  FROM present, earlier
"""
