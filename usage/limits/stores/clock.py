"""Detects a store's clock that jumps ahead, by this process's monotonic clock.

To a store, a clock that jumps ahead by a minute looks like a minute without calls.
"""

import math
import time
from collections.abc import Callable

# Seconds that a slow network, clock adjustment and whole seconds may add up to.
TOLERANCE = 5
# An older observation is useless: no call admitted before it still counts.
VALID_FOR = 61


class StoreClock:
    """What a store's clock may show, given what it showed last."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._seen: tuple[int, float] | None = None

    def latest(self, *, sent_at: float) -> int | None:
        """Return the latest second that the answer to a request may show; None if any may be right."""
        if self._seen is None:
            return None
        second, seen_at = self._seen
        elapsed = sent_at - seen_at
        return None if elapsed > VALID_FOR else second + math.ceil(elapsed) + TOLERANCE

    def observe(self, second: int, *, sent_at: float) -> None:
        """Remember the second in the answer to a request."""
        self._seen = second, sent_at
