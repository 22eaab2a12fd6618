"""The status of call limits: which apply, the usage that counts now, and refused calls."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Exists, F, OuterRef, Q

from accounts.models import Customer
from pricing.models import CallSpecification, Price, Service
from pricing.rules.methods import BillingMethod
from usage.limits.entitlements import specifications_in_force
from usage.limits.errors import REFUSAL_CODES, REFUSAL_WORDS
from usage.limits.package_limits import PackageLimits, limits_in_force, package_limits_of
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, Refusal, Use


class LimitSource(StrEnum):
    """Where the limits in force come from."""

    TPM_PACKAGE = "tpm_package"
    TOKENS_PACKAGE = "tokens_package"
    OWN = "own_call_specification"
    DEFAULT = "default_call_specification"


@dataclass(frozen=True)
class LimitsInForce:
    """The call specification in force and the limits of the packages; without either calls are refused."""

    specification: CallSpecification | None
    packages: PackageLimits | None = None

    @property
    def limits(self) -> CallLimits | None:
        """The RPM and TPM."""
        return limits_in_force(specification=self._specified, packages=self.packages)

    @property
    def source(self) -> LimitSource | None:
        """Where they come from: a Tokens package only where it raises one of them."""
        if self.packages is not None and self.packages.method == BillingMethod.TPM_PACKAGE:
            return LimitSource.TPM_PACKAGE
        if self.specification is None:
            return None
        if self.limits != self._specified:
            return LimitSource.TOKENS_PACKAGE
        return LimitSource.DEFAULT if self.specification.customer_id is None else LimitSource.OWN

    @property
    def from_packages(self) -> str:
        """E.g. `TPM package, 3 units`; empty where they are those of a call specification."""
        is_of_packages = self.source in (LimitSource.TPM_PACKAGE, LimitSource.TOKENS_PACKAGE)
        return self.packages.in_words if self.packages and is_of_packages else ""

    @property
    def units(self) -> int | None:
        """The units of the TPM packages that they come from."""
        return self.packages.units if self.packages else None

    @property
    def is_own(self) -> bool:
        """Whether they are those of the customer's own call specification."""
        return self.source is LimitSource.OWN

    @property
    def excludes_cached_input(self) -> bool:
        """Whether cached input does not count in the TPM."""
        return self.specification is not None and self.specification.excludes_cached_input

    @property
    def _specified(self) -> CallLimits | None:
        one = self.specification
        return None if one is None else CallLimits(one.rpm, one.tpm)


@dataclass(frozen=True)
class LimitedService:
    """A service on sale to a customer, and the limits in force."""

    service: Service
    in_force: LimitsInForce

    @property
    def limits(self) -> CallLimits | None:
        """The RPM and TPM."""
        return self.in_force.limits


@dataclass(frozen=True)
class ServiceLimitStatus(LimitedService):
    """A limited service with the usage of its window now, and the calls refused within the last day."""

    use: Use
    refused: Mapping[Refusal, int]

    @property
    def calls_left(self) -> int | None:
        """How many more calls would be admitted now; None: no limits are in force."""
        return None if self.limits is None else max(self.limits.rpm - self.use.calls, 0)

    @property
    def tokens_left(self) -> int | None:
        """How many more tokens would be admitted now; None: they are not limited."""
        tpm = self.limits.tpm if self.limits else None
        return None if tpm is None else max(tpm - self.use.tokens, 0)

    @property
    def refused_in_words(self) -> list[tuple[int, str]]:
        """The refused calls of each reason, and the reason in words."""
        return [(self.refused[why], words) for why, words in REFUSAL_WORDS.items() if why in self.refused]


@dataclass(frozen=True)
class RefusedCustomer:
    """How many calls of a customer to a service were refused for one reason, and its limits now."""

    customer: Customer
    service: Service
    refusal: Refusal
    calls: int
    in_force: LimitsInForce

    @property
    def in_words(self) -> str:
        """The reason."""
        return REFUSAL_WORDS[self.refusal]


@dataclass(frozen=True)
class RefusedMost:
    """The customers with most refused calls within the last day, in that order, and the totals."""

    rows: list[RefusedCustomer]
    calls: int
    rows_in_all: int


def limits_of(*, customer: Customer, now: dt.datetime) -> list[LimitedService]:
    """Return each service on sale with its limits, in the catalogue's order."""
    prices = Price.objects.for_everybody().in_force(at=now).filter(billing_item__service=OuterRef("pk"))
    services = Service.objects.filter(Exists(prices)).select_related("group")
    specifications = CallSpecification.objects.in_force(at=now).filter(_for(customer))
    # A customer's own specification comes last, and replaces the default.
    by_service = {one.service_id: one for one in specifications.order_by(F("customer").asc(nulls_first=True))}
    packages = package_limits_of([(customer.pk, service.pk) for service in services], now=now)
    return [
        LimitedService(
            service, LimitsInForce(by_service.get(service.pk), packages.get((customer.pk, service.pk)))
        )
        for service in services
    ]


def limit_statuses_of(*, customer: Customer, now: dt.datetime) -> list[ServiceLimitStatus]:
    """Return the limit status of each service on sale to the customer; raise StoreUnavailable."""
    limited = limits_of(customer=customer, now=now)
    if not limited:
        return []
    uses = call_windows().look([(customer.pk, one.service.pk) for one in limited])
    refused: defaultdict[int, dict[Refusal, int]] = defaultdict(dict)
    for one in call_windows().refusals(customer_id=customer.pk):
        refused[one.service_id][one.refusal] = one.calls
    return [
        ServiceLimitStatus(one.service, one.in_force, use, refused[one.service.pk])
        for one, use in zip(limited, uses, strict=True)
    ]


def refused_most(*, now: dt.datetime, most: int) -> RefusedMost:
    """Return the customers with most refused calls within the last day; raise StoreUnavailable."""
    counted = [one for one in call_windows().refusals() if one.refusal in REFUSAL_CODES]
    counted.sort(key=lambda one: (-one.calls, one.customer_id, one.service_id, one.refusal))
    shown = counted[:most]
    customers = Customer.objects.in_bulk({one.customer_id for one in shown})
    services = Service.objects.in_bulk({one.service_id for one in shown})
    specifications = specifications_in_force(customers, services, now=now)
    packages = package_limits_of({(one.customer_id, one.service_id) for one in shown}, now=now)
    rows = [
        RefusedCustomer(
            customers[one.customer_id],
            services[one.service_id],
            one.refusal,
            one.calls,
            LimitsInForce(
                specifications.get((one.customer_id, one.service_id))
                or specifications.get((None, one.service_id)),
                packages.get((one.customer_id, one.service_id)),
            ),
        )
        for one in shown
        # The store holds only ids, of customers and services that may have been deleted.
        if one.customer_id in customers and one.service_id in services
    ]
    return RefusedMost(rows, sum(one.calls for one in counted), len(counted))


def _for(customer: Customer) -> Q:
    return Q(customer=None) | Q(customer=customer)
