"""A customer's page of call limits. Nobody sees another customer's: 404."""

import datetime as dt
from collections.abc import Sequence

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api_keys.customer_access import customer_of_person
from accounts.models import Customer
from sensenova_billing.lib import clock
from usage.limits.status import LimitedService, ServiceStanding, limits_of, standings_of
from usage.limits.stores.windows import StoreAway


@never_cache
@login_required
@require_safe
def customer_limits(request: HttpRequest, code: str) -> HttpResponse:
    """The limits of each service, what counts now, and what was refused within the last day."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    standings = _standings(customer, now)
    limited: Sequence[LimitedService] = standings or ()
    if standings is None:
        limited = limits_of(customer=customer, now=now)
    context = {
        "customer": customer,
        "now": now,
        "services": limited,
        "is_away": standings is None,
        "refused": sum(sum(one.refused.values()) for one in standings or ()),
    }
    with timezone.override(customer.time_zone):
        return render(request, "limits.html", context)


def _standings(customer: Customer, now: dt.datetime) -> list[ServiceStanding] | None:
    """Return how the customer stands, or None if nobody knows."""
    try:
        return standings_of(customer=customer, now=now)
    except StoreAway:
        return None
