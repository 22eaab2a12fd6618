"""Broken builds: each takes away one thing on which the promise rests, and the harness has to find out.

Nothing in the product can be switched off. What is broken here is a running product, from the outside: its
throw-away database, its workers by a Celery application of their own (`hasty_closing.py`,
`trusting_closing.py`), or its web server by a WSGI application (`unlocked_web.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from tests.faults.product import APPLICATION, WEB_APPLICATION


@dataclass(frozen=True)
class Build:
    """What is broken, if anything, and by which fault the checker must notice."""

    found_by: str = ""
    statements: Sequence[str] = ()
    closers: str = APPLICATION
    web: str = WEB_APPLICATION
    # A web worker does not start on a database that may forget, so there none may be killed.
    spares_web: bool = False
    # By how many seconds a process's clock is wrong from the start.
    offsets: Mapping[str, int] = field(default_factory=dict)


SOUND = Build()
BROKEN = {
    # Reports no longer take the shared lock, so the closing waits for none.
    "no-barrier": Build(
        found_by="unbilled",
        statements=[
            "CREATE OR REPLACE FUNCTION share_hour(hour timestamptz) RETURNS void LANGUAGE sql VOLATILE"
            " AS 'SELECT 1'"
        ],
    ),
    # The closing waits, and then looks at the records as they were before it waited.
    "repeatable-read": Build(found_by="unbilled", closers="tests.faults.hasty_closing"),
    # A worker whose clock is an hour ahead closes hours that have not ended.
    "own-clock": Build(found_by="early", closers="tests.faults.trusting_closing", offsets={"worker 1": 3600}),
    # A commit is answered before it is on the disk, and goes there no sooner than it must.
    "no-durability": Build(
        found_by="lost",
        statements=[
            "ALTER SYSTEM SET synchronous_commit = 'off'",
            "ALTER SYSTEM SET wal_writer_delay = '10s'",
            "ALTER SYSTEM SET wal_writer_flush_after = '1GB'",
            "SELECT pg_reload_conf()",
        ],
        spares_web=True,
    ),
    # What is sent again is stored again.
    "no-unique-key": Build(
        found_by="doubled",
        statements=["ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey"],
    ),
    # A call-back that comes twice at once meets no lock, and no key tells that it was booked.
    "no-payment-lock": Build(
        found_by="bookings",
        statements=["DROP INDEX a_key_is_one_transaction", "DROP INDEX a_callback_is_recorded_once"],
        web="tests.faults.unlocked_web:application",
    ),
}


def break_down(url: str, build: Build) -> None:
    """Break the database of a running product."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in build.statements:
            connection.execute(statement.encode())
