"""Reverses wrong usage records, each by another record: stored records never change."""

import datetime as dt
import uuid

from django.db import IntegrityError, transaction

from accounts.audit.context import LONGEST_REASON
from accounts.models import Customer
from pricing.rules.measures import Measure
from usage.billing_hours import lock_hours_for_ingest
from usage.ingest.errors import AlreadyReversed, NotReversible
from usage.models import HOUR, ArchivedEvent, UsageRecord


def reverse_record(
    *, customer: Customer, event_id: str, reason: str, by: str, now: dt.datetime
) -> UsageRecord:
    """Store the reversal of this record and return it; repeated for the same reason, change nothing.

    It is billed in the hour after the record's billing hour, or in the earliest open one: always on a later
    bill than the record. Raises NotReversible, or AlreadyReversed if it was for another reason.
    """
    reason = reason.strip()
    try:
        with transaction.atomic():
            record = _reversible(customer=customer, event_id=event_id, reason=reason)
            return _store(record=record, reason=reason, by=by, now=now)
    except IntegrityError:
        stored = UsageRecord.objects.filter(customer=customer, reverses=event_id).first()
        if stored is None:
            raise
    stored_reason = reason_of(stored)
    if stored_reason != reason:
        raise AlreadyReversed(event_id=event_id, stored=stored_reason, sent=reason)
    return stored


def reason_of(reversal: UsageRecord) -> str:
    """Return why the record was reversed."""
    return str((reversal.metadata or {}).get("reason", ""))


def _reversible(*, customer: Customer, event_id: str, reason: str) -> UsageRecord:
    if not 0 < len(reason) <= LONGEST_REASON:
        raise NotReversible("reason", f"must have 1 to {LONGEST_REASON} characters")
    # Locked, so that an archive takes it only before, or with its reversal to be seen.
    found = UsageRecord.objects.select_for_update(no_key=True).filter(customer=customer, event_id=event_id)
    record = found.first()
    archived = ArchivedEvent.objects.filter(customer=customer)
    if record is None and archived.filter(event_id=event_id).exists():
        raise NotReversible("event_id", "the record is archived; it can be reversed once it is restored")
    if record is None:
        raise NotReversible("event_id", "unknown record")
    if record.reverses is not None:
        raise NotReversible("event_id", "the record is itself a reversal")
    if archived.filter(reverses=event_id).exists():
        raise NotReversible("event_id", "the record is already reversed; its reversal is archived")
    return record


def _store(*, record: UsageRecord, reason: str, by: str, now: dt.datetime) -> UsageRecord:
    next_hour = record.billing_hour + HOUR
    return UsageRecord.objects.create(
        customer_id=record.customer_id,
        event_id=f"reversal-{uuid.uuid4()}",
        service_id=record.service_id,
        occurred_at=record.occurred_at,
        billing_hour=lock_hours_for_ingest([next_hour])[next_hour],
        received_at=now,
        metadata={"reason": reason, "by": by},
        reverses=record.event_id,
        outcome=record.outcome,
        is_charged=record.is_charged,
        **{str(measure): -used for measure in Measure if (used := record.quantity_of(measure))},
    )
