"""Which customers a person or a key may access; any other looks like one that does not exist."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.api_keys.keys import customer_codes
from accounts.models import Customer, Member, MemberRole, ServiceKey


def customer_of_person(*, person: Any, code: str) -> Customer:
    """Return the customer of this code if the person acts for it; raise Http404 if not."""
    return _only(code=code, members__user=person.pk)


def is_owner(*, person: Any, customer: Customer) -> bool:
    """Whether this person may buy for the customer."""
    return Member.objects.filter(user=person.pk, customer=customer, role=MemberRole.OWNER).exists()


def customer_of_owner(*, person: Any, code: str) -> Customer:
    """Return the customer of this code; raise Http404 as above, PermissionDenied for viewers."""
    customer = customer_of_person(person=person, code=code)
    if not is_owner(person=person, customer=customer):
        raise PermissionDenied
    return customer


def customer_of_key(*, key: ServiceKey, code: str) -> Customer:
    """Return the customer of this code if the key may act for it; raise Http404 if not."""
    codes = customer_codes(key=key)
    if codes is not None and code not in codes:
        raise Http404
    return _only(code=code)


def _only(**which: Any) -> Customer:
    # No code holds a NUL, and PostgreSQL takes no parameter with one.
    found = None if "\0" in which["code"] else Customer.objects.filter(**which).first()
    if found is None:
        raise Http404
    return found
