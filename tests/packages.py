"""Quota packages of the past, present and future, as purchases would have left them."""

import datetime as dt
from itertools import count
from typing import Any

from accounts.models import Customer
from pricing.models import MethodPeriod, PackageProduct, PackageTerms, QuotaPackage, Service
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod

_NUMBERS = count(1)


def tpm_package(
    customer: Customer,
    units: int,
    *,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    service: str = "SenseChat-5",
) -> QuotaPackage:
    """Let a customer have so many units of TPM for a service over whole hours."""
    bought = {"units": units, "rpm": units * RPM_OF_UNIT, "tpm": units * TPM_OF_UNIT}
    return _package(customer, service, BillingMethod.TPM_PACKAGE, begins_at, ends_at, bought)


def tokens_package(
    customer: Customer,
    rpm: int | None,
    tpm: int | None,
    *,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    service: str = "SenseChat-5",
) -> QuotaPackage:
    """Let a customer have a million tokens of a service over whole hours, with these limits meanwhile."""
    bought = {"tokens": 1_000_000, "rpm": rpm, "tpm": tpm}
    return _package(customer, service, BillingMethod.TOKENS_PACKAGE, begins_at, ends_at, bought)


def _package(
    customer: Customer,
    service: str,
    method: BillingMethod,
    begins_at: dt.datetime,
    ends_at: dt.datetime,
    bought: dict[str, Any],
) -> QuotaPackage:
    number = next(_NUMBERS)
    product = PackageProduct.objects.create(name=f"{service} {number}", method=method)
    terms = PackageTerms.objects.create(product=product, tokens=bought.get("tokens"), list_price=1)
    package = QuotaPackage.objects.create(
        number=f"{customer.code}-{number}",
        customer=customer,
        terms=terms,
        product_name=product.name,
        method=method,
        bought_at=begins_at,
        begins_at=begins_at,
        expires_at=ends_at,
        **bought,
    )
    MethodPeriod.objects.create(
        package=package,
        customer=customer,
        service=Service.objects.get(name=service),
        method=method,
        begins_at=begins_at,
        ends_at=ends_at,
    )
    return package
