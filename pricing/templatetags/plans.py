"""A preview of row changes as text: the name of each row, its values before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext, gettext_noop

from pricing.changes.apply import RowChange, RowState
from pricing.changes.rows import (
    AliasRow,
    GroupRow,
    PackageRow,
    PriceRow,
    Row,
    ServiceRow,
    SpecificationRow,
    names_text,
)
from pricing.models import UNIT_SIZES, period_text, price_text
from pricing.rules.amounts import package_price_text
from pricing.rules.kinds import Kind
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import validity_text

register = template.Library()

VARIANTS = {
    RowState.NEW: "success",
    RowState.CHANGED: "info",
    RowState.REMOVED: "warning",
    RowState.UNCHANGED: "default",
    RowState.REFUSED: "danger",
}

_STATES = {
    RowState.NEW: gettext_noop("new"),
    RowState.CHANGED: gettext_noop("changed"),
    RowState.REMOVED: gettext_noop("removed"),
    RowState.UNCHANGED: gettext_noop("unchanged"),
    RowState.REFUSED: gettext_noop("refused"),
}


@dataclass(frozen=True)
class ChangeText:
    """A change as the preview shows it; `before` and `after` are empty where there is nothing."""

    name: str
    before: str
    after: str
    state: str
    variant: str


@register.filter
def change_text(change: RowChange) -> ChangeText:
    """Return the texts of a change."""
    goes = getattr(change.row, "remove", False)
    return ChangeText(
        name=_NAMES[type(change.row)](change.row),
        before=facts_text(change.before) if change.before else "",
        after="" if goes else facts_text(change.row),
        state=gettext(_STATES[change.state]),
        variant=VARIANTS[change.state],
    )


def facts_text(row: Row) -> str:
    """Return the values of a row, e.g. `0.04 RMB/thousand tokens, from ... until ... UTC`."""
    return _FACTS[type(row)](row)


def row_price_text(row: PriceRow) -> str:
    """Word the price of a row as the price page does; an invalid price as it is written."""
    digits = f"{row.unit_price.normalize():f}"
    if row.unit_size not in UNIT_SIZES:
        return f"{digits} RMB per {row.unit_size} {row.measure.unit}"
    return price_text(kind=row.kind, digits=digits, unit_size=row.unit_size, measure=row.measure)


def kind_text(kind: str) -> str:
    """E.g. `list price`; an unknown kind as it is written."""
    return Kind(kind).label if kind in list(Kind) else kind


def _price_name(row: PriceRow) -> str:
    for_whom = f", for {row.customer}" if row.customer else ""
    return f"{row.service}: {row.measure.label}, {kind_text(row.kind)}{for_whom}"


def _specification_name(row: SpecificationRow) -> str:
    for_whom = f", for {row.customer}" if row.customer else ""
    return f"{row.service}: call specification{for_whom}"


def _specification_facts(row: SpecificationRow) -> str:
    tpm = f"{row.tpm:,} TPM" if row.tpm else "no TPM limit"
    without = " without cached input" if row.excludes_cached_input else ""
    return f"{row.rpm:,} RPM, {tpm}{without}, {period_text(row.begins_at, row.ends_at)}"


def _package_facts(row: PackageRow) -> str:
    price = package_price_text(row.list_price, row.offer_price)
    covers = names_text([*row.services, *(f"all of {group}" for group in row.groups)])
    if row.method == BillingMethod.TPM_PACKAGE:
        holds = f"{price} a unit and {row.validity_unit}"
    else:
        holds = f"{row.tokens or 0:,} tokens for {validity_text(row.validity, row.validity_unit)}, {price}"
    limits = f", {row.rpm:,} RPM and {row.tpm:,} TPM" if row.rpm and row.tpm else ""
    weights = f", weights {names_text(map(str, row.weights))}" if row.weights else ""
    return f"{holds}, covers {covers}{limits}{weights}, {period_text(row.begins_at, row.ends_at)}"


def _group_facts(row: GroupRow) -> str:
    description = f": {row.description}" if row.description else ""
    return f"{row.family}, place {row.position}{description}"


_NAMES: dict[type[Row], Callable[[Any], str]] = {
    GroupRow: lambda row: f"Service group {row.name}",
    ServiceRow: lambda row: f"Service {row.name}",
    AliasRow: lambda row: f"Alias {row.alias}",
    PriceRow: _price_name,
    SpecificationRow: _specification_name,
    PackageRow: lambda row: f"{row.product}: {row.method.label}",
}
_FACTS: dict[type[Row], Callable[[Any], str]] = {
    GroupRow: _group_facts,
    ServiceRow: lambda row: f"in {row.group}, place {row.position}",
    AliasRow: lambda row: f"names {row.service}",
    PriceRow: lambda row: f"{row_price_text(row)}, {period_text(row.begins_at, row.ends_at)}",
    SpecificationRow: _specification_facts,
    PackageRow: _package_facts,
}
