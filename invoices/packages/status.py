"""What has become of quota packages: used, left and state at an instant; and the methods in force."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Any

from django.db.models import (
    Case,
    CharField,
    DecimalField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext_noop

from accounts.models import Customer
from invoices.models import (
    DRAW_PLACES,
    USED_UP,
    PackageCredit,
    PackageDraw,
    PackagePurchase,
    PackageRefund,
    PackageRenewal,
)
from invoices.packages.purchase import PurchasePlan
from pricing.models import MethodPeriod, QuotaPackage, Service
from pricing.rules.methods import BillingMethod
from usage.models import HOUR

_TOKENS: Any = DecimalField(max_digits=30, decimal_places=DRAW_PLACES)


class PackageState(StrEnum):
    """What a package is at an instant."""

    SCHEDULED = "scheduled"
    IN_FORCE = "in_force"
    USED_UP = "used_up"
    EXPIRED = "expired"
    REFUNDED = "refunded"

    @property
    def label(self) -> str:
        """As pages word it, who translate it."""
        return _LABELS[self]

    @property
    def badge(self) -> str:
        """The colour of its pill on pages."""
        return _BADGES.get(self, "")


_LABELS = {
    PackageState.SCHEDULED: gettext_noop("scheduled"),
    PackageState.IN_FORCE: gettext_noop("in force"),
    PackageState.USED_UP: gettext_noop("used up"),
    PackageState.EXPIRED: gettext_noop("expired"),
    PackageState.REFUNDED: gettext_noop("refunded"),
}
_BADGES = {
    PackageState.SCHEDULED: "running",
    PackageState.IN_FORCE: "success",
    PackageState.USED_UP: "warning",
}
# Those that cover calls, or are to.
CURRENT = (PackageState.SCHEDULED, PackageState.IN_FORCE)


@dataclass(frozen=True)
class PackageStatus:
    """A package with its document, its state, and what is used and left; of a TPM package those are None."""

    package: QuotaPackage
    purchase: PackagePurchase
    state: PackageState
    used: Decimal | None
    left: Decimal | None
    last_hour: dt.datetime | None  # in which it was used up

    @property
    def method(self) -> BillingMethod:
        """The method that it brings about."""
        return BillingMethod(self.package.method)

    @property
    def renewal(self) -> PackageRenewal | None:
        """The order to renew it, or not to, and what came of that; None where there never was one."""
        return getattr(self.package, "renewal", None)

    @property
    def renews(self) -> bool:
        """Whether the same product is bought again when it ends."""
        return self.renewal is not None and self.renewal.is_due_later

    @property
    def refund(self) -> PackageRefund | None:
        """The order to refund it, if there is one."""
        return getattr(self.package, "refund", None)

    @property
    def credit(self) -> PackageCredit | None:
        """The document of the refund, once its hour is closed."""
        return getattr(self.package, "credit", None)

    @property
    def is_current(self) -> bool:
        """Whether it covers calls, or is to."""
        return self.state in CURRENT

    @property
    def ends_at(self) -> dt.datetime:
        """Where it ended before it expired, else where it expires."""
        if self.last_hour is not None and self.package.ended_at is None:
            return min(self.last_hour + HOUR, self.package.expires_at)
        return self.package.ended_at or self.package.expires_at

    @property
    def percent_used(self) -> int | None:
        """Whole percents, never more than are used."""
        if self.used is None or self.package.tokens is None:
            return None
        return int(self.used * 100 // self.package.tokens)


def packages_at(at: dt.datetime) -> QuerySet[Any]:
    """Return all packages, each with `used`, `left` and `state` at this instant, in one query."""
    draws = PackageDraw.objects.filter(package=OuterRef("pk"))
    latest = draws.order_by("-id").values("left")[:1]
    # The last hour of one that is used up is that in which its bill was sealed.
    last = draws.filter(USED_UP).order_by("id").values("bill__sealed_in")[:1]
    tokens = Cast("tokens", output_field=_TOKENS)
    return (
        QuotaPackage.objects.select_related("customer", "purchase", "renewal__renewed_by", "refund", "credit")
        .annotate(left=Coalesce(Subquery(latest), tokens), last_hour=Subquery(last))
        .annotate(used=tokens - F("left"), state=_state(at))
    )


def in_state(packages: QuerySet[Any], state: PackageState, *, at: dt.datetime) -> QuerySet[Any]:
    """Return those of `packages_at` that are in a state; what follows from it is what an index finds."""
    used_up = PackageDraw.objects.filter(USED_UP, package=OuterRef("pk"))
    follows = {
        PackageState.SCHEDULED: Q(begins_at__gt=at),
        PackageState.IN_FORCE: Q(begins_at__lte=at, expires_at__gt=at),
        PackageState.USED_UP: Exists(used_up),
        PackageState.EXPIRED: Q(expires_at__lte=at),
        PackageState.REFUNDED: Q(ended_at__lte=at),
    }
    return packages.filter(follows[state], state=state)


def status_of(package: Any) -> PackageStatus:
    """Return the status of a package that `packages_at` has read."""
    return PackageStatus(
        package=package,
        purchase=package.purchase,
        state=PackageState(package.state),
        used=package.used,
        left=package.left,
        last_hour=package.last_hour,
    )


def current_packages(*, customer: Customer, at: dt.datetime) -> list[PackageStatus]:
    """Return the customer's packages that are in force or scheduled, in the order of their use."""
    found = packages_at(at).filter(customer=customer, state__in=CURRENT)
    return [status_of(one) for one in found.order_by("expires_at", "bought_at", "id")]


def ended_packages(*, customer: Customer, at: dt.datetime) -> QuerySet[Any]:
    """Return the customer's packages that cover nothing any more."""
    return packages_at(at).filter(customer=customer).exclude(state__in=CURRENT)


def _state(at: dt.datetime) -> Case:
    return Case(
        When(ended_at__lte=at, then=Value(PackageState.REFUNDED)),
        When(last_hour__lte=at - HOUR, then=Value(PackageState.USED_UP)),
        When(begins_at__gt=at, then=Value(PackageState.SCHEDULED)),
        When(expires_at__lte=at, then=Value(PackageState.EXPIRED)),
        When(last_hour__isnull=False, then=Value(PackageState.USED_UP)),
        default=Value(PackageState.IN_FORCE),
        output_field=CharField(),
    )


@dataclass(frozen=True)
class MethodSpan:
    """A billing method over a time; without an end it goes on until another begins."""

    service: Service
    method: BillingMethod
    begins_at: dt.datetime
    ends_at: dt.datetime | None


def methods_of(*, customer: Customer, at: dt.datetime) -> list[list[MethodSpan]]:
    """Return of each service with a package what its method is and will be, from this instant on.

    The method of every other service is Tokens Postpaid.
    """
    periods = (
        MethodPeriod.objects.after(at)
        .filter(customer=customer)
        .select_related("service__group")
        .order_by(
            *("service__group__position", "service__position", "service_id"),
            *("begins_at", "ends_at"),
        )
    )
    by_service = [list(of_one) for _, of_one in groupby(periods, key=lambda period: period.service_id)]
    return [[*_spans(of_one[0].service, of_one, at=at)] for of_one in by_service]


@dataclass(frozen=True)
class PlannedMethod:
    """What a purchase means for a service: which methods end until it begins, each with its end.

    `goes_on_until` is the end of the same method, where that is in force already when the package begins.
    """

    service: Service
    ending: list[MethodSpan]
    goes_on_until: dt.datetime | None


def planned_methods(plan: PurchasePlan, *, now: dt.datetime) -> list[PlannedMethod]:
    """Return what a purchase would mean for each service that it covers."""
    since = min(now, plan.begins_at)
    periods = (
        MethodPeriod.objects.after(since)
        .filter(customer=plan.customer, service__in=plan.services)
        .order_by("begins_at", "ends_at")
    )
    by_service: dict[int, list[MethodPeriod]] = {}
    for period in periods.select_related("service"):
        by_service.setdefault(period.service_id, []).append(period)
    return [
        _planned(plan, [*_spans(service, by_service.get(service.pk, []), at=since)])
        for service in plan.services
    ]


def _planned(plan: PurchasePlan, spans: list[MethodSpan]) -> PlannedMethod:
    begins_at = plan.begins_at
    at_begin = next(one for one in spans if one.ends_at is None or one.ends_at > begins_at)
    ending = [one for one in spans if one.ends_at is not None and one.ends_at <= begins_at]
    if at_begin.method == plan.method:
        return PlannedMethod(at_begin.service, ending, at_begin.ends_at)
    if at_begin.begins_at < begins_at or not ending:
        ending.append(replace(at_begin, ends_at=begins_at))
    return PlannedMethod(at_begin.service, ending, None)


def _spans(service: Service, periods: list[MethodPeriod], *, at: dt.datetime) -> Iterator[MethodSpan]:
    """Yield what the method is, one after the other, the last without an end."""
    since = at
    for span in _joined(periods):
        if span.begins_at > since:
            yield MethodSpan(service, BillingMethod.TOKENS_POSTPAID, since, span.begins_at)
        yield span
        since = span.ends_at or since
    yield MethodSpan(service, BillingMethod.TOKENS_POSTPAID, since, None)


def _joined(periods: Iterable[MethodPeriod]) -> list[MethodSpan]:
    """Join the periods of packages of one method that overlap or follow each other."""
    spans: list[MethodSpan] = []
    for period in periods:
        method, last = BillingMethod(period.method), spans[-1] if spans else None
        if last and last.ends_at and last.method == method and period.begins_at <= last.ends_at:
            spans[-1] = replace(last, ends_at=max(last.ends_at, period.ends_at))
        else:
            spans.append(MethodSpan(period.service, method, period.begins_at, period.ends_at))
    return spans
