"""Django's command line, with a plain sentence where the database does not answer."""

import os
import sys
from collections.abc import Sequence

import psycopg
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

HOW_TO_START = "start it with `make run` (or `manage.py run`), or check DATABASE_URL"


def run_command(arguments: Sequence[str]) -> None:
    """Run a command of manage.py; without a database it ends with one line and exit code 1."""
    if arguments[1:2] != ["run"]:
        # A command needs one connection, and without a pool it hears at once that there is none. The runner
        # is spared, because the web server inherits its environment.
        os.environ.setdefault("DATABASE_POOL_SIZE", "0")
    try:
        execute_from_command_line(list(arguments))
    except OperationalError as failure:
        if not is_connection_failure(failure):
            raise
        reason = " ".join(str(failure).splitlines()[:1])
        sys.exit(f"The database cannot be reached: {HOW_TO_START}. ({reason})")


def is_connection_failure(failure: OperationalError) -> bool:
    """Tell whether there is no connection to the database, as against a statement that it refused."""
    # Whatever the server refuses has an SQLSTATE; what libpq or the pool finds on the way has none.
    cause = failure.__cause__
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
