"""Which customers a person or a key may access; any other looks like one that does not exist.

A person accesses the customers of which it is a member, and, as staff, the one that it views at the time
(accounts/customer_views.py): that one to read only.
"""

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.api_keys.keys import customer_codes
from accounts.models import FINANCE_ROLES, Customer, CustomerView, Member, MemberRole, ServiceKey
from sensenova_billing.lib import clock

VIEW_AS_CUSTOMER = "accounts.view_as_customer"


def customers_of_person(*, person: Any) -> QuerySet[Customer]:
    """Return the customers whose pages the person may read."""
    own = Customer.objects.filter(members__user=person.pk)
    view = current_view(person=person, now=clock.now())
    # A subquery, because a join with two reasons would give a customer twice.
    return Customer.objects.filter(Q(pk__in=own.values("pk")) | Q(pk=view.customer_id)) if view else own


def customer_of_person(*, person: Any, code: str) -> Customer:
    """Return the customer of this code if the person may read its pages; raise Http404 if not."""
    found: Customer | None = next((one for one in person.own_customers if one.code == code), None)
    if found is not None:
        return found
    view = current_view(person=person, now=clock.now())
    if view is None or view.customer.code != code:
        raise Http404
    return view.customer


def is_owner(*, person: Any, customer: Customer) -> bool:
    """Whether this person may buy for the customer."""
    return Member.objects.filter(user=person.pk, customer=customer, role=MemberRole.OWNER).exists()


def is_finance(*, person: Any, customer: Customer) -> bool:
    """Whether this person may pay for the customer: owners and finance."""
    return Member.objects.filter(user=person.pk, customer=customer, role__in=FINANCE_ROLES).exists()


def customer_of_finance(*, person: Any, code: str) -> Customer:
    """Return the customer of this code for owners and finance; raise Http404 or PermissionDenied as below."""
    customer = customer_of_person(person=person, code=code)
    if not is_finance(person=person, customer=customer):
        raise PermissionDenied
    return customer


def customer_of_owner(*, person: Any, code: str) -> Customer:
    """Return the customer of this code; raise Http404 as above, PermissionDenied for all but owners."""
    customer = customer_of_person(person=person, code=code)
    if not is_owner(person=person, customer=customer):
        raise PermissionDenied
    return customer


def customer_of_key(*, key: ServiceKey, code: str) -> Customer:
    """Return the customer of this code if the key may act for it; raise Http404 if not."""
    codes = customer_codes(key=key)
    if codes is not None and code not in codes:
        raise Http404
    # No code holds a NUL, and PostgreSQL takes no parameter with one.
    found = None if "\0" in code else Customer.objects.filter(code=code).first()
    if found is None:
        raise Http404
    return found


def may_view(*, person: Any) -> bool:
    """Whether this person may see what customers see."""
    return bool(person.is_active and person.is_staff and person.has_perm(VIEW_AS_CUSTOMER))


def current_view(*, person: Any, now: dt.datetime) -> CustomerView | None:
    """Return the view that lasts at this instant, if the person still may have one."""
    if not may_view(person=person):
        return None
    views = CustomerView.objects.filter(person=person.pk, ended_at=None, expires_at__gt=now)
    return views.select_related("customer").first()
