"""Quota packages on sale, bought, drawn on and covering lines, with fixed values.

A test names what matters to it.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from accounts.models import Customer
from invoices.models import ChargeLine, HourlyBill, PackageDraw
from invoices.packages.purchase import buy_package
from pricing.models import (
    MethodPeriod,
    PackageProduct,
    PackageTerms,
    QuotaPackage,
    Service,
    ServiceGroup,
    TermsWeight,
)
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from tests.builders import at, close, item, record, report

# Of which the tests' bills are: no package of the tests covers it.
UNCOVERED = "SenseChat-Turbo"
_NUMBERS = count(1)


# --- On sale ---------------------------------------------------------------------------------------


def tokens_product(
    name: str = "SenseChat-5 1M",
    tokens: int = 1_000_000,
    *,
    services: Iterable[str] = ("SenseChat-5",),
    groups: Iterable[str] = (),
    weights: Iterable[tuple[str, str, str]] = (),
    **fields: Any,
) -> PackageTerms:
    """Put 1,000,000 tokens of SenseChat-5 for 30 days on sale, for 30 RMB, since a week ago.

    `weights` are (service, measure, weight).
    """
    given = {"tokens": tokens, "validity": 30, "list_price": Decimal(30)} | fields
    terms = _terms(name, BillingMethod.TOKENS_PACKAGE, services, **given)
    terms.groups.set(ServiceGroup.objects.filter(name__in=groups))
    for service, measure, weight in weights:
        TermsWeight.objects.create(terms=terms, billing_item=item(service, measure), weight=Decimal(weight))
    return _begun(terms, **fields)


def tpm_product(
    name: str = "SenseChat-5 TPM", *, service: str = "SenseChat-5", **fields: Any
) -> PackageTerms:
    """Put units of TPM of SenseChat-5 on sale, for 100 RMB a day, since a week ago."""
    terms = _terms(name, BillingMethod.TPM_PACKAGE, [service], **({"list_price": Decimal(100)} | fields))
    return _begun(terms, **fields)


def _terms(name: str, method: BillingMethod, services: Iterable[str], **fields: Any) -> PackageTerms:
    """Write down terms that begin in a year: what those cover that have begun is fixed."""
    product, _ = PackageProduct.objects.get_or_create(name=name, method=method)
    later = {"begins_at": at(0, hour=24 * 365), "ends_at": None}
    terms = PackageTerms.objects.create(**{"product": product, "validity_unit": "day"} | fields | later)
    terms.services.set(Service.objects.filter(name__in=services))
    return terms


def _begun(
    terms: PackageTerms, *, begins_at: dt.datetime | None = None, ends_at: dt.datetime | None = None, **_: Any
) -> PackageTerms:
    terms.begins_at, terms.ends_at = begins_at or at(0) - dt.timedelta(days=7), ends_at
    terms.save()
    return terms


# --- Bought ----------------------------------------------------------------------------------------


def buy(customer: Customer, terms: PackageTerms | None = None, **order: Any) -> QuotaPackage:
    """Buy a package, of 1,000,000 tokens at half past THE_HOUR unless the test says otherwise."""
    given: dict[str, Any] = {"order_id": uuid4(), "by": f"alice@{customer.code}.example", "now": at(30)}
    return buy_package(customer=customer, terms=terms or tokens_product(), **(given | order)).package


def tpm_package(
    customer: Customer,
    units: int,
    *,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    service: str = "SenseChat-5",
) -> QuotaPackage:
    """Let a customer have so many units of TPM for a service over any whole hours."""
    bought = {"units": units, "rpm": units * RPM_OF_UNIT, "tpm": units * TPM_OF_UNIT}
    return _package(customer, tpm_product(_unique(service), service=service), begins_at, ends_at, bought)


def tokens_package(
    customer: Customer,
    rpm: int | None,
    tpm: int | None,
    *,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    service: str = "SenseChat-5",
) -> QuotaPackage:
    """Let a customer have a million tokens of a service over any whole hours, with these limits meanwhile."""
    terms = tokens_product(_unique(service), services=[service])
    return _package(customer, terms, begins_at, ends_at, {"tokens": terms.tokens, "rpm": rpm, "tpm": tpm})


def _unique(service: str) -> str:
    return f"{service} {next(_NUMBERS)}"


def _package(
    customer: Customer,
    terms: PackageTerms,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    bought: dict[str, Any],
) -> QuotaPackage:
    product = terms.product
    package = QuotaPackage.objects.create(
        number=f"{customer.code}-{product.name}",
        customer=customer,
        terms=terms,
        product_name=product.name,
        method=product.method,
        bought_at=begins_at,
        begins_at=begins_at,
        expires_at=ends_at,
        **bought,
    )
    MethodPeriod.objects.create(
        package=package,
        customer=customer,
        service=terms.services.get(),
        method=product.method,
        begins_at=begins_at,
        ends_at=ends_at,
    )
    return package


# --- Drawn on --------------------------------------------------------------------------------------


def bill(customer: Customer, *, hour: int = 0) -> HourlyBill:
    """Close THE_HOUR, or one so many hours after it, with a bill for what no package covers."""
    record(
        report(
            f"for-a-bill-{hour}", customer=customer.code, service=UNCOVERED, occurred_at=at(10, hour=hour)
        ),
        now=at(61, hour=hour),
    )
    close(hour=hour)
    return HourlyBill.objects.get(customer=customer, hour=at(0, hour=hour))


def draw(package: QuotaPackage, tokens: str | int, *, of: HourlyBill, **fields: Any) -> PackageDraw:
    """Write down what this bill drew from the package; below 0: what it gave back."""
    last = PackageDraw.objects.filter(package=package).order_by("id").last()
    before = last.left if last else Decimal(package.tokens or 0)
    number = Decimal(tokens)
    return PackageDraw.objects.create(
        package=package,
        bill=of,
        is_return=number < 0,
        tokens=abs(number),
        left_before=before,
        left=before - number,
        **fields,
    )


def cover(line: ChargeLine, package: QuotaPackage) -> ChargeLine:
    """Write down a line like this one, on the same bill, that the package covers."""
    copy = ChargeLine.objects.select_related("bill__customer").get(pk=line.pk)
    copy.pk = None
    copy.unit_price = copy.amount = Decimal(0)
    copy.package = package
    copy.save()
    return copy


def draws(package: QuotaPackage | int) -> list[tuple[Any, Any]]:
    """Return what was drawn from a package, or given back (negative), and what was left."""
    return [
        (-draw.tokens if draw.is_return else draw.tokens, draw.left)
        for draw in PackageDraw.objects.filter(package=package).order_by("id")
    ]


def lines(customer: Customer | None = None) -> dict[Any, tuple[int, Any]]:
    """Return quantity and amount of all lines, by service, measure and the product that covers them."""
    found = ChargeLine.objects.select_related("package").order_by("id")
    if customer:
        found = found.filter(bill__customer=customer)
    return {
        (line.service_name, line.measure, line.package.product_name if line.package else None): (
            int(line.quantity),
            line.amount.normalize(),
        )
        for line in found
        if line.quantity
    }
