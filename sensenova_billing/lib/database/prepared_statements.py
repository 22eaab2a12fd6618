"""Statements of the busiest requests, prepared once by each connection.

Django puts values into the text of a statement, so the database plans it each time; for a single
report the planning costs more than the work. psycopg prepares nothing while a connection's
`prepare_threshold` is None, Django's default; settings.py sets it.
"""

from typing import Any

import psycopg
from django.db import connection


def fetch_all(statement: str, *values: Any) -> list[Any]:
    """Run a statement in the open transaction, planned once a connection, and return its rows."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement, values, prepare=True).fetchall()
