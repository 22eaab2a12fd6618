"""The nemesis at the message broker: the same task many times, late tasks, and all messages lost.

Works with any broker that CELERY_BROKER_URL names.
"""

from random import Random

import kombu.exceptions
import psycopg

from sensenova_billing.celery import app
from tests.faults.nemesis import Strike

TASK = "invoices.tasks.close_due_hours"
QUEUE = "celery"
MOST_AT_ONCE = 20
LONGEST_DELAY = 10
# Without a broker there is nothing to strike.
_AWAY = (kombu.exceptions.OperationalError, psycopg.Error, OSError)


def ringing_too_often(*, late: bool) -> Strike:
    """Return a strike that sends the task many times, each to be done at once or some seconds later."""

    def ring(random: Random) -> bool:
        try:
            with app.connection_for_write() as connection:
                for _ in range(random.randint(2, MOST_AT_ONCE)):
                    delay = random.uniform(0, LONGEST_DELAY) if late else None
                    app.send_task(TASK, countdown=delay, connection=connection, retry=False)
        except _AWAY:
            return False
        return True

    return ring


def losing_messages() -> Strike:
    """Return a strike that empties the queue."""

    def lose(random: Random) -> bool:
        try:
            with app.connection_for_write() as connection:
                connection.default_channel.queue_purge(QUEUE)  # type: ignore[attr-defined]
        except _AWAY:
            return False
        return True

    return lose
