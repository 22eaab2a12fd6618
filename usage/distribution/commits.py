"""What the coordinator has committed and a worker has not yet.

A batch whose records lie on several shards is prepared on their workers, then committed on the coordinator,
then on the workers. If a worker or its connection is lost right before the last step, the batch is
acknowledged and no longer locked, but its records are not visible until Citus commits them, once a minute. An
hour that was closed meanwhile would leave them out for good.
"""

from django.db import OperationalError, connection

from sensenova_billing.lib.database.statements import load_statement
from usage.distribution.cluster import has_citus

ATTEMPTS = 100
SECONDS_BETWEEN = 0.05


def finish_commits() -> None:
    """Have the workers commit what the coordinator has committed; raise OperationalError if one does not.

    Transactions that begin meanwhile are not waited for. Without Citus there is nothing to do.
    """
    if not has_citus():
        return
    unfinished: set[str] | None = None
    for _ in range(ATTEMPTS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT recover_prepared_transactions()")
            found = _committed(_prepared())
            unfinished = found if unfinished is None else unfinished & found
            if not unfinished:
                return
            cursor.execute("SELECT pg_sleep(%s)", [SECONDS_BETWEEN])
    raise OperationalError(f"{len(unfinished or ())} transactions are not committed on their workers yet.")


def _prepared() -> list[str]:
    """Return the names of transactions that are prepared on workers."""
    names: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nodename || ':' || nodeport, success, result FROM run_command_on_workers(%s)", [_PREPARED]
        )
        for address, succeeded, result in cursor.fetchall():
            if not succeeded:
                raise OperationalError(f"The worker {address} does not answer: {result}")
            names += result.split()
    return names


def _committed(names: list[str]) -> set[str]:
    # A statement after the one that read them: what was prepared then, and is to be committed, is in here.
    if not names:
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT gid FROM pg_dist_transaction WHERE gid = ANY(%s)", [names])
        return {name for (name,) in cursor.fetchall()}


_PREPARED = load_statement("read_prepared.sql", beside=__file__)
