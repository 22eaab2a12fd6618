"""Distributes usage records over the workers of Citus, in one transaction: all or nothing."""

import time
from dataclasses import dataclass

from django.db import connection, transaction

from pricing.rules.measures import Measure
from usage.distribution.cluster import (
    COLUMN,
    TABLE,
    Cluster,
    find_problems,
    is_migrated,
    read_cluster,
)

TRIGGER = "usage_records_are_append_only"
Contents = tuple[int, ...]


class CannotDistribute(Exception):
    """Something is missing, or did not come out as it had to; nothing was changed."""

    def __init__(self, *texts: str) -> None:
        super().__init__("\n".join(texts))


@dataclass(frozen=True)
class Distributed:
    """What was done."""

    records: int
    cluster: Cluster
    seconds: float


def ready_cluster() -> Cluster:
    """Return the cluster over which usage can be distributed, or is.

    Raises CannotDistribute with all that is missing.
    """
    if not is_migrated():
        raise CannotDistribute("There is no table of usage records yet: run manage.py prepare.")
    cluster = read_cluster()
    if cluster is None:
        raise CannotDistribute("The database has no Citus: CREATE EXTENSION citus (docs/scaling.md).")
    if problems := find_problems(cluster):
        raise CannotDistribute(*(f"{problem.text} {problem.hint}" for problem in problems))
    return cluster


def count_records() -> int:
    """Return how many records there are."""
    return _contents()[0]


def distribute(*, shards: int) -> Distributed:
    """Move all usage records to the workers, and check that the shards keep them; raise CannotDistribute.

    Nobody reads or writes usage meanwhile: reports and closings wait for the lock.
    """
    began = time.monotonic()
    records = _move(shards=shards)
    # Only now: other connections, which ask the shards, do not see what is not committed.
    cluster = ready_cluster()
    return Distributed(records=records, cluster=cluster, seconds=time.monotonic() - began)


@transaction.atomic(durable=True)
def _move(*, shards: int) -> int:
    """Copy all records to the workers, compare, remove them here, and return how many they are."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
        before = _contents()
        cursor.execute(
            "SELECT create_distributed_table(%s, %s, colocate_with := 'none', shard_count := %s)",
            [TABLE, COLUMN, shards],
        )
        if _contents() != before:
            raise CannotDistribute("The workers do not hold what was here.")
        # What was copied is still here, hidden. The trigger of this table would refuse to remove it; those of
        # the shards stay on.
        for statement in (
            _HERE,
            _OFF,
            f"SELECT truncate_local_data_after_distributing_table('{TABLE}')",
            _HERE,
            _ON,
        ):
            cursor.execute(statement)
    return before[0]


def _contents() -> Contents:
    sums = ", ".join(f"coalesce(sum({measure}), 0)" for measure in Measure)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), coalesce(sum(hashtextextended(event_id, customer_id)), 0), {sums} FROM {TABLE}"  # noqa: S608  # names of our own
        )
        (row,) = cursor.fetchall()
    return tuple(map(int, row))


_HERE = "SET LOCAL citus.enable_ddl_propagation = off"
_OFF = f"ALTER TABLE {TABLE} DISABLE TRIGGER {TRIGGER}"
_ON = f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {TRIGGER}"
