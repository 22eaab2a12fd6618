"""Group commit: concurrent single reports share one commit, and each is answered after it."""

import datetime as dt
from collections.abc import Sequence

from sensenova_billing.lib.database.batching import Batcher
from sensenova_billing.lib.database.time_limits import Work
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt, record_each
from usage.refused.errors import UsageError

_Reported = tuple[UsageReport, dt.datetime]


def record_single(*, report: UsageReport, now: dt.datetime) -> Receipt:
    """Store this report in a shared commit; raise InvalidUsage or UsageConflict."""
    return _BATCHER.submit((report, now))


def _record_batch(reported: Sequence[_Reported]) -> list[Receipt | UsageError]:
    return record_each(reports=[report for report, _ in reported], now=max(now for _, now in reported))


_BATCHER = Batcher[_Reported, Receipt](_record_batch, work=Work.REPORT)
