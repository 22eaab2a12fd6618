"""Owners manage keys and people in a browser, people their sign-in; a viewer is refused what owners do."""

import re

import pytest
from django.urls import reverse

from accounts.api_keys.keys import recognise_service_key
from accounts.models import Member, MemberRole, ServiceKey, User
from sensenova_billing.lib import clock
from tests.accounts.sign_in.authenticator import code_of, set_up
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

CAROL = "carol@acme.example"


def press(page, words):
    page.get_by_role("button", name=words).click()


def follow(page, words):
    page.get_by_role("link", name=words).first.click()


def sees(page, words):
    page.get_by_text(words).first.wait_for()


def enter_password(page, email, password=PASSWORD):
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    press(page, "Sign in")


def sign_out(page):
    press(page, "Sign out")
    page.wait_for_url("**/sign-in")


def new_key(page):
    """The text of the key that the page shows."""
    text = page.locator("#new-key").inner_text()
    assert re.fullmatch(r"sk_live_[a-z0-9]+_[\w-]{43}", text)
    return text


def test_an_owner_makes_rotates_and_revokes_a_key(admin, alice):
    page = admin(alice)
    page.goto("/customers/acme/people")
    follow(page, "API keys")
    follow(page, "Make a key")
    page.get_by_label("Name").fill("chat gateway")
    page.get_by_label("report usage").check()
    press(page, "Make the key")
    old = new_key(page)
    follow(page, "I have copied it")
    follow(page, "Rotate")
    press(page, "Make a new key and end")
    new = new_key(page)

    assert all(recognise_service_key(text=text, now=clock.now()) for text in (old, new))
    follow(page, "I have copied it")
    follow(page, "Revoke")
    prefix = page.get_by_role("button", name="Revoke key").inner_text().removeprefix("Revoke key ")
    press(page, "Revoke key")
    sees(page, "is revoked")

    assert ServiceKey.objects.exclude(revoked_at=None).get().prefix == prefix


def test_an_owner_invites_a_person_who_accepts_and_is_removed(admin, alice, visitor):
    page = admin(alice)
    page.goto("/customers/acme/people")
    follow(page, "Invite a person")
    page.get_by_label("E-mail").fill(CAROL)
    page.get_by_label("finance").check()
    press(page, "Invite")
    link = page.locator("#invitation-link").inner_text()

    carols = visitor()
    carols.goto(link)
    carols.get_by_label("Your name").fill("Carol")
    carols.get_by_label("Password", exact=True).fill(PASSWORD)
    carols.get_by_label("Password again").fill(PASSWORD)
    press(carols, "Accept the invitation")
    carols.wait_for_url("**/customers/acme")
    assert Member.objects.get(user__email=CAROL).role == MemberRole.FINANCE

    page.goto("/customers/acme/people")
    page.get_by_role("link", name=f"Change {CAROL}").click()
    press(page, f"Remove {CAROL} from Acme Ltd")
    sees(page, "is removed")
    assert carols.goto("/customers/acme/people").status == 404


def test_a_person_sets_up_a_second_factor_and_signs_in_with_it(page, alice):
    enter_password(page, alice.email)
    page.wait_for_url("**/customers/acme")
    page.goto("/account/second-factor")
    page.get_by_label("Your password").fill(PASSWORD)
    press(page, "Set it up")
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 0
    page.get_by_label("Code").fill(code_of(alice))
    press(page, "Switch it on")
    recovery = page.locator("#recovery-codes").inner_text().split()
    sign_out(page)

    for code in (code_of(alice), recovery[0]):
        enter_password(page, alice.email)
        page.get_by_label("Code").fill(code)
        press(page, "Sign in")
        page.wait_for_url("**/customers/acme")
        sign_out(page)


def test_the_admin_asks_for_the_code_too(page, operator):
    codes = set_up(operator)
    page.goto(reverse("admin:login"))
    page.fill("[name=username]", operator.email)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.get_by_label("Code").fill(codes[0])
    press(page, "Sign in")

    page.wait_for_url("**/admin/")


def test_a_viewer_sees_lists_and_no_actions(admin, alice, acme):
    Member.objects.update(role=MemberRole.VIEWER)
    colleague = User.objects.create_user(CAROL)
    member = Member.objects.create(customer=acme, user=colleague)
    page = admin(alice)
    page.goto("/customers/acme/keys")
    sees(page, "An owner of this account makes keys")
    page.goto("/customers/acme/people")
    sees(page, CAROL)

    assert page.get_by_role("link", name="Change").count() == 0
    refused = ["keys/new", "people/invite", f"people/{member.pk}", "settings"]
    assert [page.goto(f"/customers/acme/{one}").status for one in refused] == [403] * 4


def test_the_pages_of_people_and_sign_in_work_under_their_policy(admin, alice, acme):
    page = admin(alice)
    paths = ["keys", "keys/new", "people", "people/invite", "settings"]
    for path in [*(f"/customers/acme/{one}" for one in paths), "/account", "/account/password"]:
        assert page.goto(path).status == 200
    for path in ("/account/second-factor", "/account/sessions", "/password/forgotten"):
        assert page.goto(path).status == 200
