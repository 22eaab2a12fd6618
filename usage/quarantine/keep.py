"""Puts usage into quarantine, once however often it arrives."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.models import ServiceKey
from pricing.rules.measures import Measure
from usage.ingest.payload import UsageReport
from usage.models import QuarantinedUsage, RefusalReason

LONGEST_PROBLEM = 500


@dataclass(frozen=True)
class BadUsage:
    """Usage that cannot be stored: its report if it could be read, and what is wrong with it."""

    report: UsageReport | None
    customer_code: str
    sent: Mapping[str, str]
    field: str
    problem: str
    reason: RefusalReason


def keep(*, usage: Sequence[BadUsage], key: ServiceKey, now: dt.datetime) -> None:
    """Put these into quarantine; what is there already stays as it is."""
    QuarantinedUsage.objects.bulk_create([_row(one, key, now) for one in usage], ignore_conflicts=True)


def _row(bad: BadUsage, key: ServiceKey, now: dt.datetime) -> QuarantinedUsage:
    report = bad.report
    quantities = {
        str(measure): quantity
        for measure in Measure
        if report is not None and (quantity := getattr(report, measure) or 0)
    }
    event_id = report.event_id if report else ""
    identity = json.dumps([key.pk, event_id, bad.customer_code, quantities, dict(bad.sent)], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return QuarantinedUsage(
        received_at=now,
        key=key,
        digest=digest,
        event_id=event_id or f"quarantine-{digest}",
        customer_code=bad.customer_code,
        service_name=report.service if report else _name(bad.sent),
        occurred_at=report.occurred_at if report else now,
        quantities=quantities,
        outcome=(report.outcome or "") if report else "",
        metadata=(report.metadata or {}) if report else {},
        sent=dict(bad.sent),
        field=bad.field,
        problem=bad.problem[:LONGEST_PROBLEM],
        reason=bad.reason,
    )


def _name(sent: Mapping[str, str]) -> str:
    return (sent.get("model_group") or sent.get("model") or "")[:255]
