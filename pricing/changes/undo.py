"""What a price, a call specification or package terms superseded when added, as the audit trail records."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from accounts.models import AuditAction, AuditEntry
from pricing.changes.packages.rows import weight_of
from pricing.changes.rows import ItemWeight
from pricing.models import CallSpecification, PackageTerms, Price, Service, ServiceGroup, TermsWeight

Dated = Price | CallSpecification | PackageTerms

# Columns that identify a series, in which periods do not overlap; and the columns that hold a row's values.
_SERIES_KEY: dict[type[Dated], tuple[str, ...]] = {
    Price: ("billing_item_id", "customer_id", "kind"),
    CallSpecification: ("service_id", "customer_id"),
    PackageTerms: ("product_id",),
}
_VALUES: dict[type[Dated], tuple[str, ...]] = {
    Price: ("unit_price", "unit_size"),
    CallSpecification: ("rpm", "tpm", "excludes_cached_input"),
    PackageTerms: ("tokens", "validity", "validity_unit", "list_price", "offer_price", "rpm", "tpm"),
}


@dataclass(frozen=True)
class RemovedRow:
    """What was removed: its values, named as in a row of the catalogue, and its period."""

    values: dict[str, Any]
    begins_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass(frozen=True)
class Superseded:
    """Rows of the same series: the former ends of the truncated ones by key, and the removed ones."""

    truncated: dict[int, dt.datetime | None] = field(default_factory=dict)
    removed: list[RemovedRow] = field(default_factory=list)


def superseded_by(newer: Dated) -> Superseded:
    """Return what the addition of this row superseded; empty if the audit trail does not know."""
    rows = AuditEntry.objects.filter(table=newer._meta.db_table)
    added = rows.filter(row=str(newer.pk), deed=AuditAction.ADDED).first()
    if added is None or added.transaction is None:
        return Superseded()
    # A transaction has its number only as long as the database is not moved to another server.
    entries = AuditEntry.objects.filter(transaction=added.transaction, by=added.by, reason=added.reason)
    superseded = Superseded()
    for entry in entries.filter(table=newer._meta.db_table).exclude(deed=AuditAction.ADDED):
        before: dict[str, Any] = entry.before or {}
        if any(before[name] != getattr(newer, name) for name in _SERIES_KEY[type(newer)]):
            continue
        if entry.deed == AuditAction.REMOVED:
            parts = _removed_parts(entries, before["id"]) if isinstance(newer, PackageTerms) else {}
            superseded.removed.append(_removed_row(type(newer), before, parts))
        elif _instant((entry.after or {})["ends_at"]) == newer.begins_at:
            ended = _instant(before["ends_at"])
            # A row whose end moved later was not truncated.
            if ended is None or ended > newer.begins_at:
                superseded.truncated[int(entry.row)] = ended
    return superseded


def _removed_row(model: type[Dated], before: dict[str, Any], parts: dict[str, Any]) -> RemovedRow:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return RemovedRow(
        values={name: fields[name].to_python(before[name]) for name in _VALUES[model]} | parts,
        begins_at=dt.datetime.fromisoformat(before["begins_at"]),
        ends_at=_instant(before["ends_at"]),
    )


def _removed_parts(entries: "QuerySet[AuditEntry]", terms: int) -> dict[str, Any]:
    """Return what package terms covered and weighed that were removed, as a row holds it."""
    removed = entries.filter(deed=AuditAction.REMOVED)
    services = removed.filter(
        table=PackageTerms.services.through._meta.db_table, before__packageterms_id=terms
    ).values_list("before__service_id", flat=True)
    groups = removed.filter(
        table=PackageTerms.groups.through._meta.db_table, before__packageterms_id=terms
    ).values_list("before__servicegroup_id", flat=True)
    weights = removed.filter(table=TermsWeight._meta.db_table, before__terms_id=terms)
    return {
        "services": tuple(sorted(one.name for one in Service.objects.filter(pk__in=[*services]))),
        "groups": tuple(sorted(one.name for one in ServiceGroup.objects.filter(pk__in=[*groups]))),
        "weights": tuple(sorted(_removed_weight(one.before or {}) for one in weights)),
    }


def _removed_weight(before: dict[str, Any]) -> ItemWeight:
    weight = Decimal(str(before["weight"]))
    return weight_of(TermsWeight(billing_item_id=before["billing_item_id"], weight=weight))


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
