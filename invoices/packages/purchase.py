"""Buying a quota package: what it would cost and change, and the purchase itself.

A Tokens package counts from the hour in which it is bought, a TPM package from the next full hour; while the
other prepaid method is in force, or is to be, from the hour in which that has ended. A purchase holds its
first hour open as a report of usage does, so the hour is closed with the package or without it. Purchases of
one customer happen one after the other.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext, gettext_noop

from accounts.audit.context import set_audit_context
from accounts.models import Customer
from invoices.models import PackagePurchase
from pricing.models import MethodPeriod, PackageTerms, PackageWeight, QuotaPackage, Service
from pricing.rules.methods import MOST_UNITS, RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.validity import MOST_DAYS, MOST_MONTHS, ValidityUnit, expiry_of
from usage.billing_hours import hour_of, lock_hours_for_ingest
from usage.models import HOUR

# Why a renewal may be refused too, which is stored in English.
SUSPENDED = gettext_noop("%(customer)s is suspended and cannot buy packages.")
NOT_ON_THESE_TERMS = gettext_noop("%(product)s is not on sale on these terms now.")
COVERS_NOTHING = gettext_noop("This product covers no service.")
OTHER_METHOD = gettext_noop("Another billing method is in force or scheduled for what it covers.")


class PurchaseRefused(Exception):
    """Nothing was bought; `field` is what is wrong, if it is one."""

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class PlanChanged(PurchaseRefused):
    """The purchase would not be what was shown: look at it again."""


@dataclass(frozen=True)
class PurchasePlan:
    """What a purchase would be: its terms, price and period, and the services it covers.

    `quantity` is the number of units times that of days or months, 1 of a Tokens package. `waits_for` is the
    method whose end the package has to wait for.
    """

    customer: Customer
    terms: PackageTerms
    units: int | None
    periods: int
    quantity: int
    amount: Decimal
    begins_at: dt.datetime
    expires_at: dt.datetime
    services: Sequence[Service]
    waits_for: BillingMethod | None

    @property
    def method(self) -> BillingMethod:
        """The method that it brings about."""
        return BillingMethod(self.terms.product.method)

    @property
    def rpm(self) -> int | None:
        """The calls per minute that are bought; of a Tokens package the limit while it lasts, if any."""
        return self.terms.rpm if self.units is None else self.units * RPM_OF_UNIT

    @property
    def tpm(self) -> int | None:
        """The tokens per minute, likewise."""
        return self.terms.tpm if self.units is None else self.units * TPM_OF_UNIT


def plan_purchase(
    *,
    customer: Customer,
    terms: PackageTerms,
    units: int | None = None,
    periods: int = 1,
    first_hour: dt.datetime | None = None,
    now: dt.datetime,
) -> PurchasePlan:
    """Return what this purchase would be; raise PurchaseRefused.

    `units` and `periods`, the number of days or months, are of a TPM package only; `first_hour`, at which it
    begins or not at all, of a renewal.
    """
    _require_on_sale(customer=customer, terms=terms, now=now)
    method, unit = BillingMethod(terms.product.method), ValidityUnit(terms.validity_unit)
    if method == BillingMethod.TPM_PACKAGE:
        _require_units(units=units, periods=periods, unit=unit)
        begins_at, quantity = hour_of(now) + HOUR, (units or 0) * periods
    elif units is not None or periods != 1:
        raise PurchaseRefused(gettext("A Tokens package is bought as it is, one at a time."), field="units")
    else:
        begins_at, quantity = hour_of(now), 1
        periods = terms.validity
    services = terms.covered_services
    if not services:
        raise PurchaseRefused(gettext(COVERS_NOTHING))
    begins_at = first_hour or begins_at
    other_ends_at = _end_of_other_method(customer=customer, services=services, method=method, after=begins_at)
    waits_for = None
    if other_ends_at is not None and first_hour is not None:
        raise PurchaseRefused(gettext(OTHER_METHOD))
    if other_ends_at is not None:
        begins_at = other_ends_at
        waits_for = next(one for one in BillingMethod if one not in (method, BillingMethod.TOKENS_POSTPAID))
    return PurchasePlan(
        customer=customer,
        terms=terms,
        units=units,
        periods=periods,
        quantity=quantity,
        amount=terms.price * quantity,
        begins_at=begins_at,
        expires_at=expiry_of(begins_at, number=periods, unit=unit),
        services=services,
        waits_for=waits_for,
    )


@transaction.atomic
def buy_package(
    *,
    customer: Customer,
    terms: PackageTerms,
    units: int | None = None,
    periods: int = 1,
    order_id: UUID,
    begins_at: dt.datetime | None = None,
    first_hour: dt.datetime | None = None,
    by: str,
    now: dt.datetime,
) -> PackagePurchase:
    """Buy a package and return its document; the same order again returns the same document.

    Raises PurchaseRefused, and PlanChanged if the package would not begin at `begins_at`, which was shown.
    A renewal begins at `first_hour`, or at the earliest open hour where that is closed.
    """
    # Not its key: a closing that has the hour, for which this may wait, needs the key for its bills.
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    # Not to be ended meanwhile.
    locked = PackageTerms.objects.select_for_update(of=("self",), no_key=True)
    terms = locked.select_related("product").get(pk=terms.pk)
    if before := PackagePurchase.objects.filter(order_id=order_id).select_related("package").first():
        same = before.package.customer_id, before.package.terms_id, before.package.units
        if same != (customer.pk, terms.pk, units):
            raise PurchaseRefused(gettext("This order id is that of another purchase."), field="order_id")
        return before
    hour = first_hour or hour_of(now)
    open_hour = lock_hours_for_ingest([hour])[hour]
    when = {"now": max(now, open_hour)} if first_hour is None else {"now": now, "first_hour": open_hour}
    plan = plan_purchase(customer=customer, terms=terms, units=units, periods=periods, **when)
    if begins_at is not None and begins_at != plan.begins_at:
        raise PlanChanged(
            gettext("It would begin at %(begin)s UTC, not at %(shown)s UTC.")
            % {"begin": f"{plan.begins_at:%Y-%m-%d %H:%M}", "shown": f"{begins_at:%Y-%m-%d %H:%M}"}
        )
    set_audit_context(by=by, reason=f"Bought {terms.product.name}.")
    package = _new_package(plan, now=now)
    return PackagePurchase.objects.create(
        package=package,
        order_id=order_id,
        customer_code=customer.code,
        customer_name=customer.name,
        services=", ".join(service.name for service in plan.services),
        list_price=terms.list_price,
        price=terms.price,
        quantity=plan.quantity,
        amount=plan.amount,
        bought_at=now,
        bought_by=by,
    )


def _require_on_sale(*, customer: Customer, terms: PackageTerms, now: dt.datetime) -> None:
    if customer.is_stopped:
        raise PurchaseRefused(gettext(SUSPENDED) % {"customer": customer.name})
    if not terms.begins_at <= now or (terms.ends_at is not None and terms.ends_at <= now):
        raise PurchaseRefused(gettext(NOT_ON_THESE_TERMS) % {"product": terms.product.name}, field="product")


def _require_units(*, units: int | None, periods: int, unit: ValidityUnit) -> None:
    if units is None or not 1 <= units <= MOST_UNITS:
        raise PurchaseRefused(
            gettext("Choose from 1 to %(most)s units.") % {"most": f"{MOST_UNITS:,}"}, field="units"
        )
    most, choose = (
        (MOST_DAYS, gettext("Choose from 1 to %(most)s days."))
        if unit == ValidityUnit.DAY
        else (MOST_MONTHS, gettext("Choose from 1 to %(most)s months."))
    )
    if not 1 <= periods <= most:
        raise PurchaseRefused(choose % {"most": f"{most:,}"}, field="periods")


def _end_of_other_method(
    *, customer: Customer, services: Sequence[Service], method: BillingMethod, after: dt.datetime
) -> dt.datetime | None:
    others = MethodPeriod.objects.after(after).filter(customer=customer, service__in=services)
    found: dt.datetime | None = others.exclude(method=method).aggregate(last=Max("ends_at"))["last"]
    return found


def _new_package(plan: PurchasePlan, *, now: dt.datetime) -> QuotaPackage:
    customer, terms = plan.customer, plan.terms
    number = QuotaPackage.objects.filter(customer=customer).count() + 1
    package = QuotaPackage.objects.create(
        number=f"P{now.astimezone(dt.UTC):%Y%m%d}-{customer.code}-{number}",
        customer=customer,
        terms=terms,
        product_name=terms.product.name,
        method=plan.method,
        tokens=terms.tokens,
        units=plan.units,
        rpm=plan.rpm,
        tpm=plan.tpm,
        bought_at=now,
        begins_at=plan.begins_at,
        expires_at=plan.expires_at,
    )
    PackageWeight.objects.bulk_create(
        PackageWeight(package=package, billing_item=one.billing_item, weight=one.weight)
        for one in terms.weights.select_related("billing_item")
    )
    MethodPeriod.objects.bulk_create(
        MethodPeriod(
            package=package,
            customer=customer,
            service=service,
            method=plan.method,
            begins_at=plan.begins_at,
            ends_at=plan.expires_at,
        )
        for service in plan.services
    )
    return package
