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
    ((now, is_changed),) = fetch_all(_CHANGED, snapshot, snapshot, snapshot)
    return now, is_changed


_CHANGED = """
SELECT pg_current_snapshot()::text, %s::text IS NULL OR EXISTS (
       SELECT FROM accounts_auditentry
        WHERE transaction >= pg_snapshot_xmin(%s::pg_snapshot)::text::bigint
          AND NOT pg_visible_in_snapshot(transaction::text::xid8, %s::pg_snapshot))
"""
