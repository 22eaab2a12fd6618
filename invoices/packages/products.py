"""The package products that are on sale, as the pages of buying show them."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from pricing.models import PackageTerms, Service
from pricing.rules.methods import BillingMethod


@dataclass(frozen=True)
class Offer:
    """A product on sale, and the services that it covers."""

    terms: PackageTerms
    services: list[Service]

    @property
    def method(self) -> BillingMethod:
        """The method that it brings about."""
        return BillingMethod(self.terms.product.method)


def offers_at(at: dt.datetime) -> list[Offer]:
    """Return the products on sale at this instant, in few queries whatever their number."""
    found = (
        PackageTerms.objects.in_force(at=at)
        .select_related("product")
        .prefetch_related("services", "groups")
        .order_by("product__method", "product__name")
    )
    terms = list(found)
    groups = {group.pk for one in terms for group in one.groups.all()}
    of_group: dict[int, list[Service]] = defaultdict(list)
    for service in Service.objects.filter(group__in=groups):
        of_group[service.group_id].append(service)
    return [Offer(one, _covered(one, of_group)) for one in terms]


def _covered(terms: PackageTerms, of_group: dict[int, list[Service]]) -> list[Service]:
    grouped = [service for group in terms.groups.all() for service in of_group[group.pk]]
    return sorted({*terms.services.all(), *grouped}, key=lambda service: (service.group_id, service.position))
