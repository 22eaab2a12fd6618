"""Template tags of the navigation and the sign-in pages."""

import datetime as dt
from typing import Any

from django import template

from accounts.models import FINANCE_ROLES, Customer, User

register = template.Library()


@register.simple_tag
def customers_of(person: Any) -> list[Customer]:
    """Return the customers for which this person acts; none without a sign-in."""
    # Another is not signed in, or the page is rendered without a request.
    return person.own_customers if isinstance(person, User) else []


@register.filter
def is_set_up_by(customer: Customer, own_customers: list[Customer]) -> bool:
    """Whether the person with these customers may change the settings of this one."""
    roles = {one.pk: vars(one)["own_role"] for one in own_customers}
    return roles.get(customer.pk) in FINANCE_ROLES


@register.filter
def in_minutes(duration: dt.timedelta) -> int:
    """Return a duration in whole minutes."""
    return duration // dt.timedelta(minutes=1)
