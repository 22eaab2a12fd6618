"""Products, packages and what hours drew from them, made with fixed values."""

from decimal import Decimal
from uuid import uuid4

from invoices.models import ChargeLine, PackageDraw
from invoices.packages.purchase import buy_package
from pricing.models import BillingItem, PackageProduct, PackageTerms, Service, ServiceGroup, TermsWeight
from pricing.rules.methods import BillingMethod
from tests.builders import at


def tokens_product(
    name="10M", tokens=1_000_000, *, services=("SenseChat-5",), groups=(), weights=(), **fields
):
    """Put a Tokens package on sale; `weights` are (service, measure, weight)."""
    product, _ = PackageProduct.objects.get_or_create(name=name, method=BillingMethod.TOKENS_PACKAGE)
    given = {"list_price": 100, "validity": 30, "validity_unit": "day", "begins_at": at(0)} | fields
    return _terms(product, services, groups, weights, tokens=tokens, **given)


def tpm_product(name="TPM by day", *, service="SenseChat-5", **fields):
    """Put units of TPM on sale, by the day."""
    product, _ = PackageProduct.objects.get_or_create(name=name, method=BillingMethod.TPM_PACKAGE)
    given = {"list_price": 50, "validity_unit": "day", "begins_at": at(0)} | fields
    return _terms(product, [service], [], [], **given)


def _terms(product, services, groups, weights, **fields):
    begins_at, ends_at = fields.pop("begins_at"), fields.pop("ends_at", None)
    # Parts of terms that have begun are fixed: they are added before.
    terms = PackageTerms.objects.create(product=product, begins_at=at(0, hour=24 * 365), **fields)
    terms.services.set(Service.objects.filter(name__in=services))
    terms.groups.set(ServiceGroup.objects.filter(name__in=groups))
    for service, measure, weight in weights:
        item = BillingItem.objects.get(service__name=service, measure=measure)
        TermsWeight.objects.create(terms=terms, billing_item=item, weight=Decimal(weight))
    PackageTerms.objects.filter(pk=terms.pk).update(begins_at=begins_at, ends_at=ends_at)
    terms.refresh_from_db()
    return terms


def buy(customer, terms, *, now, **choice):
    """Buy a package at this instant; return the package."""
    return buy_package(
        customer=customer, terms=terms, order_id=uuid4(), by="alice@acme.example", now=now, **choice
    ).package


def lines(customer=None):
    """The quantities and amounts of all lines, by measure, service and the product that covers them."""
    found = ChargeLine.objects.select_related("package").order_by("id")
    if customer:
        found = found.filter(bill__customer=customer)
    return {
        (line.service_name, line.measure, line.package and line.package.product_name): (
            int(line.quantity),
            line.amount.normalize(),
        )
        for line in found
        if line.quantity
    }


def draws(package):
    """What was drawn from a package, or given back (negative), and what was left."""
    return [
        (-draw.tokens if draw.is_return else draw.tokens, draw.left)
        for draw in PackageDraw.objects.filter(package=package).order_by("id")
    ]
