"""Refunding what is left of a package: what would be credited, and the order.

Whether anything is refunded is a setting. An order ends the billing method of the package: with the present
hour, of a TPM package with the day or month that has begun; one that has not begun never begins. It is
carried out by the closing of the present hour (invoices/closing/refunds.py): after the hour's draws the
package ends, and a credit is issued. An order holds that hour open as a report of usage does.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.translation import gettext, gettext_lazy

from accounts.audit.context import set_audit_context
from accounts.models import Customer
from invoices.models import CREDIT_DECIMALS, PackageRefund, PackageRenewal
from invoices.packages.after_sale.refund_rule import UNUSED
from invoices.packages.status import PackageStatus, packages_at, status_of
from pricing.models import QuotaPackage
from pricing.rules.validity import ValidityUnit, expiry_of
from usage.billing_hours import hour_of, lock_hours_for_ingest
from usage.models import HOUR


class RefundRefused(Exception):
    """Nothing was refunded; the text says why."""


class RefundChanged(RefundRefused):
    """The refund would not be what was shown: look at it again."""


@dataclass(frozen=True)
class RefundPlan:
    """What a refund would be: when the package ends, and how much of what was bought is left.

    Of a Tokens package in force what the present hour uses is still drawn before.
    """

    package: QuotaPackage
    ends_at: dt.datetime
    quantity: int
    left: Decimal
    paid: Decimal
    has_begun: bool

    @property
    def amount(self) -> Decimal:
        """The share of the price that is left, cut off after the decimals of a credit."""
        return _cut_off(self.share, CREDIT_DECIMALS)

    @property
    def credited(self) -> Decimal:
        """The same to the fen."""
        return _cut_off(self.share, 2)

    @property
    def share(self) -> Fraction:
        """The share of the price that is left."""
        return Fraction(self.paid) * Fraction(self.left) / self.quantity


def plan_refund(*, package: QuotaPackage, now: dt.datetime) -> RefundPlan:
    """Return what a refund would be now; raise RefundRefused."""
    status = status_of(packages_at(now).get(pk=package.pk))
    _require_refundable(status, now=now)
    return _plan(status, hour=hour_of(now))


def refund_shown(*, package: QuotaPackage, now: dt.datetime) -> tuple[RefundPlan | None, str]:
    """Return what pages show of a refund before it is ordered: what it would be, or why it is refused."""
    try:
        return plan_refund(package=package, now=now), ""
    except RefundRefused as refusal:
        return None, str(refusal)


def may_refund(status: PackageStatus, *, now: dt.datetime) -> bool:
    """Whether a refund of this package would not be refused now."""
    try:
        _require_refundable(status, now=now)
        _plan(status, hour=hour_of(now))
    except RefundRefused:
        return False
    return True


@transaction.atomic
def order_refund(
    *, package: QuotaPackage, ends_at: dt.datetime | None = None, by: str, now: dt.datetime
) -> PackageRefund:
    """Have the package end and what is left of it credited; the same order again returns the same.

    Raises RefundRefused, and RefundChanged if the package would not end at `ends_at`, which was shown.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=package.customer_id)
    if before := PackageRefund.objects.filter(package=package).first():
        return before
    hour = lock_hours_for_ingest([hour_of(now)])[hour_of(now)]
    status = status_of(packages_at(now).get(pk=package.pk))
    _require_refundable(status, now=now)
    plan = _plan(status, hour=hour)
    if ends_at is not None and ends_at != plan.ends_at:
        raise RefundChanged(f"It would end at {plan.ends_at:%Y-%m-%d %H:%M} UTC by now.")
    set_audit_context(by=by, reason="Refunded.")
    ends = Greatest(F("begins_at"), plan.ends_at)
    package.periods.filter(ends_at__gt=plan.ends_at).update(ends_at=ends)
    PackageRenewal.objects.filter(package=package, renewed_by=None, refused_at=None).update(is_on=False)
    return PackageRefund.objects.create(
        package=package,
        ordered_by=by,
        ordered_at=now,
        billing_hour=hour,
        ends_at=plan.ends_at,
        left=None if package.tokens else int(plan.left),
    )


def _require_refundable(status: PackageStatus, *, now: dt.datetime) -> None:
    if settings.PACKAGE_REFUNDS != UNUSED:
        raise RefundRefused(gettext("Packages are not refunded."))
    if status.refund is not None:
        raise RefundRefused(gettext("This package is refunded already."))
    if not status.is_current or status.last_hour is not None:
        raise RefundRefused(gettext("This package has ended: nothing is left of it."))
    days = settings.PACKAGE_REFUND_DAYS
    if now >= status.purchase.bought_at + dt.timedelta(days=days):
        reason = gettext("A package is refunded within %(days)s days of its purchase, which are over.")
        raise RefundRefused(reason % {"days": days})


def _plan(status: PackageStatus, *, hour: dt.datetime) -> RefundPlan:
    package, purchase = status.package, status.purchase
    ends_at, has_begun = hour + HOUR, package.begins_at <= hour
    quantity, left = package.tokens or purchase.quantity, status.left
    if left is None:
        begun = 0
        if has_begun:
            begun, ends_at = _begun_periods(package, until=ends_at)
        left = Decimal(purchase.quantity - begun * (package.units or 0))
        if not left:
            raise RefundRefused(_LAST_HAS_BEGUN[ValidityUnit(package.terms.validity_unit)])
    return RefundPlan(package, ends_at, quantity, left, purchase.amount, has_begun)


_LAST_HAS_BEGUN = {
    ValidityUnit.DAY: gettext_lazy("The last day of this package has begun: nothing is left of it."),
    ValidityUnit.MONTH: gettext_lazy("The last month of this package has begun: nothing is left of it."),
}


def _begun_periods(package: QuotaPackage, *, until: dt.datetime) -> tuple[int, dt.datetime]:
    """Return how many days or months of a TPM package begin before this instant, and the last one's end."""
    unit, number = ValidityUnit(package.terms.validity_unit), 1
    while (ends_at := expiry_of(package.begins_at, number=number, unit=unit)) < until:
        number += 1
    return number, ends_at


def _cut_off(share: Fraction, decimals: int) -> Decimal:
    return Decimal(share * 10**decimals // 1).scaleb(-decimals)
