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


@dataclass(frozen=True)
class BadUsage:
    """Usage that cannot be stored: its report if it could be read, and what is wrong with it."""

    report: UsageReport | None
    customer_code: str
    sent: Mapping[str, str]
    field: str
    problem: str
    reason: RefusalReason
    occurred_at: dt.datetime | None = None  # where there is no report


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
    customer_code = _safe(bad.customer_code, 255)
    sent = {_safe(name, 100): _safe(value, 500) for name, value in bad.sent.items()}
    identity = json.dumps([key.pk, event_id, customer_code, quantities, sent], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return QuarantinedUsage(
        received_at=now,
        key=key,
        digest=digest,
        event_id=event_id or f"quarantine-{digest}",
        customer_code=customer_code,
        service_name=report.service if report else _name(sent),
        occurred_at=report.occurred_at if report else bad.occurred_at or now,
        quantities=quantities,
        outcome=(report.outcome or "") if report else "",
        metadata=(report.metadata or {}) if report else {},
        sent=sent,
        field=_safe(bad.field, 200),
        problem=_safe(bad.problem, 500),
        reason=bad.reason,
    )


def _safe(text: str, longest: int) -> str:
    """Return what PostgreSQL takes of a text that a sender chose."""
    return text[:longest].encode(errors="replace").decode().replace("\0", "?")


def _name(sent: Mapping[str, str]) -> str:
    names = ("model_group", "model", "gen_ai.response.model", "gen_ai.request.model")
    return next((sent[name] for name in names if sent.get(name)), "")[:255]
