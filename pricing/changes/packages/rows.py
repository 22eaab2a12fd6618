"""The terms of package products as rows: how they are read, written with their parts, and what is refused."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, models
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_noop

from pricing.changes.rows import ItemWeight, PackageRow, RefusedRow, UnknownName
from pricing.models import (
    WEIGHT_BOUND,
    WEIGHTS,
    BillingItem,
    PackageProduct,
    PackageTerms,
    Service,
    ServiceGroup,
    TermsWeight,
)
from pricing.rules.measures import Measure
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.validity import MOST_MONTHS, ValidityUnit

TOKENS = "tokens"
NO_SERVICE = gettext_noop("There is no service %(name)s.")
NO_GROUP = gettext_noop("There is no service group %(name)s.")


def with_parts(terms: "QuerySet[PackageTerms]") -> "QuerySet[PackageTerms]":
    """With what a row of the terms holds, read at once."""
    return terms.select_related("product").prefetch_related("services", "groups", WEIGHTS)


def terms_row(terms: PackageTerms) -> PackageRow:
    """Return the terms as a row."""
    return PackageRow(
        product=terms.product.name,
        method=BillingMethod(terms.product.method),
        services=tuple(sorted(one.name for one in terms.services.all())),
        groups=tuple(sorted(one.name for one in terms.groups.all())),
        tokens=terms.tokens,
        validity=terms.validity,
        validity_unit=ValidityUnit(terms.validity_unit),
        list_price=terms.list_price,
        offer_price=terms.offer_price,
        rpm=terms.rpm,
        tpm=terms.tpm,
        weights=tuple(sorted(weight_of(one) for one in terms.weights.all())),
        begins_at=terms.begins_at,
        ends_at=terms.ends_at,
    )


def weight_of(weight: TermsWeight) -> ItemWeight:
    """Return a weight as a row holds it."""
    item = weight.billing_item
    return ItemWeight(
        service=item.service.name, measure=Measure(item.measure), weight=weight.weight.normalize()
    )


def check_terms(row: PackageRow) -> None:
    """Raise RefusedRow for what is wrong with a row in itself or with what it names."""
    if problem := _problem(row):
        raise RefusedRow(problem)


def terms_of(row: PackageRow) -> PackageTerms:
    """Return the terms of a row, whose product is made if it is not there; raise RefusedRow."""
    product = PackageProduct.objects.filter(name=row.product).first()
    if product is None:
        product = PackageProduct(name=row.product, method=row.method)
        product.clean_fields()
        product.save()
    if product.method != row.method:
        label = product.get_method_display()
        text = gettext("%(product)s is a product of %(method)s: it keeps its billing method.")
        raise RefusedRow(text % {"product": product, "method": gettext(label)})
    return PackageTerms(
        product=product,
        tokens=row.tokens,
        validity=row.validity,
        validity_unit=row.validity_unit,
        list_price=row.list_price,
        offer_price=row.offer_price,
        rpm=row.rpm,
        tpm=row.tpm,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
    )


def save_terms(terms: PackageTerms, row: PackageRow) -> None:
    """Save terms with their services, groups and weights.

    The parts come first: the database takes none for terms that have begun, and a product may be imported
    with its past. Their references to the terms are checked at the commit.
    """
    is_new = terms.pk is None
    if is_new:
        terms.pk = _next_key()
    _set_links(
        PackageTerms.services.through, "service_id", terms.pk, _named(Service, NO_SERVICE, row.services)
    )
    groups = _named(ServiceGroup, NO_GROUP, row.groups)
    _set_links(PackageTerms.groups.through, "servicegroup_id", terms.pk, groups)
    _set_weights(terms.pk, row)
    terms.save(force_insert=is_new)


def remove_terms(terms: PackageTerms) -> None:
    """Remove terms that have not begun, and their product if it has no others."""
    product = terms.product
    terms.delete()
    if not product.terms.exists():
        product.delete()


def _problem(row: PackageRow) -> str:
    services = _named(Service, NO_SERVICE, row.services)
    _named(ServiceGroup, NO_GROUP, row.groups)
    if row.method == BillingMethod.TPM_PACKAGE:
        return _problem_of_units(row) or _problem_of_price(row)
    in_groups = Service.objects.filter(group__name__in=row.groups).values_list("pk", flat=True)
    items = BillingItem.objects.filter(service__in={*services, *in_groups})
    known = {(one.service.name, one.measure) for one in items.select_related("service")}
    return _problem_of_tokens(row) or _problem_of_cover(row, known) or _problem_of_price(row)


def _problem_of_units(row: PackageRow) -> str:
    if row.groups or len(row.services) != 1:
        return gettext("A TPM product covers exactly one service, and no group.")
    if row.tokens is not None or row.rpm is not None or row.tpm is not None or row.weights:
        text = gettext(
            "A TPM product has no tokens, RPM, TPM or weights: a unit is %(tpm)s TPM and %(rpm)s RPM."
        )
        return text % {"tpm": f"{TPM_OF_UNIT:,}", "rpm": RPM_OF_UNIT}
    if row.validity != 1:
        return gettext("A TPM product is sold by the day or month: its validity is 1.")
    return ""


def _problem_of_tokens(row: PackageRow) -> str:
    if not row.tokens:
        return gettext("A Tokens product holds at least 1 token.")
    if (row.rpm is None) != (row.tpm is None):
        return gettext("Give both RPM and TPM, or neither.")
    if row.validity_unit == ValidityUnit.MONTH and row.validity > MOST_MONTHS:
        return gettext("A validity is at most %(number)s months.") % {"number": MOST_MONTHS}
    return ""


def _problem_of_cover(row: PackageRow, known: set[tuple[str, str]]) -> str:
    """Return what is wrong with what a Tokens product covers; `known` are its billing items."""
    if not row.services and not row.groups:
        return gettext("A Tokens product covers at least one service or group.")
    if not any(Measure(measure).unit == TOKENS for _, measure in known):
        return gettext("Nothing that it covers is charged in tokens.")
    services = {service for service, _ in known}
    for one in row.weights:
        words = {"service": one.service, "measure": one.measure, "bound": f"{WEIGHT_BOUND:,}"}
        if one.service not in services:
            return gettext("%(service)s is not covered, so its %(measure)s have no weight.") % words
        if one.measure.unit != TOKENS:
            return gettext("%(measure)s are not tokens, so they have no weight.") % words
        if (one.service, one.measure) not in known:
            return gettext("%(service)s has no billing item %(measure)s.") % words
        if not 0 < one.weight < WEIGHT_BOUND:
            text = gettext("The weight of %(service)s/%(measure)s is more than 0 and less than %(bound)s.")
            return text % words
    return ""


def _problem_of_price(row: PackageRow) -> str:
    if row.offer_price is not None and row.offer_price > row.list_price:
        return gettext("An offer price is not above the list price.")
    return ""


def _named(model: type[Service | ServiceGroup], unknown: str, names: Iterable[str]) -> set[int]:
    """Return the keys of these names, or raise UnknownName."""
    keys: dict[str, int] = dict(model._default_manager.filter(name__in=names).values_list("name", "pk"))
    for name in names:
        if name not in keys:
            raise UnknownName(gettext(unknown) % {"name": repr(name)})
    return set(keys.values())


def _next_key() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [PackageTerms._meta.db_table])
        (key,) = cursor.fetchone()
    return key  # type: ignore[no-any-return]


def _set_links(through: type[models.Model], column: str, terms: int, wanted: set[int]) -> None:
    """Let the terms be linked with these rows and no others."""
    links: Any = through._default_manager.filter(packageterms_id=terms)
    held = set(links.values_list(column, flat=True))
    links.filter(**{f"{column}__in": held - wanted}).delete()
    through._default_manager.bulk_create(
        through(packageterms_id=terms, **{column: key}) for key in sorted(wanted - held)
    )


def _set_weights(terms: int, row: PackageRow) -> None:
    weights = TermsWeight.objects.filter(terms=terms)
    held = weights.select_related("billing_item__service")
    if tuple(sorted(weight_of(one) for one in held)) == row.weights:
        return
    weights.delete()
    made = [
        TermsWeight(
            terms_id=terms,
            billing_item=BillingItem.objects.get(service__name=one.service, measure=one.measure),
            weight=one.weight,
        )
        for one in row.weights
    ]
    for one in made:
        one.clean_fields(exclude=("terms", "billing_item"))
    TermsWeight.objects.bulk_create(made)
