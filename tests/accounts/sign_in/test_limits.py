"""Guessing passwords is stopped, and locks out no person who signed in before in the same browser."""

import datetime as dt

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.sign_in.known_devices import COOKIE
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

PROXY, HOME, AWAY = "10.0.0.5", "203.0.113.7", "198.51.100.1"
SIGN_IN_PAGES = ["sign_in", "admin:login"]


@pytest.fixture(autouse=True)
def limits(settings):
    """The limits are on, and the proxy is trusted."""
    settings.AXES_ENABLED = True
    settings.TRUSTED_PROXIES = [PROXY]
    settings.AXES_FAILURE_LIMIT = 3
    settings.SIGN_IN_FAILURES_OF_ADDRESS = 6
    settings.SIGN_IN_FAILURES_OF_ACCOUNT = 8


@pytest.fixture(params=SIGN_IN_PAGES)
def attempt(request):
    """Try a password from an address behind the proxy, at one of the two forms; return the status."""

    def attempt(email, password="wrong", *, address=AWAY, client=None, **headers):
        sent = {"username": email, "password": password}
        headers = {"x-forwarded-for": address} | headers
        url = reverse(request.param)
        return (client or Client()).post(url, sent, headers=headers, REMOTE_ADDR=PROXY).status_code

    return attempt


def known_device(attempt, person):
    """The browser in which a person has signed in, and has signed out."""
    client = Client()
    assert attempt(person.email, PASSWORD, address=HOME, client=client) == 302
    client.cookies.pop("sessionid")
    return client


def test_behind_a_proxy_the_failures_of_one_address_lock_no_other(attempt, operator):
    statuses = [attempt(operator.email) for _ in range(4)]

    assert statuses == [200] * 2 + [429] * 2
    assert attempt(operator.email, PASSWORD) == 429
    assert attempt(operator.email, PASSWORD, address=HOME) == 302


def test_without_a_trusted_proxy_its_address_is_all_that_is_known(attempt, operator, settings):
    """The control: what the proxy reports counts in the test above."""
    settings.TRUSTED_PROXIES = []
    for _ in range(3):
        attempt(operator.email)

    assert attempt(operator.email, PASSWORD, address=HOME) == 429


def test_an_address_that_a_client_writes_itself_does_not_count(attempt, operator):
    for n in range(3):
        attempt(operator.email, address=f"192.0.2.{n}, {AWAY}")

    assert attempt(operator.email, PASSWORD, address=f"192.0.2.99, {AWAY}") == 429


def test_many_accounts_tried_from_one_address_meet_a_limit(attempt, operator):
    statuses = [attempt(f"person{n}@acme.example") for n in range(8)]

    assert statuses == [200] * 5 + [429] * 3
    assert attempt(operator.email, PASSWORD) == 429
    assert attempt(operator.email, PASSWORD, address=HOME) == 302


def test_the_addresses_of_one_network_of_ipv6_are_one(attempt, operator):
    statuses = [attempt(f"person{n}@acme.example", address=f"2001:db8:0:1::{n:x}") for n in range(1, 8)]

    assert statuses[-2:] == [429, 429]
    assert attempt(operator.email, PASSWORD, address="2001:db8:0:1:ffff::") == 429
    assert attempt(operator.email, PASSWORD, address="2001:db8:0:2::1") == 302


@pytest.mark.parametrize("garbage", ["unknown", "_hidden", "', '", "999.1.1.1", "x" * 500, "\udc80"])
def test_what_is_no_address_is_counted_together_and_breaks_nothing(attempt, operator, garbage, settings):
    settings.SIGN_IN_FAILURES_OF_ADDRESS = 3
    garbage = garbage.encode("utf-8", "replace").decode()
    statuses = [attempt(f"person{n}@acme.example", address=garbage) for n in range(3)]

    assert statuses == [200] * 2 + [429]
    assert attempt(operator.email, PASSWORD, address="also nonsense") == 429


def test_one_person_who_types_a_wrong_password_locks_no_colleague(attempt, operator, alice):
    alice.is_staff = True
    alice.save()
    for _ in range(4):
        attempt(operator.email)

    assert attempt(operator.email, PASSWORD) == 429
    assert attempt(alice.email, PASSWORD) == 302


def test_a_success_resets_what_it_was_preceded_by(attempt, operator):
    for _ in range(3):
        assert [attempt(operator.email) for _ in range(2)] == [200] * 2
        assert attempt(operator.email, PASSWORD) == 302


def test_an_account_guessed_at_from_everywhere_is_open_to_its_known_devices_only(attempt, operator):
    device = known_device(attempt, operator)
    statuses = [attempt(operator.email, address=f"198.51.100.{n}") for n in range(10)]

    assert statuses == [200] * 7 + [429] * 3
    assert attempt(operator.email, PASSWORD, address="192.0.2.1") == 429
    assert attempt(operator.email, PASSWORD, address=AWAY, client=device) == 302


def test_a_known_device_gets_in_from_an_address_that_is_locked(attempt, operator):
    device = known_device(attempt, operator)
    for n in range(6):
        attempt(f"person{n}@acme.example", address=HOME)
    for _ in range(3):
        attempt(operator.email, address=HOME)

    assert attempt(operator.email, PASSWORD, address=HOME) == 429
    assert attempt(operator.email, PASSWORD, address=HOME, client=device) == 302


def test_a_known_device_has_a_limit_too_which_locks_no_other_device(attempt, operator):
    device = known_device(attempt, operator)
    statuses = [attempt(operator.email, client=device) for _ in range(4)]

    assert statuses == [200] * 2 + [429] * 2
    assert attempt(operator.email, PASSWORD, client=device) == 429
    assert attempt(operator.email, PASSWORD) == 302


def test_the_device_of_one_person_is_no_device_of_another(attempt, operator, alice):
    alice.is_staff = True
    alice.save()
    device = known_device(attempt, alice)
    for n in range(8):
        attempt(operator.email, address=f"198.51.100.{n}")

    assert attempt(operator.email, PASSWORD, client=device) == 429


def test_people_who_share_a_browser_both_know_it(attempt, operator, alice):
    alice.is_staff = True
    alice.save()
    device = known_device(attempt, operator)
    attempt(alice.email, PASSWORD, client=device)
    for person in (operator, alice):
        for n in range(8):
            attempt(person.email, address=f"198.51.100.{n}")

    for person in (operator, alice):
        device.cookies.pop("sessionid", None)
        assert attempt(person.email, PASSWORD, client=device) == 302


@pytest.mark.parametrize(
    "forge", [lambda cookie: cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), lambda cookie: ""]
)
def test_a_forged_device_is_a_stranger(attempt, operator, forge):
    device = known_device(attempt, operator)
    device.cookies[COOKIE] = forge(device.cookies[COOKIE].value)
    for n in range(8):
        attempt(operator.email, address=f"198.51.100.{n}")

    assert attempt(operator.email, PASSWORD, client=device) == 429


def test_what_a_browser_calls_itself_counts_for_nothing(attempt, operator):
    device = known_device(attempt, operator)
    (its_id,) = signing.loads(device.cookies[COOKIE].value, salt="accounts.known_devices").values()
    for n in range(3):
        attempt(operator.email, **{"user-agent": f"device {its_id}" if n % 2 else f"robot {n}"})

    assert attempt(operator.email, PASSWORD, **{"user-agent": f"device {its_id}"}) == 429
    assert attempt(operator.email, PASSWORD, client=device) == 302


def test_a_device_becomes_known_by_the_right_password_only(attempt, operator, settings):
    settings.SESSION_COOKIE_SECURE = True
    client = Client()
    attempt(operator.email, client=client)
    assert COOKIE not in client.cookies

    attempt(operator.email, PASSWORD, client=client)

    cookie = client.cookies[COOKIE]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
    assert cookie["max-age"] == dt.timedelta(days=400).total_seconds()
    assert operator.email not in str(signing.loads(cookie.value, salt="accounts.known_devices"))


def test_what_is_tried_during_a_lock_does_not_make_it_longer(attempt, operator):
    for _ in range(3):
        attempt(operator.email)
    before = list(AccessAttempt.objects.values())
    attempt(operator.email)

    assert list(AccessAttempt.objects.values()) == before
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=15, seconds=1)
    AccessAttempt.objects.update(attempt_time=long_ago)
    assert attempt(operator.email, PASSWORD) == 302


# --- No answer reveals an account -----------------------------------------------------------------


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is hashed, which takes nearly all of the time."""

    hashed = 0

    def encode(self, password, salt):
        type(self).hashed += 1
        return super().encode(password, salt)


@pytest.mark.parametrize("url_name", SIGN_IN_PAGES)
def test_wrong_passwords_are_answered_alike_and_in_the_same_time_for_any_account(
    operator, url_name, settings
):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    people = [
        User.objects.create_user("active@acme.example", PASSWORD),
        User.objects.create_user("inactive@acme.example", PASSWORD, is_active=False),
        User.objects.create_user("nopassword@acme.example", None),
    ]
    answers = []
    for email in [*(person.email for person in people), "unknown@acme.example"]:
        CountingHasher.hashed = 0
        page = Client().post(reverse(url_name), {"username": email, "password": "wrong"})
        shown = page.content.decode().replace(email, "")
        answers.append((page.status_code, CountingHasher.hashed, without_token(shown)))

    assert answers == [answers[0]] * 4
    assert answers[0][:2] == (200, 1)


@pytest.mark.parametrize("url_name", SIGN_IN_PAGES)
def test_an_account_that_there_is_not_is_locked_like_one_that_there_is(operator, url_name):
    pages = []
    for email in (operator.email, "unknown@acme.example"):
        for _ in range(3):
            page = Client().post(reverse(url_name), {"username": email, "password": "wrong"})
        pages.append((page.status_code, page.content.decode().replace(email, "")))

    assert pages[0] == pages[1]
    assert pages[0][0] == 429
    assert "in a browser in which you have signed in before" in pages[0][1]


def without_token(page):
    """A page without the values that differ from one visit to the next."""
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]
