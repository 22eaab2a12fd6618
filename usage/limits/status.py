"""The status of call limits: which apply, the usage that counts now, and refused calls."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q

from accounts.models import Customer
from pricing.models import CallSpecification, Price, Service
from usage.limits.entitlements import specifications_in_force
from usage.limits.errors import REFUSAL_CODES, REFUSAL_WORDS
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, Refusal, Use


@dataclass(frozen=True)
class LimitedService:
    """A service on sale to a customer, and the call specification in force; without it calls are refused."""

    service: Service
    specification: CallSpecification | None

    @property
    def limits(self) -> CallLimits | None:
        """The RPM and TPM."""
        one = self.specification
        return None if one is None else CallLimits(one.rpm, one.tpm)

    @property
    def is_own(self) -> bool:
        """Whether the limits are the customer's own."""
        return self.specification is not None and self.specification.customer_id is not None

    @property
    def excludes_cached_input(self) -> bool:
        """Whether cached input does not count in the TPM."""
        return self.specification is not None and self.specification.excludes_cached_input


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
    specification: CallSpecification | None

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
    return [LimitedService(service, by_service.get(service.pk)) for service in services]


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
        ServiceLimitStatus(one.service, one.specification, use, refused[one.service.pk])
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
    rows = [
        RefusedCustomer(
            customers[one.customer_id],
            services[one.service_id],
            one.refusal,
            one.calls,
            specifications.get((one.customer_id, one.service_id))
            or specifications.get((None, one.service_id)),
        )
        for one in shown
        # The store holds only ids, of customers and services that may have been deleted.
        if one.customer_id in customers and one.service_id in services
    ]
    return RefusedMost(rows, sum(one.calls for one in counted), len(counted))


def _for(customer: Customer) -> Q:
    return Q(customer=None) | Q(customer=customer)
