"""The harness's own clock, on which an hour passes in a second or so."""

import datetime as dt
import time
from dataclasses import dataclass

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class FastClock:
    """Shows `origin` when it is that time, and runs `speed` times as fast as the machine's."""

    origin: dt.datetime
    speed: int

    def now(self) -> dt.datetime:
        """Return what it shows."""
        return self.at(dt.datetime.now(dt.UTC))

    def at(self, instant: dt.datetime) -> dt.datetime:
        """Return what it shows at a real instant."""
        return self.origin + (instant - self.origin) * self.speed

    def hour(self) -> dt.datetime:
        """Return the beginning of its hour."""
        return self.now().replace(minute=0, second=0, microsecond=0)

    def seconds_until(self, instant: dt.datetime) -> float:
        """Return for how many real seconds it does not show this instant yet."""
        return (instant - self.now()) / dt.timedelta(seconds=self.speed)

    def wait_until(self, instant: dt.datetime, *, sooner: float = 0) -> None:
        """Wait until it shows this instant, or so many real seconds less."""
        time.sleep(max(0, self.seconds_until(instant) - sooner))
