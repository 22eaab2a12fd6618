"""Package products on sale at an instant, and when that changes."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pricing.models import WEIGHTS, PackageTerms
from pricing.rules.measures import Measure
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.validity import ValidityUnit, validity_text


@dataclass(frozen=True)
class WeightedItem:
    """How many tokens of the package a token of a billing item takes, where it is not one."""

    service: str
    measure: Measure
    weight: Decimal


@dataclass(frozen=True)
class PackageOnSale:
    """A package product on the terms of the instant; `services` are all that it covers, in the page's order.

    RPM and TPM are those while a Tokens package lasts, if it has its own; of a TPM product those of a unit.
    """

    product: str
    method: BillingMethod
    services: list[str]
    groups: list[str]
    tokens: int | None
    validity: int
    validity_unit: ValidityUnit
    list_price: Decimal
    offer_price: Decimal | None
    rpm: int | None
    tpm: int | None
    weights: list[WeightedItem]
    begins_at: dt.datetime
    ends_at: dt.datetime | None

    @property
    def is_of_units(self) -> bool:
        """Whether it is bought in units, by the day or month."""
        return self.method == BillingMethod.TPM_PACKAGE

    @property
    def price(self) -> Decimal:
        """What it costs, or what a unit of it costs a day or month."""
        return self.list_price if self.offer_price is None else self.offer_price

    @property
    def validity_text(self) -> str:
        """E.g. `1 month`."""
        return validity_text(self.validity, self.validity_unit)


def stored_terms() -> list[PackageTerms]:
    """Return all terms, of whatever time, with what they cover; the products in their order."""
    terms = PackageTerms.objects.with_covered_services().select_related("product")
    return list(terms.prefetch_related(WEIGHTS).order_by("product__name", "begins_at"))


def packages_at(stored: Iterable[PackageTerms], *, at: dt.datetime) -> list[PackageOnSale]:
    """Return the products on sale at this instant; Tokens products first, as most are."""
    found = [
        _package(terms)
        for terms in stored
        if terms.begins_at <= at and (terms.ends_at is None or at < terms.ends_at)
    ]
    return sorted(found, key=lambda package: package.is_of_units)


def instants_of_terms(stored: Iterable[PackageTerms]) -> set[dt.datetime]:
    """Return the instants at which terms begin or end."""
    return {at for terms in stored for at in (terms.begins_at, terms.ends_at) if at}


def _package(terms: PackageTerms) -> PackageOnSale:
    method = BillingMethod(terms.product.method)
    is_tpm = method == BillingMethod.TPM_PACKAGE
    return PackageOnSale(
        product=terms.product.name,
        method=method,
        services=[service.name for service in terms.covered_services],
        groups=[group.name for group in terms.groups.all()],
        tokens=terms.tokens,
        validity=terms.validity,
        validity_unit=ValidityUnit(terms.validity_unit),
        list_price=terms.list_price,
        offer_price=terms.offer_price,
        rpm=RPM_OF_UNIT if is_tpm else terms.rpm,
        tpm=TPM_OF_UNIT if is_tpm else terms.tpm,
        weights=[
            WeightedItem(item.service.name, Measure(item.measure), one.weight)
            for one in terms.weights.all()
            for item in [one.billing_item]
        ],
        begins_at=terms.begins_at,
        ends_at=terms.ends_at,
    )
