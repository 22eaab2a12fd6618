"""The threads of a worker that send webhooks; a sweep hands them what is due and waits for none of them."""

import datetime as dt
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import RLock

from django.db import connection

from accounts.webhooks.delivery import Claim, claim_endpoints, serve_endpoint

SENDERS = 16
# Of these, for endpoints that failed last: what hangs takes no sender from what works.
SENDERS_OF_FAILING = 6

logger = logging.getLogger(__name__)


class Senders:
    """So many endpoints are served at a time, each by a thread."""

    def __init__(self, number: int = SENDERS, *, of_failing: int = SENDERS_OF_FAILING) -> None:
        self._rooms = {False: number - of_failing, True: of_failing}
        self._pool = ThreadPoolExecutor(max_workers=number, thread_name_prefix="webhooks")
        self._lock = RLock()  # what was submitted may be done at once, and leaves in this thread

    def start(self, *, now: dt.datetime) -> list[Future[int]]:
        """Claim endpoints for the threads that are free, and let these serve them."""
        with self._lock:
            return [
                self._submit(claim, failing)
                for failing in (False, True)
                for claim in claim_endpoints(now=now, most=self._rooms[failing], failing=failing)
            ]

    def _submit(self, claim: Claim, failing: bool) -> Future[int]:
        self._rooms[failing] -= 1
        future = self._pool.submit(_serve, claim)
        future.add_done_callback(partial(self._leave, failing))
        return future

    def _leave(self, failing: bool, future: Future[int]) -> None:
        with self._lock:
            self._rooms[failing] += 1
        if (error := future.exception()) is not None:
            # The lease ends by itself, and the next worker tries again.
            logger.error("A webhook endpoint was not served", exc_info=error)


def _serve(claim: Claim) -> int:
    try:
        return serve_endpoint(claim)
    finally:
        connection.close()
