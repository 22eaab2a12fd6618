"""What a price or a call specification superseded when it was added, as the audit trail records it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from accounts.models import AuditAction, AuditEntry
from pricing.models import CallSpecification, Price

# Columns that identify a series, in which periods do not overlap; and the columns that hold a row's values.
_SERIES_KEY: dict[type[Price | CallSpecification], tuple[str, ...]] = {
    Price: ("billing_item_id", "customer_id", "kind"),
    CallSpecification: ("service_id", "customer_id"),
}
_VALUES: dict[type[Price | CallSpecification], tuple[str, ...]] = {
    Price: ("unit_price", "unit_size"),
    CallSpecification: ("rpm", "tpm", "excludes_cached_input"),
}


@dataclass(frozen=True)
class RemovedRow:
    """A price or a call specification that was removed: its values by column, and its period."""

    values: dict[str, Any]
    begins_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass(frozen=True)
class Superseded:
    """Rows of the same series: the former ends of the truncated ones by key, and the removed ones."""

    truncated: dict[int, dt.datetime | None] = field(default_factory=dict)
    removed: list[RemovedRow] = field(default_factory=list)


def superseded_by(newer: Price | CallSpecification) -> Superseded:
    """Return what the addition of this row superseded; empty if the audit trail does not know."""
    rows = AuditEntry.objects.filter(table=newer._meta.db_table)
    added = rows.filter(row=str(newer.pk), deed=AuditAction.ADDED).first()
    if added is None or added.transaction is None:
        return Superseded()
    # A transaction has its number only as long as the database is not moved to another server.
    entries = rows.filter(transaction=added.transaction, by=added.by, reason=added.reason)
    superseded = Superseded()
    for entry in entries.exclude(deed=AuditAction.ADDED):
        before: dict[str, Any] = entry.before or {}
        if any(before[name] != getattr(newer, name) for name in _SERIES_KEY[type(newer)]):
            continue
        if entry.deed == AuditAction.REMOVED:
            superseded.removed.append(_removed_row(type(newer), before))
        elif _instant((entry.after or {})["ends_at"]) == newer.begins_at:
            ended = _instant(before["ends_at"])
            # A row whose end moved later was not truncated.
            if ended is None or ended > newer.begins_at:
                superseded.truncated[int(entry.row)] = ended
    return superseded


def _removed_row(model: type[Price | CallSpecification], before: dict[str, Any]) -> RemovedRow:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return RemovedRow(
        values={name: fields[name].to_python(before[name]) for name in _VALUES[model]},
        begins_at=dt.datetime.fromisoformat(before["begins_at"]),
        ends_at=_instant(before["ends_at"]),
    )


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
