"""Renewal: the same product is bought again when a package ends, on the order of an owner or an admin.

It is bought in the last hour before the expiry and begins with the expiry, so that no hour is left without
the billing method. A Tokens package that is used up is renewed by the next sweep, from the hour in which its
method ends; one that expires is renewed once its last hour is the earliest open one, as an hour before could
still use it up. The price is that of the terms in force at the purchase. The order goes over to the next
package. It is carried out once: the purchase has an order id that is made from the package.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.utils.translation import gettext, gettext_noop

from accounts.audit.context import set_audit_context
from accounts.models import Customer
from invoices.models import (
    USED_UP,
    NoticeKind,
    PackageDraw,
    PackageNotice,
    PackagePurchase,
    PackageRefund,
    PackageRenewal,
)
from invoices.packages.purchase import (
    COVERS_NOTHING,
    NOT_ON_THESE_TERMS,
    OTHER_METHOD,
    SUSPENDED,
    PurchaseRefused,
    buy_package,
)
from invoices.packages.status import CURRENT, PackageStatus, packages_at
from pricing.models import PackageTerms, QuotaPackage
from pricing.rules.validity import ValidityUnit
from usage.billing_hours import next_hour_to_close
from usage.models import HOUR

# So long its outcome is on the pages.
TOLD_FOR = dt.timedelta(days=7)
_ORDERS = UUID("5f0c1c7e-52a2-4a34-8f7e-0d3c8c9f2b61")


class RenewalRefused(Exception):
    """The renewal was not switched; the text says why."""


@dataclass(frozen=True)
class RenewalOffer:
    """What a package would be renewed for on the terms that are in force."""

    terms: PackageTerms
    units: int | None
    periods: int
    amount: Decimal


def renewal_offer(*, package: QuotaPackage, now: dt.datetime) -> RenewalOffer:
    """Return what a renewal would buy now; raise PurchaseRefused where the product is not on sale."""
    terms = PackageTerms.objects.in_force(at=now).filter(product__terms=package.terms_id)
    offered = terms.select_related("product").first()
    if offered is None:
        raise PurchaseRefused(gettext(_NOT_ON_SALE) % {"product": package.product_name})
    quantity = package.purchase.quantity
    if package.units is None:
        return RenewalOffer(offered, None, 1, offered.price)
    if offered.validity_unit != package.terms.validity_unit:
        sold_by = gettext(_SOLD_BY[ValidityUnit(offered.validity_unit)])
        raise PurchaseRefused(sold_by % {"product": package.product_name})
    return RenewalOffer(offered, package.units, quantity // package.units, offered.price * quantity)


_NOT_ON_SALE = gettext_noop("%(product)s is not on sale any more.")
_SOLD_BY = {
    ValidityUnit.DAY: gettext_noop("%(product)s is sold by the day now."),
    ValidityUnit.MONTH: gettext_noop("%(product)s is sold by the month now."),
}


_REFUSALS = (
    _NOT_ON_SALE,
    *_SOLD_BY.values(),
    SUSPENDED,
    NOT_ON_THESE_TERMS,
    COVERS_NOTHING,
    OTHER_METHOD,
)


def refusal_in_words(renewal: PackageRenewal) -> str:
    """Return why a renewal was refused, in the language of the page; it is stored in English."""
    names = {"product": renewal.package.product_name, "customer": renewal.package.customer.name}
    for refusal in _REFUSALS:
        if refusal % names == renewal.refused_because:
            return gettext(refusal) % names
    return renewal.refused_because


def renewal_shown(status: PackageStatus, *, now: dt.datetime) -> dict[str, Any] | None:
    """Return what pages show of the renewal: the offer, or why there is none; None where that is past."""
    if status.renewal is None and not status.is_current:
        return None
    is_open = (
        status.is_current and status.refund is None and (status.renewal is None or not status.renewal.is_past)
    )
    shown: dict[str, Any] = {"order": status.renewal, "is_on": status.renews, "is_open": is_open}
    if status.renewal is not None:
        shown["reason"] = refusal_in_words(status.renewal)
    if is_open:
        try:
            shown["offer"] = renewal_offer(package=status.package, now=now)
        except PurchaseRefused as refusal:
            shown["refusal"] = str(refusal)
    return shown


@transaction.atomic
def switch_renewal(*, package: QuotaPackage, is_on: bool, by: str, now: dt.datetime) -> PackageRenewal:
    """Have the package renewed when it ends, or not; raise RenewalRefused where that is past."""
    Customer.objects.select_for_update(no_key=True).get(pk=package.customer_id)
    renewal = PackageRenewal.objects.filter(package=package).first()
    if renewal is not None and renewal.is_on == is_on:
        return renewal
    if renewal is not None and renewal.is_past:
        raise RenewalRefused(gettext("The renewal of this package was carried out already."))
    if not packages_at(now).filter(pk=package.pk, ended_at=None, state__in=CURRENT).exists():
        raise RenewalRefused(gettext("This package has ended: buy another one."))
    if is_on and PackageRefund.objects.filter(package=package).exists():
        raise RenewalRefused(gettext("This package is refunded."))
    set_audit_context(by=by, reason=f"Switched the renewal {'on' if is_on else 'off'}.")
    renewal, _ = PackageRenewal.objects.update_or_create(
        package=package, defaults={"is_on": is_on, "ordered_by": by, "ordered_at": now}
    )
    return renewal


def renew_packages(*, now: dt.datetime) -> int:
    """Renew the packages that are due, each once, and return how many were bought."""
    return sum(_renew(pk, now=now) for pk in list(_due(now).values_list("pk", flat=True)))


@transaction.atomic(durable=True)
def _renew(pk: int, *, now: dt.datetime) -> bool:
    # Not the joined rows too: switching a renewal locks the customer before them.
    Customer.objects.select_for_update(of=("self",), no_key=True).get(quota_packages__renewal=pk)
    # What another worker has done meanwhile is not due any more.
    renewal = _due(now).select_related("package__purchase", "package__terms").filter(pk=pk).first()
    if renewal is None:
        return False
    set_audit_context(by=renewal.ordered_by, reason="Renewed.")
    try:
        with transaction.atomic():
            bought = _buy_again(renewal, now=now)
    except PurchaseRefused as refusal:
        renewal.refused_at, renewal.refused_because = now, str(refusal)
        _tell(renewal, NoticeKind.NOT_RENEWED, now=now)
    else:
        renewal.renewed_by = bought.package
        _tell(renewal, NoticeKind.RENEWED, now=now)
    renewal.save(update_fields=["renewed_by", "refused_at", "refused_because"])
    return renewal.renewed_by_id is not None


def _due(now: dt.datetime) -> QuerySet[PackageRenewal]:
    last = PackageDraw.objects.filter(USED_UP, package=OuterRef("package"))
    open_hour = next_hour_to_close() or now
    return PackageRenewal.objects.filter(
        Q(package__expires_at__lte=now + HOUR, package__tokens=None)
        | Q(package__expires_at__lte=min(now, open_hour) + HOUR)
        | Exists(last),
        is_on=True,
        renewed_by=None,
        refused_at=None,
        package__ended_at=None,
    )


def _buy_again(renewal: PackageRenewal, *, now: dt.datetime) -> PackagePurchase:
    package = renewal.package
    offer = renewal_offer(package=package, now=now)
    bought = buy_package(
        customer=package.customer,
        terms=offer.terms,
        units=offer.units,
        periods=offer.periods,
        order_id=uuid5(_ORDERS, str(package.pk)),
        first_hour=package.periods.aggregate(end=Max("ends_at"))["end"],
        by=renewal.ordered_by,
        now=now,
    )
    PackageRenewal.objects.create(
        package=bought.package, is_on=True, ordered_by=renewal.ordered_by, ordered_at=now
    )
    return bought


def _tell(renewal: PackageRenewal, kind: NoticeKind, *, now: dt.datetime) -> None:
    until = max(now, renewal.package.expires_at) + TOLD_FOR
    defaults: dict[str, Any] = {"created_at": now, "mail_after": now, "shown_until": until}
    PackageNotice.objects.get_or_create(package=renewal.package, kind=kind, defaults=defaults)
