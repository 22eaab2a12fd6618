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
from pricing.rules.kinds import Kind
from pricing.rules.methods import BillingMethod
from pricing.words import (
    a_unit_words,
    kind_name,
    list_text,
    measure_name,
    package_price_words,
    tpm_words,
    validity_words,
)

register = template.Library()

VARIANTS = {
    RowState.NEW: "success",
    RowState.CHANGED: "info",
    RowState.REMOVED: "warning",
    RowState.UNCHANGED: "default",
    RowState.REFUSED: "danger",
}

STATES = {
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
        state=gettext(STATES[change.state]),
        variant=VARIANTS[change.state],
    )


def facts_text(row: Row) -> str:
    """Return the values of a row, e.g. `0.04 RMB/thousand tokens, from ... until ... UTC`."""
    return _FACTS[type(row)](row)


def row_price_text(row: PriceRow) -> str:
    """Word the price of a row as the price page does; an invalid price as it is written."""
    digits = f"{row.unit_price.normalize():f}"
    if row.unit_size not in UNIT_SIZES:
        words = {"digits": digits, "size": row.unit_size, "unit": gettext(row.measure.unit)}
        return gettext("%(digits)s RMB per %(size)s %(unit)s") % words
    return price_text(kind=row.kind, digits=digits, unit_size=row.unit_size, measure=row.measure)


def kind_text(kind: str) -> str:
    """E.g. `list price`; an unknown kind as it is written."""
    return kind_name(kind) if kind in list(Kind) else kind


def _price_name(row: PriceRow) -> str:
    words = {
        "service": row.service,
        "measure": measure_name(row.measure),
        "kind": kind_text(row.kind),
        "customer": row.customer,
    }
    if row.customer:
        return gettext("%(service)s: %(measure)s, %(kind)s, for %(customer)s") % words
    return gettext("%(service)s: %(measure)s, %(kind)s") % words


def _specification_name(row: SpecificationRow) -> str:
    words = {"service": row.service, "customer": row.customer}
    if row.customer:
        return gettext("%(service)s: call specification, for %(customer)s") % words
    return gettext("%(service)s: call specification") % words


def _specification_facts(row: SpecificationRow) -> str:
    tpm = tpm_words(row.tpm, excludes_cached_input=row.excludes_cached_input) or gettext("no TPM limit")
    words = {"rpm": f"{row.rpm:,}", "tpm": tpm, "period": period_text(row.begins_at, row.ends_at)}
    return gettext("%(rpm)s RPM, %(tpm)s, %(period)s") % words


def _package_facts(row: PackageRow) -> str:
    price = package_price_words(row.list_price, row.offer_price)
    groups = (gettext("all of %(group)s") % {"group": group} for group in row.groups)
    if row.method == BillingMethod.TPM_PACKAGE:
        facts = [a_unit_words(price, row.validity_unit)]
    else:
        validity = validity_words(row.validity, row.validity_unit)
        holds = gettext("%(tokens)s tokens for %(time)s")
        facts = [holds % {"tokens": f"{row.tokens or 0:,}", "time": validity}, price]
    facts.append(gettext("covers %(names)s") % {"names": names_text([*row.services, *groups])})
    if row.rpm and row.tpm:
        limits = {"rpm": f"{row.rpm:,}", "tpm": f"{row.tpm:,}"}
        facts.append(gettext("%(rpm)s RPM and %(tpm)s TPM") % limits)
    if row.weights:
        facts.append(gettext("weights %(weights)s") % {"weights": names_text(map(str, row.weights))})
    return list_text([*facts, period_text(row.begins_at, row.ends_at)])


def _group_facts(row: GroupRow) -> str:
    words = {"family": row.family, "place": row.position, "description": row.description}
    if row.description:
        return gettext("%(family)s, place %(place)s: %(description)s") % words
    return gettext("%(family)s, place %(place)s") % words


_NAMES: dict[type[Row], Callable[[Any], str]] = {
    GroupRow: lambda row: gettext("Service group %(name)s") % {"name": row.name},
    ServiceRow: lambda row: gettext("Service %(name)s") % {"name": row.name},
    AliasRow: lambda row: gettext("Alias %(name)s") % {"name": row.alias},
    PriceRow: _price_name,
    SpecificationRow: _specification_name,
    PackageRow: lambda row: f"{row.product}: {gettext(row.method.label)}",
}
_FACTS: dict[type[Row], Callable[[Any], str]] = {
    GroupRow: _group_facts,
    ServiceRow: lambda row: (
        gettext("in %(group)s, place %(place)s") % {"group": row.group, "place": row.position}
    ),
    AliasRow: lambda row: gettext("names %(service)s") % {"service": row.service},
    PriceRow: lambda row: list_text([row_price_text(row), period_text(row.begins_at, row.ends_at)]),
    SpecificationRow: _specification_facts,
    PackageRow: _package_facts,
}
