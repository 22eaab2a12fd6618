"""Staff who see what a customer sees: for an hour, one customer at a time, and without any action.

A view is a row, not a note in a session: `customer_access` shows the customer's pages to the person while it
lasts, and the audit trail has it. It makes the person neither a member nor an owner.
"""

import datetime as dt

from django.db import transaction

from accounts.audit.context import set_audit_context
from accounts.models import Customer, CustomerView, Member, User

LASTS = dt.timedelta(hours=1)


class ActsForCustomer(Exception):
    """The person is a member of the customer, and sees its pages with the rights of one."""


@transaction.atomic
def start_view(*, person: User, customer: Customer, reason: str, now: dt.datetime) -> CustomerView:
    """Let the person see this customer's pages instead of any other's; or raise ActsForCustomer."""
    if Member.objects.filter(user=person, customer=customer).exists():
        raise ActsForCustomer
    # Two requests at once wait for each other here.
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    end_view(person=person, now=now)
    set_audit_context(by=person.get_username(), reason=reason)
    return CustomerView.objects.create(person=person, customer=customer, began_at=now, expires_at=now + LASTS)


@transaction.atomic
def end_view(*, person: User, now: dt.datetime) -> CustomerView | None:
    """End the person's view, if there is one that was not ended, and return it."""
    view = CustomerView.objects.select_for_update(of=("self",)).filter(person=person, ended_at=None).first()
    if view is None:
        return None
    set_audit_context(by=person.get_username())
    view.ended_at = max(view.began_at, min(now, view.expires_at))
    view.save(update_fields=["ended_at"])
    return view
