"""After the password a code is asked for, and before it nobody is signed in, in the admin neither."""

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import AuditEntry
from accounts.sign_in import steps
from accounts.sign_in.second_factor import codes_left, has_second_factor, is_right_code
from tests.accounts.sign_in.authenticator import code_of, set_up
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

CODE = re.compile(r"(?:[a-z2-9]{4}-){2}[a-z2-9]{4}")
PAGES = ["sign_in", "admin:login"]


def with_password(person, page="sign_in", **fields):
    """A browser in which the person has entered the password, and the answer."""
    client = Client()
    sent = {"username": person.email, "password": PASSWORD} | fields
    return client, client.post(reverse(page), sent)


def enter(client, code):
    return client.post(reverse("second_factor"), {"code": code})


def is_signed_in(client):
    return client.get(reverse("account")).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_the_password_alone_signs_nobody_in(operator, page):
    set_up(operator)

    client, answer = with_password(operator, page)

    assert answer.headers["Location"] == reverse("second_factor")
    private = [reverse("account"), reverse("admin:index"), reverse("overview"), "/admin/accounts/user/"]
    assert [client.get(path).status_code for path in private] == [302] * 4
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("page", "wanted"), [("sign_in", "/customers/acme"), ("admin:login", "/admin/accounts/user/")]
)
def test_the_code_signs_in_and_leads_where_the_person_wanted(operator, page, wanted):
    set_up(operator)
    client, _ = with_password(operator, page, next=wanted)

    answer = enter(client, code_of(operator))

    assert (answer.status_code, answer.headers["Location"]) == (302, wanted)
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/admin/login/", "/sign-in/code"]
)
def test_no_address_elsewhere_is_led_to(operator, wanted):
    set_up(operator)
    client, _ = with_password(operator, "admin:login", next=wanted)

    assert enter(client, code_of(operator)).headers["Location"] == reverse("admin:index")


def test_a_code_counts_once(alice):
    set_up(alice)
    code = code_of(alice)

    assert [is_right_code(alice, code), is_right_code(alice, code)] == [True, False]


def test_a_recovery_code_counts_once_however_it_is_typed(alice):
    first, second, *_ = set_up(alice)
    client, _ = with_password(alice)

    enter(client, f" {first.upper().replace('-', ' ')} ")

    assert is_signed_in(client)
    assert [is_right_code(alice, first), is_right_code(alice, second), codes_left(alice)] == [False, True, 8]


@pytest.mark.parametrize("code", ["", "000000", "abcd-efgh-jkmn", "１２３４５６", "\0", "x" * 31])
def test_a_wrong_code_signs_nobody_in(alice, code):
    set_up(alice)
    client, _ = with_password(alice)

    answer = enter(client, code)

    assert (answer.status_code, is_signed_in(client)) == (200, False)


def test_wrong_codes_lock_wherever_they_come_from(alice, settings):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 3
    set_up(alice)
    answers = [enter(with_password(alice)[0], "000000").status_code for _ in range(3)]
    client, _ = with_password(alice)

    right = enter(client, code_of(alice))

    assert (answers, right.status_code) == ([200, 200, 429], 429)
    assert "passwords or codes" in right.content.decode()
    assert not is_signed_in(client)


def test_a_right_code_lets_wrong_ones_be_forgotten(alice, settings):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 3
    set_up(alice)
    client, _ = with_password(alice)

    answers = [enter(client, one).status_code for one in ("000000", "000000", code_of(alice))]
    again = [enter(with_password(alice)[0], "000000").status_code for _ in range(2)]

    assert (answers, again) == ([200, 200, 302], [200, 200])


@pytest.mark.parametrize("change", ["password", "inactive", "late"])
def test_a_password_that_counts_no_more_is_no_first_step(alice, change, monkeypatch):
    set_up(alice)
    client, _ = with_password(alice)
    alice.set_password("another " + PASSWORD) if change == "password" else None
    alice.is_active = change != "inactive"
    alice.save()
    if change == "late":
        monkeypatch.setattr(steps, "WAITS", dt.timedelta(0))
        client, _ = with_password(alice)

    answer = enter(client, code_of(alice))

    assert answer.headers["Location"] == reverse("sign_in")
    assert not is_signed_in(client)


def test_without_a_password_no_code_is_asked_for(alice):
    set_up(alice)

    assert enter(Client(), code_of(alice)).headers["Location"] == reverse("sign_in")


# --- Setting it up ---------------------------------------------------------------------------------


def test_a_person_sets_it_up_with_the_first_code_and_gets_recovery_codes_once(alice_client, alice):
    page = reverse("second_factor_settings")
    alice_client.post(page, {"password": PASSWORD, "action": "begin"})
    shown = alice_client.get(reverse("confirm_second_factor")).content.decode()
    wrong = alice_client.post(reverse("confirm_second_factor"), {"code": "000000"})
    assert ("data:image/svg+xml" in shown, wrong.status_code, has_second_factor(alice)) == (True, 400, False)

    answer = alice_client.post(reverse("confirm_second_factor"), {"code": code_of(alice)})

    codes = CODE.findall(answer.content.decode())
    assert (has_second_factor(alice), len(set(codes))) == (True, 10)
    assert not CODE.search(alice_client.get(page).content.decode())
    stored = {*StaticToken.objects.values_list("token", flat=True)}
    assert not stored & {code.replace("-", "") for code in codes}


@pytest.mark.parametrize("action", ["begin", "codes", "remove"])
def test_a_stolen_session_without_the_password_changes_nothing(alice_client, alice, action):
    codes = set_up(alice)

    answer = alice_client.post(reverse("second_factor_settings"), {"password": "wrong", "action": action})

    assert answer.status_code == 400
    assert (TOTPDevice.objects.count(), is_right_code(alice, codes[0])) == (1, True)


def test_new_recovery_codes_make_the_earlier_ones_void(alice_client, alice):
    earlier = set_up(alice)
    answer = alice_client.post(reverse("second_factor_settings"), {"password": PASSWORD, "action": "codes"})
    (new, *_) = CODE.findall(answer.content.decode())

    assert [is_right_code(alice, one) for one in (earlier[0], new)] == [False, True]


def test_to_change_the_device_keeps_the_old_one_until_the_new_one_has_shown_a_code(alice_client, alice):
    set_up(alice)
    old = TOTPDevice.objects.get()
    alice_client.post(reverse("second_factor_settings"), {"password": PASSWORD, "action": "begin"})
    assert {*TOTPDevice.objects.values_list("confirmed", flat=True)} == {True, False}

    alice_client.post(reverse("confirm_second_factor"), {"code": code_of(alice)})

    assert TOTPDevice.objects.get().key != old.key


def test_a_person_removes_it_with_the_password(alice_client, alice):
    set_up(alice)

    alice_client.post(reverse("second_factor_settings"), {"password": PASSWORD, "action": "remove"})

    assert (has_second_factor(alice), StaticDevice.objects.exists()) == (False, False)
    assert with_password(alice)[1].headers["Location"] == reverse("overview")


def test_an_admin_removes_the_second_factor_of_who_has_lost_it(operator_client, alice):
    set_up(alice)
    page = reverse("admin:accounts_user_remove_second_factor", args=[alice.pk])
    assert f"Remove the second factor of {alice.email}" in operator_client.get(page).content.decode()

    operator_client.post(page, {"reason": "Phone lost, called back."})

    assert not has_second_factor(alice)
    entries = AuditEntry.objects.filter(table="otp_totp_totpdevice", deed="removed")
    assert entries.get().reason == "Phone lost, called back."


def test_the_trail_tells_of_it_and_holds_no_secret(alice):
    first, *_ = set_up(alice)
    is_right_code(alice, first)

    entries = AuditEntry.objects.filter(table__startswith="otp_")
    assert {entry.by for entry in entries} == {alice.email}
    assert "removed" in {entry.deed for entry in entries if entry.table == "otp_static_statictoken"}
    held = str([*entries.values_list("before", "after")])
    secrets = [TOTPDevice.objects.get().key, *StaticToken.objects.values_list("token", flat=True)]
    assert not [one for one in secrets if one in held]


def test_the_admin_shows_neither_keys_nor_codes(operator_client):
    page = operator_client.get(reverse("admin:index")).content.decode()

    assert "otp_totp" not in page
    assert "otp_static" not in page
