"""How usage records are distributed by Citus, and what is missing for the rules of the books to hold there.

Only usage records are distributed. Everything else stays on the coordinator, the server of DATABASE_URL: its
foreign keys, its exclusion constraints, its triggers that read other tables, and the advisory locks between
ingest and closing exist within one server only.
"""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from sensenova_billing.lib.database.statements import load_statement

TABLE = "usage_usagerecord"
COLUMN = "customer_id"


class Worker(NamedTuple):
    """A server that holds shards, by its address."""

    address: str
    is_active: bool
    takes_shards: bool
    shards: int


class Problem(NamedTuple):
    """What is missing, and what to do about it."""

    text: str
    hint: str
    is_warning: bool = False  # usage is stored and billed all the same, of some customers at least


@dataclass(frozen=True)
class Cluster:
    """What the coordinator knows of the cluster."""

    is_coordinator: bool
    takes_triggers: bool  # citus.enable_unsafe_triggers
    connections_to_each: int  # that a session may open to a worker
    finishes_commits: bool  # whether the role may, which the closing has to (commits.py)
    distributed_by: str | None  # None: the table of usage records is on the coordinator
    workers: list[Worker] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # other tables that Citus knows

    @property
    def is_distributed(self) -> bool:
        """Whether usage records are on the workers."""
        return self.distributed_by is not None

    @property
    def shards(self) -> int:
        """How many shards the workers hold."""
        return sum(worker.shards for worker in self.workers)


def is_migrated() -> bool:
    """Whether the table is there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
        ((found,),) = cursor.fetchall()
    return bool(found)


def has_citus() -> bool:
    """Whether the database has the extension; without it, usage records are an ordinary table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
        ((found,),) = cursor.fetchall()
    return bool(found)


def read_cluster() -> Cluster | None:
    """Return how usage records are distributed, or None where the database has no Citus."""
    if not has_citus():
        return None
    with connection.cursor() as cursor:
        cursor.execute(_CLUSTER)
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    return Cluster(
        is_coordinator=row["is_coordinator"],
        takes_triggers=row["takes_triggers"],
        connections_to_each=row["connections_to_each"],
        finishes_commits=row["finishes_commits"],
        distributed_by=row["distributed_by"],
        workers=[Worker(*worker) for worker in _list(row["workers"])],
        others=_list(row["others"]),
    )


def is_distributed() -> bool:
    """Whether usage records are on the workers of Citus."""
    cluster = read_cluster()
    return cluster is not None and cluster.is_distributed


def find_problems(cluster: Cluster) -> list[Problem]:
    """Return what has to be put right before usage is distributed, and as long as it is."""
    workers = _problems_of_workers(cluster)
    found = [*_problems_of_coordinator(cluster), *workers]
    if cluster.is_distributed and not workers:
        found += [Problem(f"Of usage records, {text}.", _GUARDS_HINT) for text in unguarded_shards()]
    return found


def unguarded_shards() -> list[str]:
    """Return, where usage is distributed, what the triggers and constraints of a shard no longer hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT format(%s, %s)", [_GUARDS, TABLE])
        ((of_table,),) = cursor.fetchall()
        cursor.execute(of_table)
        ((expected,),) = cursor.fetchall()
        cursor.execute("SELECT * FROM run_command_on_shards(%s, %s)", [TABLE, _GUARDS])
        return [
            f"a trigger or constraint of the shard {TABLE}_{shard} is missing or switched off"
            if succeeded
            else f"the shard {TABLE}_{shard} does not answer: {result}"
            for shard, succeeded, result in cursor.fetchall()
            if not succeeded or result != expected
        ]


def _problems_of_coordinator(cluster: Cluster) -> list[Problem]:
    found = []
    if not cluster.is_coordinator:
        found.append(Problem("DATABASE_URL names a worker.", "Name the coordinator."))
    if cluster.others:
        text = f"Citus distributes tables that have to stay on the coordinator: {', '.join(cluster.others)}."
        found.append(Problem(text, "SELECT undistribute_table(...) for each (docs/scaling.md says why)."))
    if cluster.distributed_by not in (None, COLUMN):
        text = f"Usage records are distributed by {cluster.distributed_by}, not by {COLUMN}."
        found.append(Problem(text, f"SELECT alter_distributed_table('{TABLE}', '{COLUMN}')."))
    if not cluster.takes_triggers:
        text = "citus.enable_unsafe_triggers is off: Citus would refuse the trigger that keeps usage records."
        found.append(Problem(text, "ALTER DATABASE ... SET citus.enable_unsafe_triggers = on."))
    if cluster.connections_to_each > 1:
        text = f"A session opens up to {cluster.connections_to_each} connections to each worker for a batch."
        hint = (
            "ALTER DATABASE ... SET citus.max_adaptive_executor_pool_size = 1 (docs/scaling.md has figures)."
        )
        found.append(Problem(text, hint, True))
    if not cluster.finishes_commits:
        text = "The role of DATABASE_URL may not have workers commit, so no hour could be closed."
        found.append(Problem(text, "GRANT EXECUTE ON FUNCTION recover_prepared_transactions() TO ..."))
    return found


def _problems_of_workers(cluster: Cluster) -> list[Problem]:
    if not any(worker.is_active and worker.takes_shards for worker in cluster.workers):
        text = "No worker takes shards."
        return [Problem(text, "SELECT citus_set_coordinator_host(...), citus_add_node(...) for each worker.")]
    found = [
        Problem(f"The worker {worker.address} is not active.", "SELECT citus_activate_node(...).", True)
        for worker in cluster.workers
        if not worker.is_active
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nodename || ':' || nodeport, success, result FROM run_command_on_workers(%s)", [_DURABLE]
        )
        for address, succeeded, result in cursor.fetchall():
            if not succeeded:
                found.append(Problem(f"The worker {address} does not answer: {result}", "Start it.", True))
            elif result:
                text = f"On the worker {address} {result}: acknowledged usage could be lost."
                found.append(Problem(text, "Set in its postgresql.conf what has to be on."))
    return found


def _list(value: Any) -> list[Any]:
    # Django returns json as text, for its model fields.
    return json.loads(value) if isinstance(value, str) else value or []


_GUARDS_HINT = "Find out who switched it off; verify_books tells what was changed meanwhile."
_CLUSTER = load_statement("read_cluster.sql", beside=__file__)
_GUARDS = load_statement("read_guards.sql", beside=__file__)
_DURABLE = load_statement("read_durability.sql", beside=__file__)
