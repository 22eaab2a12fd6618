"""Databases on a cluster of Citus: on the coordinator that a URL names, and on each of its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Node = tuple[str, int]


@contextmanager
def database_on_all_nodes(url: str, name: str) -> Iterator[str]:
    """Make a database of this name on nodes that know each other; give its URL, and drop it afterwards."""
    coordinator, *workers = nodes = nodes_of(url)
    for node in nodes:
        _drop(url, node, name)
        on_node(url, node, f"CREATE DATABASE {name}")
        on_node(url, node, f"ALTER DATABASE {name} SET citus.enable_unsafe_triggers = on")
        on_node(url, node, f"ALTER DATABASE {name} SET citus.max_adaptive_executor_pool_size = 1")
        on_node(url, node, "CREATE EXTENSION citus", database=name)
    on_node(
        url,
        coordinator,
        f"SELECT citus_set_coordinator_host('{coordinator[0]}', {coordinator[1]})",
        database=name,
    )
    for worker in workers:
        on_node(url, coordinator, f"SELECT citus_add_node('{worker[0]}', {worker[1]})", database=name)
    try:
        yield named(url, name)
    finally:
        for node in nodes:
            _drop(url, node, name)


@contextmanager
def database_on_coordinator(url: str, name: str) -> Iterator[str]:
    """Make a database without Citus on the coordinator; give its URL, and drop it afterwards."""
    coordinator = nodes_of(url)[0]
    _drop(url, coordinator, name)
    on_node(url, coordinator, f"CREATE DATABASE {name}")
    try:
        yield named(url, name)
    finally:
        _drop(url, coordinator, name)


def nodes_of(url: str) -> list[Node]:
    """Return the nodes of a cluster, the coordinator first."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid, nodeid"
        ).fetchall()


def on_node(url: str, node: Node, statements: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Run statements on one node, with the account of the URL, and return the rows of the last."""
    host, port = node
    where = make_conninfo(url, host=host, port=port, dbname=database)
    with psycopg.connect(where, autocommit=True) as connection:
        cursor = connection.execute(statements.encode())
        return cursor.fetchall() if cursor.description else []


def _drop(url: str, node: Node, name: str) -> None:
    """Drop a database, with what a run that was killed has left prepared there."""
    left = f"SELECT gid FROM pg_prepared_xacts WHERE database = '{name}'"  # noqa: S608  # a name of our own
    for (prepared,) in on_node(url, node, left):
        on_node(url, node, f"ROLLBACK PREPARED '{prepared}'", database=name)
    on_node(url, node, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def named(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    parts = conninfo_to_dict(url)
    password = f":{parts['password']}" if "password" in parts else ""
    return f"postgresql://{parts['user']}{password}@{parts['host']}:{parts['port']}/{name}"
