"""Group commit: requests of the same kind that arrive at the same time share a round trip to the database.

A round trip costs as much for one request as for thirty: a commit waits for the disk, a query for its result.
One of the waiting threads becomes the leader and processes every request in the queue as one batch; each
request gets its own outcome. A batch never waits to fill up: what arrives while one runs is in the next.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from sensenova_billing.lib.database.dedicated_connection import DedicatedConnection
from sensenova_billing.lib.database.time_limits import Work

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")


class _PendingRequest(Generic[Request, Outcome]):
    def __init__(self, request: Request) -> None:
        self.request = request
        # Held until there is an outcome, or this thread is to lead; far cheaper than an Event.
        self.wake = threading.Lock()
        self.wake.acquire()
        self.outcomes: list[Outcome | Exception] = []
        self.error: BaseException | None = None


class Batcher(Generic[Request, Outcome]):
    """Processes all waiting requests at once; `process` gets a batch and returns an outcome for each.

    An outcome may be an error, which is then raised for that request alone.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Request]], Sequence[Outcome | Exception]],
        *,
        work: Work = Work.PAGE,
    ) -> None:
        self._process = process
        self._connection = DedicatedConnection(work)
        self._lock = threading.Lock()
        self._waiting: list[_PendingRequest[Request, Outcome]] = []
        self._is_running = False

    def submit(self, request: Request) -> Outcome:
        """Return this request's outcome, or raise it; an error of `process` is raised for the whole batch."""
        _give_connection_back()  # before enqueueing: an error after it would leave the queue without a leader
        pending = _PendingRequest[Request, Outcome](request)
        with self._lock:
            self._waiting.append(pending)
            leads = not self._is_running
            self._is_running = True
        if not leads:
            pending.wake.acquire()
        if not pending.outcomes and pending.error is None:
            self._run_batch(pending)
        outcome = pending.error or pending.outcomes[0]
        if not isinstance(outcome, BaseException):
            return outcome
        try:
            raise outcome
        finally:
            # Otherwise this frame and the error form a cycle that holds the request until garbage collection.
            del outcome, pending

    def _run_batch(self, leader: "_PendingRequest[Request, Outcome]") -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            with self._connection.as_default():
                outcomes = self._process([pending.request for pending in batch])
            for pending, outcome in zip(batch, outcomes, strict=True):
                pending.outcomes.append(outcome)
        finally:
            # Whatever went wrong, every request of the batch gets the error and no thread waits on.
            error = sys.exception()
            self._wake_next_leader()
            for pending in batch:
                pending.error = error
                if pending is not leader:
                    pending.wake.release()

    def _wake_next_leader(self) -> None:
        """Let the first request in the queue lead the next batch, with all that arrived since."""
        with self._lock:
            if self._waiting:
                self._waiting[0].wake.release()
            else:
                self._is_running = False


def _give_connection_back() -> None:
    # A waiting thread must not hold a connection of the pool that others need; the leader uses the batcher's.
    own = connections[DEFAULT_DB_ALIAS]
    if own.connection is not None and own.pool and not own.in_atomic_block:  # type: ignore[attr-defined]
        own.close()
