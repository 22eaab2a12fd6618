"""A person changes the password, or sets a new one by a mailed link; nobody learns who has an account."""

import datetime as dt

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, PasswordReset, User
from accounts.sign_in.resets import MOST_OF_ADDRESS, MOST_OF_EMAIL, WITHIN, ask_for_reset, mail_resets
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "another horse battery staple"
CHANGE = {"password": PASSWORD, "password1": NEW, "password2": NEW}


def signed_in(email, password=PASSWORD):
    """A browser, and whether it could sign in."""
    client = Client()
    answer = client.post(reverse("sign_in"), {"username": email, "password": password})
    return client, answer.status_code == 302


def link_in(message):
    """The path of the link in a mail."""
    (link,) = [line for line in message.body.splitlines() if line.startswith("https://")]
    return link.removeprefix("https://billing.example.com")


@pytest.fixture(autouse=True)
def mailing(settings):
    """Mail can be sent, and its links lead to the site."""
    settings.PUBLIC_URL = "https://billing.example.com"


# --- Changing --------------------------------------------------------------------------------------


def test_after_a_change_the_new_password_counts_and_other_sessions_are_over(alice):
    here, _ = signed_in(alice.email)
    elsewhere, _ = signed_in(alice.email)

    assert here.post(reverse("change_password"), CHANGE).status_code == 302

    assert [one.get(reverse("account")).status_code for one in (here, elsewhere)] == [200, 302]
    assert [signed_in(alice.email, one)[1] for one in (PASSWORD, NEW)] == [False, True]
    entry = AuditEntry.objects.filter(table="accounts_user").latest("pk")
    assert (entry.by, (entry.after or {})["password"]) == (alice.email, "(changed)")


@pytest.mark.parametrize(
    "fields",
    [{"password": "wrong"}, {"password2": "other"}, {"password1": "short", "password2": "short"}],
    ids=str,
)
def test_what_is_not_right_changes_nothing(alice_client, alice, fields):
    answer = alice_client.post(reverse("change_password"), CHANGE | fields)

    assert answer.status_code == 400
    assert signed_in(alice.email)[1]


def test_wrong_passwords_on_the_page_lock_as_at_sign_in(alice_client, alice, settings):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 3

    answers = [alice_client.post(reverse("change_password"), CHANGE | {"password": "no"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert AccessAttempt.objects.get().username == alice.email


# --- By mail ---------------------------------------------------------------------------------------


def asked(email):
    """The answer to a request for a link, without what names the address."""
    page = Client().post(reverse("forgot_password"), {"email": email})
    return page.status_code, page.content.decode().replace(email, "X")


def test_the_answer_is_the_same_whether_or_not_the_address_exists(alice):
    assert asked(alice.email) == asked("nobody@acme.example")
    assert PasswordReset.objects.count() == 2
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_a_person_sets_a_new_password_by_the_mailed_link_once(alice, now):
    elsewhere, _ = signed_in(alice.email)
    ask_for_reset(email=alice.email.upper(), address=None, now=now)
    ask_for_reset(email="nobody@acme.example", address=None, now=now)
    mail_resets(now=now)
    (message,) = mail.outbox
    path, fields = link_in(message), {"password1": NEW, "password2": NEW}

    weak = Client().post(path, {"password1": "short", "password2": "short"})
    done = Client().post(path, fields)
    again = Client().post(path, fields | {"password1": PASSWORD, "password2": PASSWORD})

    assert [weak.status_code, done.status_code, again.status_code] == [200, 302, 404]
    assert [signed_in(alice.email, one)[1] for one in (PASSWORD, NEW)] == [False, True]
    assert elsewhere.get(reverse("account")).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_link_works_for_an_hour(alice, now, settings):
    ask_for_reset(email=alice.email, address=None, now=now)
    mail_resets(now=now)
    path = link_in(mail.outbox[0])

    assert Client().get(path).status_code == 200
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Client().get(path).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_inactive_person_gets_no_link(alice, now):
    User.objects.update(is_active=False)
    ask_for_reset(email=alice.email, address=None, now=now)

    mail_resets(now=now)

    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_was_not_taken_is_sent_again_and_given_up_after_an_hour(alice, now, monkeypatch):
    def break_off(message):
        raise TimeoutError

    ask_for_reset(email=alice.email, address=None, now=now)
    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", break_off)
        assert mail_resets(now=now) == 0
    later = [now, now + dt.timedelta(minutes=5), now + WITHIN]

    assert [mail_resets(now=one) for one in later] == [0, 1, 0]


@pytest.mark.parametrize(
    ("most", "email", "address"),
    [(MOST_OF_EMAIL, "alice@acme.example", "192.0.2.{}"), (MOST_OF_ADDRESS, "p{}@acme.example", "192.0.2.1")],
)
def test_too_many_requests_are_dropped_in_silence(now, most, email, address):
    for number in range(most + 3):
        ask_for_reset(email=email.format(number), address=address.format(number), now=now)

    assert PasswordReset.objects.count() == most
    ask_for_reset(email=email.format(99), address=address.format(99), now=now + WITHIN)
    assert PasswordReset.objects.count() == most + 1


@pytest.mark.django_db(transaction=True)
def test_old_requests_are_forgotten(now):
    ask_for_reset(email="nobody@acme.example", address=None, now=now)

    mail_resets(now=now + dt.timedelta(days=2))

    assert not PasswordReset.objects.exists()


@pytest.mark.parametrize("uid", ["MQ", "x", "MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDA", "é", "LTE"])
def test_a_link_that_was_not_mailed_leads_nowhere(alice, uid, caplog):
    answer = Client().get(reverse("reset_password", args=[uid, "abc-def"]))

    assert answer.status_code == 404
    assert "abc-def" not in caplog.text


def test_without_a_mail_server_the_page_says_whom_to_ask(alice, settings):
    settings.PUBLIC_URL = ""

    page = Client().post(reverse("forgot_password"), {"email": alice.email}).content.decode()

    assert ("No mail can be sent" in page, PasswordReset.objects.exists()) == (True, False)
