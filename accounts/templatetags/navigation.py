"""Template tags of the navigation and the sign-in pages."""

import datetime as dt
from typing import Any

from django import template

from accounts.models import Customer, User

register = template.Library()


@register.simple_tag
def customers_of(person: Any) -> list[Customer]:
    """Return the customers for which this person acts; none without a sign-in."""
    if not isinstance(person, User):  # not signed in, or the page is rendered without a request
        return []
    return list(Customer.objects.filter(members__user=person))


@register.filter
def in_minutes(duration: dt.timedelta) -> int:
    """Return a duration in whole minutes."""
    return duration // dt.timedelta(minutes=1)
