"""What usage that was stored means for the windows of call limits: it settles an admitted call, or counts.

Told after the commit, and by default by a thread of its own, so that no report waits for it: what is lost
when a process dies counts as it was estimated until it leaves the window. Usage of calls that are over for
more than a window changes nothing.
"""

import datetime as dt
import logging
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import DatabaseError, connection

from pricing.measures import Measure
from usage.rows import MEASURES, Row
from usage.window_stores import call_windows
from usage.windows import CountedCalls, SettledCall, State, StoreAway

WINDOW = dt.timedelta(seconds=61)
MOST_WAITING = 1000  # batches; then who reports settles itself
MOST_AT_ONCE = 100

logger = logging.getLogger(__name__)
_INPUT, _OUTPUT = MEASURES.index(Measure.INPUT_TOKENS), MEASURES.index(Measure.OUTPUT_TOKENS)


def settle_stored(*, rows: Iterable[Row], now: dt.datetime) -> None:
    """Let these records, which are new and committed, settle or count in the windows, soon."""
    since = now - WINDOW
    told = [row for row in rows if row.call_id is not None or row.occurred_at > since]
    if not told:
        return
    if not settings.SETTLE_CALLS_BESIDE:
        settle_now(rows=told)
    elif not _BESIDE.take(told):
        _settle_or_log(told)


def wait_until_settled() -> None:
    """Return when all that this process has stored is settled."""
    _BESIDE.wait()


def settle_now(*, rows: Sequence[Row]) -> None:
    """Settle the admitted calls among these to what they used, and count what was not admitted."""
    windows = call_windows()
    admitted = [row for row in rows if row.call_id is not None]
    counted: Counter[tuple[int, int]] = Counter()
    tokens: Counter[tuple[int, int]] = Counter()
    states = windows.settle([_settled(row) for row in admitted]) if admitted else []
    for row, state in [
        *zip(admitted, states, strict=True),
        *((row, State.UNKNOWN) for row in rows if not row.call_id),
    ]:
        if state is not State.HELD:
            # A call in several records was admitted once; what was released has been made after all.
            whose = row.customer_id, row.service_id
            counted[whose] += state is not State.SETTLED
            tokens[whose] += _tokens(row)
    if counted:
        windows.count([CountedCalls(*whose, calls, tokens[whose]) for whose, calls in counted.items()])


def _settled(row: Row) -> SettledCall:
    return SettledCall(str(row.call_id), _tokens(row), frozenset([row.customer_id]))


def _tokens(row: Row) -> int:
    return row.quantities[_INPUT] + row.quantities[_OUTPUT]


def _settle_or_log(rows: Sequence[Row]) -> None:
    try:
        settle_now(rows=rows)
    except (StoreAway, DatabaseError) as error:
        # The records are stored and will be billed. What their calls hold stays as it was estimated.
        logger.warning("The calls of %d records were not settled: %s", len(rows), error)


class _Beside:
    """A thread that settles what others have stored, all that waits in one trip; begun when first needed."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Sequence[Row]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self, rows: Sequence[Row]) -> bool:
        """Settle these soon; False where too many wait already."""
        if self._thread is None or not self._thread.is_alive():
            self._begin()
        try:
            self._waiting.put_nowait(rows)
        except queue.Full:
            return False
        return True

    def _begin(self) -> None:
        with self._lock:
            # Also after a fork, which copies no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="settling", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            batches = [self._waiting.get()]
            while len(batches) < MOST_AT_ONCE:
                try:
                    batches.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            _settle_or_log([row for rows in batches for row in rows])
            connection.close()
            for _ in batches:
                self._waiting.task_done()

    def wait(self) -> None:
        """Return when all that was taken is settled."""
        self._waiting.join()


_BESIDE = _Beside()
