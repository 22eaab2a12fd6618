"""The windows of call limits in PostgreSQL: one round trip for many calls, by functions of the database.

These lock the window of a customer and service until the transaction ends, so they must not be called inside
a longer transaction. The tables are unlogged: no commit waits for the disk. After a crash they are empty, and
nothing is admitted for a window.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from django.db import IntegrityError, connection
from psycopg.errors import UniqueViolation

from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from usage.limits.stores.clock import StoreClock
from usage.limits.stores.windows import (
    CALL_TTL,
    CALLS_PER_ROUND_TRIP,
    HOURS_OF_REFUSALS,
    CallKey,
    CallState,
    CountedCalls,
    LimitStatus,
    Refusal,
    RefusalCount,
    ReportedCall,
    RequestedCall,
    SettledCall,
    Use,
    WindowId,
    bounded,
    windows_lost,
)


class PostgresWindows:
    """Keeps the windows in the product's own database."""

    def __init__(self, clock: StoreClock | None = None) -> None:
        self._clock = clock

    def admit(self, calls: Sequence[RequestedCall], *, at: dt.datetime | None = None) -> list[LimitStatus]:
        """Admit each call that is within its limits, once for each id; a refused call consumes nothing."""
        sent = [
            {
                "call_id": call.call_id,
                "customer": call.customer_id,
                "service": call.service_id,
                "tokens": bounded(call.estimated_tokens),
                "rpm": call.limits.rpm,
                "tpm": call.limits.tpm,
            }
            for call in calls
        ]
        rows = self._admit(_json(sent), at) if sent else []
        return [LimitStatus(Refusal(refusal), *rest) for refusal, *rest in rows]

    def settle(self, calls: Sequence[SettledCall], *, at: dt.datetime | None = None) -> list[CallState]:
        """Settle or release each held call, in the second in which it counts; return the states before."""
        sent = [
            {
                "call_id": call.call_id,
                "tokens": None if call.used_tokens is None else bounded(call.used_tokens),
                "customers": [call.customer_id],
                "service": call.service_id,
            }
            for call in calls
        ]
        return [CallState(state) for (state,) in _in_batches(_SETTLE, sent, at)]

    def mark_reported(self, calls: Sequence[ReportedCall], *, at: dt.datetime | None = None) -> set[CallKey]:
        """End calls that were not admitted, or were released; return those that had not ended before."""
        sent = {
            call.key: {"call_id": call.call_id, "customer": call.customer_id, "service": call.service_id}
            for call in calls
        }
        return {
            (customer, call_id) for customer, call_id in _in_batches(_MARK_REPORTED, [*sent.values()], at)
        }

    def customers_of(self, call_id: str, *, at: dt.datetime | None = None) -> set[int]:
        """Return the ids of the customers for which a call of this id was admitted."""
        return {customer for (customer,) in fetch_all(_CUSTOMERS, call_id)}

    def count(self, calls: Sequence[CountedCalls], *, at: dt.datetime | None = None) -> None:
        """Count calls that were not admitted in the present second."""
        sent = [
            {
                "customer": call.customer_id,
                "service": call.service_id,
                "calls": call.calls,
                "tokens": bounded(call.tokens),
            }
            for call in calls
        ]
        _in_batches(_COUNT, sent, at)

    def look(self, windows: Sequence[WindowId], *, at: dt.datetime | None = None) -> list[Use]:
        """Return the usage of each window now, without changing it."""
        sent = [{"customer": customer, "service": service} for customer, service in windows]
        return [Use(*row) for row in self._unless_held(_LOOK, _json(sent), at)] if sent else []

    def refusals(
        self,
        *,
        customer_id: int | None = None,
        hours: int = HOURS_OF_REFUSALS,
        at: dt.datetime | None = None,
    ) -> list[RefusalCount]:
        """Return how many calls of this customer, or of all, were refused within these hours."""
        rows = fetch_all(_REFUSALS, at, hours, customer_id)
        return [
            RefusalCount(customer, service, Refusal(why), calls) for customer, service, why, calls in rows
        ]

    def forget(self, *, at: dt.datetime | None = None) -> int:
        """Remove expired calls and counts of refusals; return how many calls were removed."""
        fetch_all(_FORGET_REFUSALS, at, HOURS_OF_REFUSALS)
        ((removed,),) = fetch_all(_FORGET, at, CALL_TTL // dt.timedelta(seconds=1))
        return int(removed)

    def _admit(self, sent: str, at: dt.datetime | None) -> list[Any]:
        while True:
            try:
                return self._unless_held(_ADMIT, sent, at)
            except IntegrityError as error:
                # A concurrent transaction admitted one of the ids for another service; a retry sees it.
                if connection.in_atomic_block or not isinstance(error.__cause__, UniqueViolation):
                    raise

    def _unless_held(self, statement: str, sent: str, at: dt.datetime | None) -> list[Any]:
        """Run a statement that first checks whether calls may be lost; raise WindowsLost if so."""
        # The instant of a test has nothing to do with this process's clock.
        clock = self._clock or (_CLOCK if at is None else StoreClock())
        sent_at = clock.monotonic()
        rows = fetch_all(statement, at, clock.latest(sent_at=sent_at), sent, at)
        seconds_held, present = rows[0][:2]
        clock.observe(present, sent_at=sent_at)
        if seconds_held:
            raise windows_lost(seconds_held)
        return [row for _, _, *row in rows]


def _in_batches(statement: str, sent: list[dict[str, Any]], at: dt.datetime | None) -> list[Any]:
    """Run a statement in batches, each in its own transaction: it locks its windows until its end."""
    batches = [
        sent[first : first + CALLS_PER_ROUND_TRIP] for first in range(0, len(sent), CALLS_PER_ROUND_TRIP)
    ]
    return [row for batch in batches for row in fetch_all(statement, _json(batch), at)]


def _json(sent: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(sent).decode()


_CLOCK = StoreClock()
_ADMIT = load_statement("admit_calls.sql", beside=__file__)
_SETTLE = "SELECT state FROM settle_calls(%s::json, %s::timestamptz)"
_MARK_REPORTED = load_statement("mark_reported.sql", beside=__file__)
_CUSTOMERS = "SELECT customers_of_call(%s)"
_COUNT = "SELECT count_calls(%s::json, %s::timestamptz)"
_LOOK = load_statement("read_windows.sql", beside=__file__)
_REFUSALS = load_statement("sum_refused_calls.sql", beside=__file__)
_FORGET_REFUSALS = """
DELETE FROM usage_refusedcalls
 WHERE hour <= coalesce(%s::timestamptz, now()) - make_interval(hours => %s::integer + 1)
RETURNING hour
"""
_FORGET = load_statement("delete_old_calls.sql", beside=__file__)
