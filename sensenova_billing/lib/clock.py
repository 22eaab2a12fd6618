"""The clock: every entry point reads it once and passes the time on.

It is the machine's own. Only tests let it run fast, so that an hour passes in a second, or put the clock of
one process off; anywhere else a system check refuses both (sensenova_billing/checks.py).
"""

import datetime as dt

from django.conf import settings
from django.utils import timezone


def now() -> dt.datetime:
    """Return what this process takes for the time."""
    return fast(timezone.now()) + settings.CLOCK_OFFSET


def fast(instant: dt.datetime) -> dt.datetime:
    """Return what a clock that runs at our speed shows at this instant; the instant itself outside tests."""
    speed: int = settings.CLOCK_SPEED
    origin: dt.datetime = settings.CLOCK_ORIGIN
    return instant if speed == 1 else origin + (instant - origin) * speed
