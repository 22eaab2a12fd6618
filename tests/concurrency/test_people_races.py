"""Two owners who leave at the same moment: one of them stays."""

from functools import partial

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Customer, Member, MemberRole, User
from accounts.people import members
from accounts.people.invitations import invite
from accounts.people.members import LastOwner, remove_member
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owners(acme, alice):
    """Alice and Carol own Acme."""
    carol = User.objects.create_user("carol@acme.example", PASSWORD)
    Member.objects.create(customer=acme, user=carol, role=MemberRole.OWNER)
    return list(Member.objects.order_by("pk"))


def left(member):
    """Whether a member could be removed."""
    try:
        remove_member(member=member, by="test")
    except LastOwner:
        return False
    return True


def both_leave(owners):
    """Both leave while their customer is held."""
    with together() as threads:
        with transaction.atomic():
            Customer.objects.select_for_update().get(code="acme")
            leaving = [threads.start(partial(left, one)) for one in owners]
            wait_until_waiting(1, locktype="transactionid")
        return [one.result(PATIENCE) for one in leaving]


def test_of_two_owners_who_leave_at_once_one_stays(owners):
    assert sorted(both_leave(owners)) == [False, True]
    assert Member.objects.count() == 1


def test_without_the_lock_both_would_leave(owners, monkeypatch):
    """The control: each sees the other, who is about to leave as well."""
    monkeypatch.setattr(members, "_locked", lambda member: member)
    with together() as threads, transaction.atomic():
        remove_member(member=owners[0], by="test")
        assert threads.start(lambda: left(owners[1])).result(PATIENCE)

    assert not Member.objects.exists()


def test_of_two_who_accept_one_invitation_at_once_one_joins(acme, now):
    _, token = invite(customer=acme, email="carol@acme.example", role="viewer", by="test", now=now)
    path = reverse("accept_invitation", args=[token])
    sent = {"name": "Carol", "password1": PASSWORD, "password2": PASSWORD}
    with together() as threads:
        with transaction.atomic():
            acme.invitations.select_for_update().get()
            posts = [threads.start(lambda: Client().post(path, sent)) for _ in range(2)]
            wait_until_waiting(1, locktype="transactionid")
            wait_until_waiting(1, locktype="tuple")
        answers = sorted(one.result(PATIENCE).status_code for one in posts)

    assert answers == [200, 302]
    assert (User.objects.count(), Member.objects.count()) == (1, 1)
