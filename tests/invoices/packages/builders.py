"""Products, packages, draws and covered lines, made with fixed values; a test names what matters to it."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accounts.models import Customer
from invoices.models import ChargeLine, HourlyBill, PackageDraw, PackagePurchase
from invoices.packages.purchase import buy_package
from pricing.models import PackageProduct, PackageTerms, QuotaPackage, Service, TermsWeight
from pricing.rules.methods import BillingMethod
from tests.builders import at, close, item, record, report

AHEAD = dt.timedelta(days=1)
# Of which the tests' bills are: no package of the tests covers it.
UNCOVERED = "SenseChat-Turbo"


def on_sale(
    name: str = "SenseChat-5 1M",
    *,
    tokens: int | None = 1_000_000,
    services: tuple[str, ...] = ("SenseChat-5",),
    weights: dict[str, str] | None = None,
    begins_at: dt.datetime | None = None,
    ends_at: dt.datetime | None = None,
    **fields: Any,
) -> PackageTerms:
    """Put a product on sale: 1,000,000 tokens of SenseChat-5 for a month, for 30 RMB, since a week ago."""
    method = BillingMethod.TPM_PACKAGE if tokens is None else BillingMethod.TOKENS_PACKAGE
    product = PackageProduct.objects.create(name=name, method=method)
    terms = PackageTerms.objects.create(
        **{"product": product, "tokens": tokens, "list_price": Decimal(30)}
        | {"begins_at": dt.datetime.now(dt.UTC) + AHEAD}
        | fields
    )
    # What terms that have begun cover is fixed; these begin once they are complete.
    terms.services.set(Service.objects.filter(name__in=services))
    for measure, weight in (weights or {}).items():
        TermsWeight.objects.create(
            terms=terms, billing_item=item(services[0], measure), weight=Decimal(weight)
        )
    terms.begins_at = begins_at or at(0) - dt.timedelta(days=7)
    terms.ends_at = ends_at
    terms.save()
    return terms


def tpm_on_sale(name: str = "SenseChat-5 TPM", **fields: Any) -> PackageTerms:
    """Put units of TPM of SenseChat-5 on sale, for 100 RMB a day."""
    return on_sale(name, **{"tokens": None, "validity_unit": "day", "list_price": Decimal(100)} | fields)


def buy(customer: Customer, terms: PackageTerms | None = None, **order: Any) -> PackagePurchase:
    """Buy a package at half past THE_HOUR."""
    given: dict[str, Any] = {"order_id": uuid4(), "by": f"alice@{customer.code}.example", "now": at(30)}
    return buy_package(customer=customer, terms=terms or on_sale(), **(given | order))


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
    """What this bill drew from the package; below 0: what it gave back."""
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
    """A line like this one, on the same bill, that the package covers."""
    copy = ChargeLine.objects.select_related("bill__customer").get(pk=line.pk)
    copy.pk = None
    copy.unit_price = copy.amount = Decimal(0)
    copy.package = package
    copy.save()
    return copy
