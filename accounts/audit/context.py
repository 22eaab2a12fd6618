"""The audit context: author and reason of a transaction's changes, recorded by the trail's triggers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement

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


_PARTS = {
    "earlier_snapshot": load_statement("earlier_snapshot.sql", beside=__file__),
    "is_unseen": load_statement("is_unseen.sql", beside=__file__),
}
_UNSEEN_ENTRIES = load_statement("unseen_entries.sql", beside=__file__, **_PARTS)
_CHANGED = load_statement("read_changes.sql", beside=__file__, **_PARTS)
