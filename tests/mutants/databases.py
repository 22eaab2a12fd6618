"""A database for each mutant, copied from one that has been migrated."""

import psycopg
from psycopg import sql
from psycopg.errors import ObjectInUse

_TEMPLATE = "migrated"
_ATTEMPTS = 12  # each waits for five seconds for sessions to end


def url_of(server: str, database: str) -> str:
    """Return the address of another database of the same server."""
    before, _, options = server.partition("?")
    return f"{before.rsplit('/', 1)[0]}/{database}?{options}"


def read_no_statistics(server: str) -> None:
    """Let plans be those of new tables, as where the tests make their own database."""
    with psycopg.connect(url_of(server, "postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


def keep_as_template(server: str, database: str) -> None:
    """Let this migrated database be the one that the others are copied from."""
    _execute(server, "ALTER DATABASE {} RENAME TO {}", database, _TEMPLATE)


def copy_template(server: str, database: str) -> None:
    """Make a database anew as a copy of the template."""
    _drop(server, database)
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", database, _TEMPLATE)


def _drop(server: str, database: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            _execute(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
        except ObjectInUse:
            # Where others use the machine, a session that is told to end may not have come to it yet.
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            return


def template_of(server: str) -> str:
    """Return the address of the template."""
    return url_of(server, _TEMPLATE)


def _execute(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(url_of(server, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
