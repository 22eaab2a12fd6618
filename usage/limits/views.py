"""A customer's page of call limits. Another customer's page answers 404."""

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
from usage.limits.status import LimitedService, ServiceLimitStatus, limit_statuses_of, limits_of
from usage.limits.stores.windows import StoreUnavailable


@never_cache
@login_required
@require_safe
def customer_limits(request: HttpRequest, code: str) -> HttpResponse:
    """Show the limits of each service, the usage now, and the calls refused within the last day."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    statuses = _limit_statuses(customer, now)
    limited: Sequence[LimitedService] = statuses or ()
    if statuses is None:
        limited = limits_of(customer=customer, now=now)
    context = {
        "customer": customer,
        "now": now,
        "services": limited,
        "is_unavailable": statuses is None,
        "refused": sum(sum(one.refused.values()) for one in statuses or ()),
    }
    with timezone.override(customer.time_zone):
        return render(request, "limits.html", context)


def _limit_statuses(customer: Customer, now: dt.datetime) -> list[ServiceLimitStatus] | None:
    """Return the limit statuses, or None if the store is unavailable."""
    try:
        return limit_statuses_of(customer=customer, now=now)
    except StoreUnavailable:
        return None
