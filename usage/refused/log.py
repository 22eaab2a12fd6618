"""Logs refused usage by key and reason; a flood of requests makes few lines."""

import logging
import time
from collections import Counter
from collections.abc import Mapping

from accounts.models import ServiceKey
from usage.models import RefusalReason

SECONDS_BETWEEN_LINES = 10.0  # of one key and reason

logger = logging.getLogger(__name__)


class RefusalLog:
    """Sums refused requests by key and reason, and logs each sum at most once in some seconds.

    Not thread-safe: the caller has to hold a lock.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, RefusalReason], Counter[str]] = {}
        self._due: dict[tuple[str, RefusalReason], float] = {}

    def add(self, key: ServiceKey | None, records: Mapping[RefusalReason, int]) -> None:
        """Add a request and its records by reason."""
        # `repr`, because a name may hold a line break.
        sender = f"key {key.prefix} {key.name!r}" if key else "without a valid key"
        for reason, number in records.items():
            self._waiting.setdefault((sender, reason), Counter()).update(requests=1, records=number)

    def seconds_until_due(self) -> float | None:
        """Return the seconds until the next line is due; None if none is pending."""
        due = [self._due.get(one, 0.0) for one in self._waiting]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def expedite(self) -> None:
        """Make all lines due."""
        self._due.clear()

    def write_due(self) -> None:
        """Write the lines that are due."""
        now = time.monotonic()
        self._due = {one: due for one, due in self._due.items() if due > now}
        for one in [one for one in self._waiting if one not in self._due]:
            counts, (sender, reason) = self._waiting.pop(one), one
            self._due[one] = now + SECONDS_BETWEEN_LINES
            counted = f"{counts['requests']:,} requests, {counts['records']:,} records"
            logger.warning("Usage refused: %s, %s: %s", reason.value, sender, counted)
