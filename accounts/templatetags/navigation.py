"""What the navigation needs to know about who looks."""

import datetime as dt
from typing import Any

from django import template

from accounts.models import Customer, User

register = template.Library()


@register.simple_tag
def customers_of(person: Any) -> list[Customer]:
    """Return the customers for which this person acts; none for nobody."""
    if not isinstance(person, User):  # nobody is signed in, or the page is drawn without a request
        return []
    return list(Customer.objects.filter(members__user=person))


@register.filter
def in_minutes(duration: dt.timedelta) -> int:
    """Return a duration in whole minutes."""
    return duration // dt.timedelta(minutes=1)
