"""Who changes what, and why: the signature that the audit trail's triggers write down."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

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
