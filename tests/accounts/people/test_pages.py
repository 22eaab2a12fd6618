"""The pages of people: owners invite, change and remove; members see who is there; nobody else does."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, Invitation, Member, MemberRole, User
from accounts.people.invitations import invite
from accounts.people.members import LastOwner, change_role, remove_member
from tests.accounts.people.test_invitations import ALICE, CAROL, invite_carol
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12


@pytest.fixture
def carol(acme):
    """Views for Acme."""
    return Member.objects.create(customer=acme, user=User.objects.create_user(CAROL, PASSWORD, name="Carol"))


def address(name, *more):
    return reverse(name, args=["acme", *more])


def test_an_owner_invites_and_gets_the_link_where_no_mail_can_be_sent(alice_client, acme):
    answer = alice_client.post(address("invite_person"), {"email": CAROL, "role": "finance"})

    assert "http://testserver/invitations/" in answer.content.decode()
    assert Invitation.objects.get().role == "finance"
    page = alice_client.get(address("customer_people")).content.decode()
    assert (CAROL in page, "/invitations/ey" in page) == (True, False)


def test_where_mail_can_be_sent_the_link_is_not_shown(alice_client, acme, settings):
    settings.PUBLIC_URL = "https://billing.example.com"
    answer = alice_client.post(address("invite_person"), {"email": CAROL, "role": "finance"}, follow=True)

    page = answer.content.decode()
    assert ("is mailed within a minute" in page, "being mailed" in page) == (True, True)
    assert Invitation.objects.get().secret_sha256 is None


def test_an_owner_changes_a_role_and_removes(alice_client, carol):
    alice_client.post(address("change_member", carol.pk), {"role": "owner"})
    carol.refresh_from_db()
    assert carol.role == "owner"

    page = alice_client.get(address("change_member", carol.pk)).content.decode()
    assert f"Remove {CAROL} from Acme Ltd</button>" in page
    alice_client.post(address("remove_from_customer", carol.pk))

    assert not Member.objects.filter(pk=carol.pk).exists()
    entries = AuditEntry.objects.filter(table="accounts_member", by=ALICE).order_by("pk")
    assert [entry.deed for entry in entries] == ["changed", "removed"]


def test_an_owner_withdraws_and_resends(alice_client, acme, now):
    invitation, token = invite_carol(acme, now)

    again = alice_client.post(address("resend_invitation", invitation.pk)).content.decode()
    assert ("/invitations/" in again, token in again) == (True, False)
    alice_client.post(address("withdraw_invitation", invitation.pk))

    assert Invitation.objects.get().withdrawn_at is not None


def test_the_last_owner_neither_leaves_nor_steps_down(alice_client, acme, carol):
    (alice,) = Member.objects.filter(role=MemberRole.OWNER)

    refused = alice_client.post(address("change_member", alice.pk), {"role": "viewer"})
    left = alice_client.post(address("remove_from_customer", alice.pk), follow=True)

    assert "keeps at least one owner" in refused.content.decode()
    assert "keeps at least one owner" in left.content.decode()
    assert Member.objects.get(pk=alice.pk).role == "owner"


def test_an_inactive_owner_does_not_count(alice, acme, carol):
    Member.objects.filter(pk=carol.pk).update(role="owner")
    User.objects.filter(email=CAROL).update(is_active=False)

    with pytest.raises(LastOwner):
        remove_member(member=alice.memberships.get(), by=ALICE)


def test_of_two_owners_one_may_leave(alice_client, alice, carol):
    change_role(member=carol, role="owner", by=ALICE)

    answer = alice_client.post(address("remove_from_customer", alice.memberships.get().pk))

    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("overview"))
    assert alice_client.get(address("customer_people")).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "finance"])
def test_only_owners_manage_people(alice_client, alice, acme, carol, now, role):
    invitation, _ = invite(customer=acme, email="dave@acme.example", role="viewer", by=ALICE, now=now)
    Member.objects.filter(user=alice).update(role=role)
    urls = [address("invite_person"), address("change_member", carol.pk)]
    urls += [address("remove_from_customer", carol.pk), address("resend_invitation", invitation.pk)]
    urls += [address("withdraw_invitation", invitation.pk)]

    sent = {"email": "eve@acme.example", "role": "owner"}
    assert [alice_client.post(url, sent).status_code for url in urls] == [403] * 5
    page = alice_client.get(address("customer_people")).content.decode()

    assert (CAROL in page, any(url in page for url in urls)) == (True, False)
    assert [*acme.members.values_list("role", flat=True)].count("owner") == 0


def test_another_customers_people_are_not_there_under_ones_own_address(alice_client, bob, globex, now):
    invitation, _ = invite_carol(globex, now)
    pages = [("change_member", bob.memberships.get().pk), ("remove_from_customer", bob.memberships.get().pk)]
    pages += [("resend_invitation", invitation.pk), ("withdraw_invitation", invitation.pk)]

    answers = [alice_client.post(address(name, pk), {"role": "viewer"}) for name, pk in pages]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert (bob.memberships.get().role, Invitation.objects.get().withdrawn_at) == ("owner", None)


def test_a_persons_name_is_text_and_nothing_else(alice_client, carol):
    User.objects.filter(email=CAROL).update(name="<img src=x onerror=alert(1)>")

    page = alice_client.get(address("customer_people")).content.decode()

    assert ("<img src=x" in page, "&lt;img src=x" in page) == (False, True)


def test_the_list_asks_for_all_people_at_once(alice_client, acme, now):
    for number in range(5):
        user = User.objects.create_user(f"person{number}@acme.example")
        Member.objects.create(customer=acme, user=user)
        invite_carol(acme, now, email=f"invited{number}@acme.example")

    with CaptureQueriesContext(connection) as asked:
        alice_client.get(address("customer_people"))

    assert len(asked) <= MOST_QUERIES
