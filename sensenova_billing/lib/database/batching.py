"""Threads that want the same kind of thing at the same time get it with one trip to the database.

A trip costs the same whether it is for one or for thirty: a commit waits for the disk, a query for its
answer. So of the threads that wait one steers: it takes everybody who is waiting across, and each gets an
outcome of its own. Nobody waits for others to come: who arrives while a trip is under way takes the next.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from sensenova_billing.lib.database.dedicated_connection import KeptConnection
from sensenova_billing.lib.database.time_limits import Work

Wish = TypeVar("Wish")
Outcome = TypeVar("Outcome")


class _Ticket(Generic[Wish, Outcome]):
    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.call = threading.Lock()  # held until the ticket is called; far cheaper than an Event
        self.call.acquire()
        self.outcomes: list[Outcome | Exception] = []
        self.error: BaseException | None = None


class Ferry(Generic[Wish, Outcome]):
    """Takes everybody who waits across at once; `carry` gets their wishes and returns as many outcomes.

    An outcome may be an error, which is then raised for that one alone.
    """

    def __init__(
        self, carry: Callable[[Sequence[Wish]], Sequence[Outcome | Exception]], *, work: Work = Work.PAGE
    ) -> None:
        self._carry = carry
        self._connection = KeptConnection(work)
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[Wish, Outcome]] = []
        self._under_way = False

    def cross(self, wish: Wish) -> Outcome:
        """Return this wish's outcome, or raise it; raise what `carry` raised, as does everybody aboard."""
        _give_connection_back()  # first: who fails after he boarded would never steer, and nobody else would
        ticket = _Ticket[Wish, Outcome](wish)
        with self._lock:
            self._waiting.append(ticket)
            steers = not self._under_way
            self._under_way = True
        if not steers:
            ticket.call.acquire()
        if not ticket.outcomes and ticket.error is None:
            self._steer(ticket)
        outcome = ticket.error or ticket.outcomes[0]
        if not isinstance(outcome, BaseException):
            return outcome
        try:
            raise outcome
        finally:
            # Or this frame and the error keep each other, and the request, for the collector.
            del outcome, ticket

    def _steer(self, steering: "_Ticket[Wish, Outcome]") -> None:
        with self._lock:
            aboard, self._waiting = self._waiting, []
        try:
            with self._connection.lent():
                outcomes = self._carry([ticket.wish for ticket in aboard])
            for ticket, outcome in zip(aboard, outcomes, strict=True):
                ticket.outcomes.append(outcome)
        finally:
            # Whatever went wrong, everybody aboard hears of it and nobody waits on.
            error = sys.exception()
            self._hand_over()
            for ticket in aboard:
                ticket.error = error
                if ticket is not steering:
                    ticket.call.release()

    def _hand_over(self) -> None:
        """Call the next to steer, who takes along everybody who has come since."""
        with self._lock:
            if self._waiting:
                self._waiting[0].call.release()
            else:
                self._under_way = False


def _give_connection_back() -> None:
    # Who waits must not hold a connection of the pool that others need, and who steers is lent another.
    own = connections[DEFAULT_DB_ALIAS]
    if own.connection is not None and own.pool and not own.in_atomic_block:  # type: ignore[attr-defined]
        own.close()
