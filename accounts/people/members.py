"""Roles of a customer's members, and leaving. An account that has an owner never loses its last one here."""

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.audit.context import audit_context
from accounts.models import FINANCE_ROLES, Customer, Member, MemberRole


class LastOwner(Exception):
    """Nothing was changed: no one would be left to manage the people of this customer."""

    def __str__(self) -> str:
        return gettext(
            "Nothing was changed: an account keeps at least one owner. Make another person owner first."
        )


def finance_readers() -> QuerySet[Member]:
    """Return the owners and finance people of all customers who may sign in: they read mail about money."""
    return Member.objects.filter(role__in=FINANCE_ROLES, user__is_active=True)


def change_role(*, member: Member, role: str, by: str) -> None:
    """Give a member another role; raise LastOwner rather than leave the customer without an owner."""
    with audit_context(by=by):
        present = _locked(member)
        if role != MemberRole.OWNER:
            _keep_an_owner(present)
        present.role = role
        present.save(update_fields=["role"])


def remove_member(*, member: Member, by: str) -> None:
    """Let a person act for the customer no more; raise LastOwner as above."""
    with audit_context(by=by):
        present = _locked(member)
        _keep_an_owner(present)
        present.delete()


def _locked(member: Member) -> Member:
    """Return the member as it is now; raise Member.DoesNotExist if it was removed meanwhile."""
    # The customer, not the members: two owners who leave at once are two rows, and each would see the other.
    Customer.objects.select_for_update(no_key=True).get(pk=member.customer_id)
    return Member.objects.get(pk=member.pk)


def _keep_an_owner(leaving: Member) -> None:
    if leaving.role != MemberRole.OWNER:
        return
    owners = Member.objects.filter(customer=leaving.customer_id, role=MemberRole.OWNER, user__is_active=True)
    if not owners.exclude(pk=leaving.pk).exists():
        raise LastOwner
