"""How long PostgreSQL lets each kind of work take: a statement, the wait for a lock, an idle transaction.

A connection gets its limits when it is opened, as startup parameters, so they cost no round trip. A web
process opens its pool with the limits of pages; the connections of single reports and admissions have their
own. A batch of usage, which is stored over the pool, sets its limits in its own transaction.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sensenova_billing.lib.database.prepared_statements import fetch_all


class Work(StrEnum):
    """The kinds of work that have limits of their own."""

    PAGE = "page"
    REPORT = "report"
    ADMISSION = "admission"
    HEALTH = "health"
    CLOSING = "closing"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds; 0 means no limit."""

    statement: int
    lock: int
    idle_in_transaction: int

    @classmethod
    def read(cls, text: str) -> "TimeLimits":
        """Read `statement,lock,idle`, as in the environment; raise ImproperlyConfigured."""
        numbers = [part.strip() for part in text.split(",")]
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            raise ImproperlyConfigured(
                f"Time limits of the database are three numbers of seconds (statement, wait for a lock, idle "
                f"transaction; 0 for none), such as 30,5,60, not {text!r}."
            )
        return cls(*map(int, numbers))

    def startup_options(self) -> str:
        """Return them as libpq's `options`, with which a connection is opened."""
        return (
            f"-c statement_timeout={self.statement}s -c lock_timeout={self.lock}s"
            f" -c idle_in_transaction_session_timeout={self.idle_in_transaction}s"
        )


def startup_options(given: str, work: Work) -> str:
    """Return the `options` of a connection for this work: those given, then its limits, which count.

    A pooler takes none: there the limits are those of the role.
    """
    if settings.DATABASE_TRANSACTION_POOLING:
        return given
    limits: TimeLimits = settings.DATABASE_TIME_LIMITS[work]
    return f"{given} {limits.startup_options()}".strip()


def limit_transaction(work: Work) -> None:
    """Give the open transaction the limits of this work; one round trip."""
    limits: TimeLimits = settings.DATABASE_TIME_LIMITS[work]
    fetch_all(_LIMIT, f"{limits.statement}s", f"{limits.lock}s", f"{limits.idle_in_transaction}s")


_LIMIT = """
SELECT set_config('statement_timeout', %s, true),
       set_config('lock_timeout', %s, true),
       set_config('idle_in_transaction_session_timeout', %s, true)
"""
