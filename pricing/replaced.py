"""What the deed that brought a price had replaced by it, as the audit trail has it."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts.models import AuditEntry, Deed
from pricing.models import Price


@dataclass(frozen=True)
class Replaced:
    """A price that was removed."""

    unit_price: Decimal
    unit_size: int
    begins_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass(frozen=True)
class PriceDeed:
    """Prices of the same kind, item and customer: the ends of those cut, by their keys, and those removed."""

    cut: dict[int, dt.datetime | None] = field(default_factory=dict)
    removed: list[Replaced] = field(default_factory=list)


def deed_of(price: Price) -> PriceDeed:
    """Return what became of others when this price was added; nothing where the trail does not tell."""
    prices = AuditEntry.objects.filter(table=Price._meta.db_table)
    added = prices.filter(row=str(price.pk), deed=Deed.ADDED).first()
    if added is None or added.transaction is None:
        return PriceDeed()
    # A transaction has its number only as long as the database is not moved to another server.
    entries = prices.filter(transaction=added.transaction, by=added.by, reason=added.reason)
    told = PriceDeed()
    for entry in entries.exclude(deed=Deed.ADDED):
        before: dict[str, Any] = entry.before or {}
        if any(before[name] != getattr(price, name) for name in ("billing_item_id", "customer_id", "kind")):
            continue
        if entry.deed == Deed.REMOVED:
            told.removed.append(_replaced(before))
        elif _instant((entry.after or {})["ends_at"]) == price.begins_at:
            told.cut[int(entry.row)] = _instant(before["ends_at"])
    return told


def _replaced(before: dict[str, Any]) -> Replaced:
    return Replaced(
        unit_price=Decimal(before["unit_price"]),
        unit_size=before["unit_size"],
        begins_at=dt.datetime.fromisoformat(before["begins_at"]),
        ends_at=_instant(before["ends_at"]),
    )


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
