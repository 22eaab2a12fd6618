"""An invitation works once, for a week, for the invited person, and its secret is stored nowhere."""

import datetime as dt

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Invitation, Member, User
from accounts.people import invitations
from accounts.people.invitations import (
    LASTS,
    InvitationRefused,
    accept,
    accept_as_new,
    find_invitation,
    invite,
    withdraw,
)
from accounts.people.mail import mail_invitations
from sensenova_billing.lib.mail import PAUSE
from tests.accounts.api_keys.test_key_rights import everything_stored
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

CAROL = "carol@acme.example"
ALICE = "alice@acme.example"


def invite_carol(customer, now, **fields):
    """Invite Carol, by default as a viewer."""
    chosen = {"email": CAROL, "role": "viewer", "by": ALICE} | fields
    return invite(customer=customer, now=now, **chosen)


@pytest.fixture
def mailing(settings):
    """Mail can be sent, and its links lead to the site."""
    settings.PUBLIC_URL = "https://billing.example.com/"


def test_the_invited_person_chooses_a_password_and_is_a_member(acme, now):
    _, token = invite_carol(acme, now, role="finance")

    person = accept_as_new(token=token, name="Carol", password=PASSWORD, now=now)

    assert (person.email, person.name, person.check_password(PASSWORD)) == (CAROL, "Carol", True)
    assert Member.objects.get(user=person).role == "finance"


@pytest.mark.parametrize("later", [dt.timedelta(0), LASTS])
def test_a_link_works_once_and_for_a_week(acme, now, later):
    _, token = invite_carol(acme, now)
    if not later:
        accept_as_new(token=token, name="", password=PASSWORD, now=now)

    assert find_invitation(token=token, now=now + later) is None
    with pytest.raises(InvitationRefused, match="not valid any more"):
        accept_as_new(token=token, name="", password=PASSWORD, now=now + later)
    assert User.objects.count() == (0 if later else 1)


def test_a_withdrawn_invitation_is_not_accepted(acme, now):
    invitation, token = invite_carol(acme, now)

    withdraw(invitation=invitation, by=ALICE, now=now)

    assert find_invitation(token=token, now=now) is None


def test_to_invite_again_makes_the_earlier_link_void(acme, now):
    first, old = invite_carol(acme, now)

    again, new = invite_carol(acme, now, email=CAROL.upper(), role="owner")

    assert (again.pk, again.role) == (first.pk, "owner")
    assert find_invitation(token=old, now=now) is None
    assert find_invitation(token=new, now=now) == again


def test_a_person_with_an_account_accepts_with_it(acme, bob, now):
    _, token = invite_carol(acme, now, email="BOB@globex.example")

    accept(token=token, person=bob, now=now)

    assert {member.customer.code for member in bob.memberships.all()} == {"acme", "globex"}
    with pytest.raises(InvitationRefused):
        accept(token=token, person=bob, now=now)


def test_nobody_accepts_an_invitation_of_another(acme, bob, now):
    _, token = invite_carol(acme, now)

    with pytest.raises(InvitationRefused, match="for another person"):
        accept(token=token, person=bob, now=now)

    assert not Member.objects.filter(customer=acme).exists()


def test_an_account_is_not_taken_over_by_an_invitation(acme, bob, now):
    _, token = invite_carol(acme, now, email=bob.email)

    with pytest.raises(InvitationRefused, match="an account with this e-mail already"):
        accept_as_new(token=token, name="", password="another " + PASSWORD, now=now)

    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_a_member_is_not_invited_again(acme, alice, now):
    with pytest.raises(InvitationRefused, match="is a member already"):
        invite_carol(acme, now, email="Alice@ACME.example")


def test_an_account_has_so_many_people_and_no_more(acme, alice, now, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_PEOPLE", 2)
    invite_carol(acme, now)

    with pytest.raises(InvitationRefused, match="2 people already"):
        invite_carol(acme, now, email="dave@acme.example")
    invite_carol(acme, now)  # Carol is counted already


@pytest.mark.parametrize("token", ["", "x", "a:b", "a:" + "x" * 43, "\0", "é" * 50])
def test_a_link_that_was_not_made_here_finds_nothing(acme, now, token):
    invite_carol(acme, now)

    assert find_invitation(token=token, now=now) is None


def test_the_secret_of_a_link_is_stored_nowhere(acme, now):
    _, token = invite_carol(acme, now)

    secret = token.split(":")[0]
    assert not [one for one in everything_stored() if secret in one]


def test_the_database_keeps_one_open_invitation_of_an_address(acme, now):
    invitation, _ = invite_carol(acme, now)
    copy = {"customer": acme, "email": CAROL.title(), "role": "viewer", "invited_by": ALICE}

    with pytest.raises(IntegrityError, match="one_open_invitation"), transaction.atomic():
        Invitation.objects.create(invited_at=now, expires_at=now + LASTS, **copy)
    withdraw(invitation=invitation, by=ALICE, now=now)
    Invitation.objects.create(invited_at=now, expires_at=now + LASTS, **copy)


# --- Mail ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_mailed_link_leads_to_the_site_and_works(acme, now, mailing):
    _, token = invite_carol(acme, now)
    assert (token, mail_invitations(now=now), mail_invitations(now=now)) == ("", 1, 0)

    (message,) = mail.outbox
    (link,) = [line for line in message.body.splitlines() if line.startswith("https://")]
    assert (message.to, link.startswith("https://billing.example.com/invitations/")) == ([CAROL], True)
    assert "Acme Ltd" in message.body
    assert find_invitation(token=link.rpartition("/")[2], now=now) is not None


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_was_not_taken_is_sent_again_later(acme, now, mailing, monkeypatch):
    invite_carol(acme, now)

    def break_off(message):
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", break_off)
        assert mail_invitations(now=now) == 0
    assert [mail_invitations(now=now), mail_invitations(now=now + PAUSE)] == [0, 1]


@pytest.mark.django_db(transaction=True)
def test_an_invitation_is_not_mailed_twice_within_minutes(acme, now, mailing):
    invite_carol(acme, now)
    mail_invitations(now=now)

    with pytest.raises(InvitationRefused, match="a moment ago"):
        invite_carol(acme, now)
    invite_carol(acme, now + invitations.PAUSE)


# --- Pages -----------------------------------------------------------------------------------------


def test_a_new_person_signs_up_by_the_link_and_is_signed_in(acme, now):
    _, token = invite_carol(acme, now)
    client = Client()
    path = reverse("accept_invitation", args=[token])

    weak = client.post(path, {"name": "Carol", "password1": "carol", "password2": "carol"})
    answer = client.post(path, {"name": "Carol", "password1": PASSWORD, "password2": PASSWORD}, follow=True)

    assert weak.status_code == 200
    assert "too short" in weak.content.decode()
    assert "Acme Ltd" in answer.content.decode()
    assert client.get(path).status_code == 404


def test_a_person_with_an_account_signs_in_first_and_comes_back(acme, bob, bob_client, alice_client, now):
    _, token = invite_carol(acme, now, email=bob.email)
    path = reverse("accept_invitation", args=[token])

    stranger, other = Client().get(path).content.decode(), alice_client.post(path).content.decode()
    assert f"{reverse('sign_in')}?next={path}".replace(":", "%3A") in stranger.replace(":", "%3A")
    assert "Sign out, open this link again" in other
    assert bob_client.post(path).status_code == 302

    assert acme.members.filter(user=bob).exists()


def test_an_admin_invites_instead_of_inventing_a_password(operator_client, acme):
    page = reverse("admin:accounts_user_add")
    answer = operator_client.post(page, {"email": CAROL, "customer": acme.pk, "role": "owner"})

    assert "/invitations/" in answer.content.decode()
    assert Invitation.objects.get().invited_by == "operator@sensenova.example"
    assert not User.objects.filter(email=CAROL).exists()


@pytest.mark.parametrize("fields", [{"customer": ""}, {"role": ""}, {"email": "no address"}], ids=str)
def test_an_admin_who_says_half_of_it_invites_nobody(operator_client, acme, fields):
    sent = {"email": CAROL, "customer": acme.pk, "role": "owner"} | fields

    operator_client.post(reverse("admin:accounts_user_add"), sent)

    assert not Invitation.objects.exists()


def test_an_admin_invites_a_colleague_without_a_customer(operator_client, now):
    answer = operator_client.post(reverse("admin:accounts_user_add"), {"email": CAROL, "reason": "Joins us"})

    assert "/invitations/" in answer.content.decode()
    assert AuditEntry.objects.filter(table="accounts_invitation", reason="Joins us").count() == 1


def test_the_log_of_a_dead_link_holds_no_secret(acme, now, caplog):
    invitation, token = invite_carol(acme, now)
    withdraw(invitation=invitation, by=ALICE, now=now)

    Client().get(reverse("accept_invitation", args=[token]))

    assert "/invitations/" in caplog.text
    assert token.split(":")[0] not in caplog.text
