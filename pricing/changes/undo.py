"""What the deed that brought a price or a call specification had replaced, as the audit trail has it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from accounts.models import AuditAction, AuditEntry
from pricing.models import CallSpecification, Price

# Among which rows periods do not overlap, and what a row says of its period.
_COURSE: dict[type[Price | CallSpecification], tuple[str, ...]] = {
    Price: ("billing_item_id", "customer_id", "kind"),
    CallSpecification: ("service_id", "customer_id"),
}
_SAYS: dict[type[Price | CallSpecification], tuple[str, ...]] = {
    Price: ("unit_price", "unit_size"),
    CallSpecification: ("rpm", "tpm"),
}


@dataclass(frozen=True)
class Replaced:
    """A price or a call specification that was removed: what it said, by column, and when it was to hold."""

    said: dict[str, Any]
    begins_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass(frozen=True)
class LayingDeed:
    """Of the same course: the ends of those that were cut, by their keys, and those removed."""

    cut: dict[int, dt.datetime | None] = field(default_factory=dict)
    removed: list[Replaced] = field(default_factory=list)


def deed_of(brought: Price | CallSpecification) -> LayingDeed:
    """Return what became of others when this was added; nothing where the trail does not tell."""
    rows = AuditEntry.objects.filter(table=brought._meta.db_table)
    added = rows.filter(row=str(brought.pk), deed=AuditAction.ADDED).first()
    if added is None or added.transaction is None:
        return LayingDeed()
    # A transaction has its number only as long as the database is not moved to another server.
    entries = rows.filter(transaction=added.transaction, by=added.by, reason=added.reason)
    told = LayingDeed()
    for entry in entries.exclude(deed=AuditAction.ADDED):
        before: dict[str, Any] = entry.before or {}
        if any(before[name] != getattr(brought, name) for name in _COURSE[type(brought)]):
            continue
        if entry.deed == AuditAction.REMOVED:
            told.removed.append(_replaced(type(brought), before))
        elif _instant((entry.after or {})["ends_at"]) == brought.begins_at:
            ended = _instant(before["ends_at"])
            # One that the deed let go on for longer was not cut.
            if ended is None or ended > brought.begins_at:
                told.cut[int(entry.row)] = ended
    return told


def _replaced(model: type[Price | CallSpecification], before: dict[str, Any]) -> Replaced:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return Replaced(
        said={name: fields[name].to_python(before[name]) for name in _SAYS[model]},
        begins_at=dt.datetime.fromisoformat(before["begins_at"]),
        ends_at=_instant(before["ends_at"]),
    )


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
