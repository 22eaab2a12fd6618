"""Checks whose usage a key may report, then stores it; shared by the endpoints of all formats."""

import datetime as dt
from collections.abc import Sequence

from accounts.api_keys.keys import customer_codes
from accounts.models import ServiceKey
from sensenova_billing.lib.measurements import Metric, observe
from usage.ingest.errors import InvalidUsage
from usage.ingest.group_commit import record_single
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt, record_each, record_usage
from usage.models import RefusalReason
from usage.refused.errors import RecordProblem, UsageError


def report_usage(*, reports: Sequence[UsageReport], key: ServiceKey, now: dt.datetime) -> Receipt:
    """Store these reports of a key, all or none; raise InvalidUsage or UsageConflict if none is stored."""
    observe(Metric.BATCH_RECORDS, len(reports))
    try:
        _require_own_customers(reports=reports, key=key)
        if len(reports) == 1:
            return record_single(report=reports[0], now=now)
        return record_usage(reports=reports, now=now)
    except UsageError as error:
        error.customers = {index: report.customer for index, report in enumerate(reports)}
        raise


def report_each(
    *, reports: Sequence[UsageReport], key: ServiceKey, now: dt.datetime
) -> list[Receipt | UsageError]:
    """Store each valid report of a key, and return an outcome for each."""
    observe(Metric.BATCH_RECORDS, len(reports))
    codes = customer_codes(key=key)
    own = {index: report for index, report in enumerate(reports) if codes is None or report.customer in codes}
    outcomes = dict(zip(own, record_each(reports=[*own.values()], now=now), strict=True)) if own else {}
    return [
        outcomes[index] if index in own else InvalidUsage([RecordProblem(0, *NOT_OF_KEY)])
        for index in range(len(reports))
    ]


def _require_own_customers(*, reports: Sequence[UsageReport], key: ServiceKey) -> None:
    codes = customer_codes(key=key)
    if codes is None:
        return
    foreign = [index for index, report in enumerate(reports) if report.customer not in codes]
    if foreign:
        raise InvalidUsage([RecordProblem(index, *NOT_OF_KEY) for index in foreign])


# Also of a customer that does not exist, so that a key learns nothing about other customers.
NOT_OF_KEY = ("customer", "this key may not report for this customer", RefusalReason.CUSTOMER_NOT_OF_KEY)
