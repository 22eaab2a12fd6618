"""Signing in and out, by people and by the operator."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import ServiceKey, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client, email, password=PASSWORD, **fields):
    return client.post(reverse("sign_in"), {"username": email, "password": password, **fields})


def test_the_start_page_leads_strangers_to_the_prices():
    answer = Client().get("/")

    assert answer.headers["Location"] == reverse("prices")


def test_the_start_page_leads_people_to_their_overview(alice_client):
    answer = alice_client.get("/")

    assert answer.headers["Location"] == reverse("overview")


@pytest.mark.parametrize("email", ["alice@acme.example", "Alice@ACME.example"])
def test_a_person_signs_in_with_the_e_mail_in_any_case(alice, email):
    answer = sign_in(Client(), email)

    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("overview"))


def test_after_signing_in_a_person_gets_the_page_that_was_asked_for(alice):
    wanted = reverse("customer_bills", args=["acme"])
    client = Client()

    assert client.get(wanted).headers["Location"] == f"{reverse('sign_in')}?next={wanted}"
    assert sign_in(client, alice.email, next=wanted).headers["Location"] == wanted


NOWHERE = [
    "/sign-in",
    "/sign-in?next=/sign-in",
    "/sign-in?next=/sign-in%3Fnext%3D%2Fsign-in",
    "/sign-in#top",
    "/./sign-in",
    "/prices/../sign-in",
    "/prices\\..\\sign-in",
    "/%73ign-in",
    "/sign-out",
    "/admin/login/?next=/sign-in",
    "/admin/logout/",
    "https://evil.example/",
    "//evil.example/sign-in",
    "/\\evil.example",
    "///evil.example",
    "javascript:alert(1)",
    "http:evil.example",
    "\t//evil.example",
    "/prices?" + "x" * 3000,
    "",
]


@pytest.mark.parametrize("wanted", NOWHERE)
def test_an_address_that_is_no_page_to_come_back_to_leads_home(alice, wanted):
    client = Client()
    posted = sign_in(client, alice.email, next=wanted)
    again = client.get(reverse("sign_in"), {"next": wanted})

    assert [answer.status_code for answer in (posted, again)] == [302, 302]
    assert [answer.headers["Location"] for answer in (posted, again)] == [reverse("overview")] * 2


@pytest.mark.parametrize("wanted", ["/prices", "/overview?a=1", "/no-such-page", "/customers/a%00b", "/"])
def test_a_signed_in_person_is_redirected_to_any_other_page_of_this_site(alice_client, wanted):
    answer = alice_client.get(reverse("sign_in"), {"next": wanted})

    assert answer.headers["Location"] == wanted


@pytest.mark.parametrize("wanted", ["/admin/login/?next=/admin/login/", "/sign-in", "/admin/"])
def test_no_way_of_signing_in_leads_in_circles(operator_client, alice_client, wanted):
    for client in (operator_client, alice_client, Client()):
        for start in ("/admin/login/", "/sign-in", "/", "/overview", "/admin/"):
            answer = client.get(start, {"next": wanted}, follow=True)

            assert answer.status_code == 200
            assert len(answer.redirect_chain) <= 4


def test_a_wrong_password_is_an_error_of_the_form(alice):
    answer = sign_in(Client(), alice.email, "wrong")

    assert answer.status_code == 200
    assert b"Incorrect email or password." in answer.content


def test_a_missing_e_mail_is_an_error_of_the_field():
    answer = sign_in(Client(), "", "")

    assert b"This field is required." in answer.content
    assert b'aria-describedby="id_username_error"' in answer.content


def test_an_inactive_person_cannot_sign_in(alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert sign_in(Client(), alice.email).status_code == 200


@pytest.mark.parametrize("page", ["sign_in", "admin:login"])
def test_many_wrong_passwords_lock_the_account_whatever_the_case(operator, alice, settings, page):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    client = Client()
    for email in (operator.email, operator.email.upper(), operator.email.title()):
        answer = client.post(reverse(page), {"username": email, "password": "wrong"})

    assert answer.status_code == 429
    assert "Sign-in is locked for 15 minutes" in answer.content.decode()
    assert operator.email in answer.content.decode()
    right = client.post(reverse(page), {"username": operator.email, "password": PASSWORD})
    assert right.status_code == 429
    assert sign_in(Client(), alice.email).status_code == 302  # another person is not locked out


def test_signing_out_takes_a_post_and_ends_the_session(alice_client):
    assert alice_client.get(reverse("sign_out")).status_code == 405
    assert alice_client.post(reverse("sign_out")).status_code == 302
    assert alice_client.get(reverse("overview")).headers["Location"].startswith(reverse("sign_in"))


def test_the_operator_signs_in_to_the_admin_with_the_e_mail(operator):
    client = Client()
    answer = client.post(reverse("admin:login"), {"username": operator.email, "password": PASSWORD})

    assert answer.status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_customers_person_does_not_get_into_the_admin(alice_client):
    assert alice_client.get(reverse("admin:index")).status_code == 302


# --- Service keys and people in the admin --------------------------------------------------------


def test_revoking_a_key_asks_first_and_names_the_key(operator_client, service_key):
    key = ServiceKey.objects.get()
    url = reverse("admin:accounts_servicekey_revoke", args=[key.pk])

    assert f"Revoke key {key.prefix}" in operator_client.get(url).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None
    operator_client.post(url)
    key.refresh_from_db()
    assert key.revoked_at is not None


@pytest.mark.parametrize("model", ["customer", "user", "servicekey"])
def test_nothing_of_accounts_can_be_deleted(operator_client, acme, service_key, model):
    rows = {"customer": acme.pk, "user": User.objects.get().pk, "servicekey": ServiceKey.objects.get().pk}

    answer = operator_client.post(
        reverse(f"admin:accounts_{model}_delete", args=[rows[model]]), {"post": "yes"}
    )

    assert answer.status_code == 403


def test_staff_without_all_rights_cannot_give_rights_to_themselves(operator):
    clerk = User.objects.create_user("clerk@sensenova.example", PASSWORD, is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client = Client()
    client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:accounts_user_change", args=[clerk.pk])

    client.post(url, {"email": clerk.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"})

    clerk.refresh_from_db()
    assert not clerk.is_superuser
    password = reverse("admin:auth_user_password_change", args=[operator.pk])
    assert client.get(password).status_code == 403
