"""Who changes what, and why: the signature that the audit trail's triggers write down."""

from django.db import connection, transaction


def sign(*, by: str, reason: str = "") -> None:
    """Put who and why under every change of this transaction; or raise TransactionManagementError."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A signature holds for a transaction: there is none.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('billing.by', %s, true), set_config('billing.reason', %s, true)",
            [by, reason],
        )
