"""Template tags of the navigation and the sign-in pages."""

import datetime as dt
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from accounts.models import FINANCE_ROLES, Customer, User

register = template.Library()


@register.simple_tag
def customers_of(person: Any) -> list[Customer]:
    """Return the customers for which this person acts; none without a sign-in."""
    # Another is not signed in, or the page is rendered without a request.
    return person.own_customers if isinstance(person, User) else []


@register.simple_tag(takes_context=True)
def current(context: template.Context, url: str, *sections: str, below: bool = True) -> SafeString:
    """Mark an entry on its own page, and on the pages below it and in `sections`, which begin so."""
    path = context["request"].path if "request" in context else ""
    if path == url:
        return mark_safe(' aria-current="page"')  # no text from outside
    if path.startswith((*sections, f"{url}/") if below else sections):
        return mark_safe(' aria-current="true"')
    return mark_safe("")


@register.filter
def is_set_up_by(customer: Customer, own_customers: list[Customer]) -> bool:
    """Whether the person with these customers may change the settings of this one."""
    roles = {one.pk: vars(one)["own_role"] for one in own_customers}
    return roles.get(customer.pk) in FINANCE_ROLES


@register.filter
def in_minutes(duration: dt.timedelta) -> int:
    """Return a duration in whole minutes."""
    return duration // dt.timedelta(minutes=1)
