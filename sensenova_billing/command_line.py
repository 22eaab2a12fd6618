"""Django's command line, with a plain sentence where the database does not answer."""

import os
import sys
from collections.abc import Sequence

import psycopg
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

from sensenova_billing.dev_server.data_directory import data_directory

HOW_TO_START = "start it with `make run`, or `manage.py run`"


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
        sys.exit(f"The database cannot be reached: {_what_to_do()} ({reason})")


def _what_to_do() -> str:
    if "DATABASE_URL" in os.environ:
        return "check DATABASE_URL, which this command has."
    return (
        f"{HOW_TO_START}. This command looks in {data_directory()}: if the server runs on another directory "
        "or database, give the command the same SENSENOVA_DATA_DIR or DATABASE_URL."
    )


def is_connection_failure(failure: OperationalError) -> bool:
    """Tell whether there is no connection to the database, as against a statement that it refused."""
    # Whatever the server refuses has an SQLSTATE; what libpq or the pool finds on the way has none.
    cause = failure.__cause__
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
