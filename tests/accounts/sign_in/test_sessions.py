"""A person sees where they are signed in, and ends it there."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Session
from accounts.sign_in.second_factor import begin
from tests.accounts.sign_in.authenticator import code_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

PAGE = "/account/sessions"


def browser_of(person, name="Firefox", page="sign_in", **meta):
    """A browser of this name in which the person has signed in."""
    client = Client(headers={"user-agent": name}, **meta)
    client.post(reverse(page), {"username": person.email, "password": PASSWORD})
    return client


def is_signed_in(client):
    return client.get(reverse("account")).status_code == 200


def handles(page):
    return re.findall(r'name="session" value="(\w+)"', page.content.decode())


@pytest.mark.parametrize("page", ["sign_in", "admin:login"])
def test_a_person_sees_each_session_with_browser_and_address(operator, page):
    here = browser_of(operator)
    browser_of(operator, "Chromium <b>", page, REMOTE_ADDR="203.0.113.7")

    shown = here.get(PAGE).content.decode()

    assert ("Firefox" in shown, "Chromium &lt;b&gt;" in shown, "203.0.113.7" in shown) == (True,) * 3
    assert len(handles(here.get(PAGE))) == 1
    assert not [key for key in Session.objects.values_list("pk", flat=True) if key in shown]


def test_a_person_ends_one_session(alice):
    here, phone, office = (browser_of(alice, name) for name in ("here", "phone", "office"))
    last_seen_first = handles(here.get(PAGE))

    here.post(PAGE, {"session": last_seen_first[0]})

    assert [is_signed_in(one) for one in (here, phone, office)].count(True) == 2
    assert is_signed_in(here)


def test_a_person_ends_all_other_sessions(alice, bob):
    here, phone, of_bob = browser_of(alice), browser_of(alice), browser_of(bob)

    here.post(PAGE)

    assert [is_signed_in(one) for one in (here, phone, of_bob)] == [True, False, True]


def test_nobody_ends_a_session_of_another(alice, bob):
    of_alice, phone, of_bob = browser_of(alice), browser_of(alice), browser_of(bob)
    (handle,) = handles(of_alice.get(PAGE))

    for named in (handle, "", "x", "\0"):
        of_bob.post(PAGE, {"session": named})

    assert [is_signed_in(one) for one in (of_alice, phone, of_bob)] == [True] * 3
    assert "Firefox" in of_bob.get(PAGE).content.decode()
    assert handles(of_bob.get(PAGE)) == []


def test_a_new_password_ends_the_others_and_they_are_not_listed(alice):
    here, phone = browser_of(alice), browser_of(alice)
    new = "another " + PASSWORD

    here.post(reverse("change_password"), {"password": PASSWORD, "password1": new, "password2": new})

    assert [is_signed_in(one) for one in (here, phone)] == [True, False]
    assert Session.objects.filter(user=alice).count() == 1


def test_a_second_factor_ends_the_sessions_that_began_without(alice):
    here, phone = browser_of(alice), browser_of(alice)
    begin(alice)

    here.post(reverse("confirm_second_factor"), {"code": code_of(alice)})

    assert [is_signed_in(one) for one in (here, phone)] == [True, False]


def test_a_session_is_seen_again_after_some_minutes(alice):
    here = browser_of(alice)
    before = Session.objects.get()
    long_ago = before.seen_at - dt.timedelta(minutes=6)
    Session.objects.update(seen_at=long_ago)

    here.get(reverse("account"))

    after = Session.objects.get()
    assert after.seen_at > long_ago
    assert (after.browser, after.signed_in_at) == (before.browser, before.signed_in_at)


def test_a_session_of_nobody_is_listed_for_nobody(alice):
    stranger = Client()
    stranger.get(PAGE)
    here = browser_of(alice)
    here.post(reverse("sign_out"))

    assert not Session.objects.filter(user=alice).exists()


def test_a_session_that_is_over_is_not_listed(alice):
    here, _ = browser_of(alice), browser_of(alice)
    others = Session.objects.exclude(pk=here.session.session_key)
    others.update(expire_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    assert handles(here.get(PAGE)) == []


def test_the_page_asks_little(alice):
    here = [browser_of(alice) for _ in range(5)][0]

    with CaptureQueriesContext(connection) as asked:
        here.get(PAGE)

    assert len(asked) <= 12
