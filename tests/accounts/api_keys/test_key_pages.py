"""Service keys in the admin: scopes are chosen, never assumed, and a key's text is in one answer only."""

import re

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope, ServiceKey
from tests.accounts.api_keys.test_key_rights import everything_stored

pytestmark = pytest.mark.django_db

FOR_ALL = {"name": "gateway", "scopes": ["usage:write"], "is_limited": "False"}
CHECKED = re.compile(r"\schecked(?=[\s>])")
TEXT = re.compile(r"sk_live_[a-z0-9]+_[A-Za-z0-9_-]{43}")


def add(client, **fields):
    return client.post(reverse("admin:accounts_servicekey_add"), FOR_ALL | fields)


def rotate(client, key, **fields):
    return client.post(reverse("admin:accounts_servicekey_rotate", args=[key.pk]), fields)


def hidden_id(client, url):
    """The id that a page gives to the key that it is going to make."""
    (found,) = re.findall(r'name="new_id" value="(\w+)"', client.get(url).content.decode())
    return found


# --- Rights are chosen -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "words"),
    [("is_limited", "Choose for which customers"), ("scopes", "Choose what the key may be used for")],
)
def test_a_key_without_a_choice_is_not_made(operator_client, missing, words):
    fields = {name: value for name, value in FOR_ALL.items() if name != missing}
    answer = operator_client.post(reverse("admin:accounts_servicekey_add"), fields)

    assert words in answer.content.decode()
    assert not ServiceKey.objects.exists()


def test_the_page_of_a_new_key_has_nothing_chosen(operator_client):
    page = operator_client.get(reverse("admin:accounts_servicekey_add")).content.decode()
    choices = re.findall(r'<input[^>]*type="(?:radio|checkbox)"[^>]*>', page)

    assert {name for one in choices for name in re.findall(r'name="(\w+)"', one)} >= {"is_limited", "scopes"}
    assert not [one for one in choices if CHECKED.search(one) and ("is_limited" in one or "scopes" in one)]
    assert "all customers, and those that are added later" in page


def test_a_key_for_all_customers_is_made_where_that_is_chosen(operator_client):
    add(operator_client)

    key = ServiceKey.objects.get()
    assert (key.is_limited, key.scopes) == (False, ["usage:write"])


def test_a_limited_key_names_its_customers(operator_client, acme):
    without_customers = add(operator_client, is_limited="True")
    add(operator_client, is_limited="True", customers=[acme.pk])

    assert "Choose at least one customer" in without_customers.content.decode()
    assert list(ServiceKey.objects.get().customers.all()) == [acme]


def test_customers_of_a_key_for_all_are_a_contradiction(operator_client, acme):
    answer = add(operator_client, customers=[acme.pk])

    assert "Choose no customers here" in answer.content.decode()
    assert not ServiceKey.objects.exists()


@pytest.mark.parametrize("customers", [None, "acme"])
def test_the_page_of_a_key_that_there_is_shows_what_was_chosen(operator_client, acme, customers):
    key, _ = issue_service_key(name="gateway", customers=customers and [acme])
    url = reverse("admin:accounts_servicekey_change", args=[key.pk])
    page = operator_client.get(url).content.decode()

    chosen = [one for one in re.findall(r'<input[^>]*name="is_limited"[^>]*>', page) if CHECKED.search(one)]
    assert [f'value="{key.is_limited}"' in one for one in chosen] == [True]


# --- Its text is in one answer ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["add", "rotate"])
def test_the_text_of_a_new_key_is_in_the_answer_that_made_it_and_nowhere_else(operator_client, way, caplog):
    old, _ = issue_service_key(name="gateway")
    answer = add(operator_client) if way == "add" else rotate(operator_client, old)
    (text,) = TEXT.findall(answer.content.decode())
    secret = text.split("_", maxsplit=3)[3]

    assert (answer.status_code, "no-store" in answer.headers["Cache-Control"]) == (200, True)
    assert Client().post("/api/v1/usage", headers={"Authorization": f"Bearer {text}"}).status_code != 401
    stored = [str(operator_client.cookies), *everything_stored(), caplog.text, str(answer.headers)]
    later = [operator_client.get(reverse("admin:index")), operator_client.get(key_page())]
    assert not [one for one in stored if secret in one]
    assert not [one for one in later if secret in one.content.decode()]


def key_page():
    return reverse("admin:accounts_servicekey_change", args=[ServiceKey.objects.latest("pk").pk])


@pytest.mark.parametrize("way", ["add", "rotate"])
def test_a_reload_makes_no_second_key(operator_client, way):
    old, _ = issue_service_key(name="gateway")
    rotating = reverse("admin:accounts_servicekey_rotate", args=[old.pk])
    url = {"add": reverse("admin:accounts_servicekey_add"), "rotate": rotating}[way]
    sent = FOR_ALL | {"new_id": hidden_id(operator_client, url)}

    answers = [operator_client.post(url, sent) for _ in range(2)]

    assert ServiceKey.objects.filter(public_id=sent["new_id"]).count() == 1
    assert ServiceKey.objects.count() == 2
    assert [bool(TEXT.search(answer.content.decode())) for answer in answers] == [True, False]
    assert "was shown then and cannot be shown again" in answers[1].content.decode()


@pytest.mark.parametrize(
    ("way", "forms"), [("add", "accounts.forms"), ("rotate", "accounts.api_keys.new_key_fields")]
)
def test_a_page_that_is_sent_twice_at_once_makes_one_key(operator_client, way, forms, monkeypatch):
    """Neither finds the other's key when it looks for it; the database refuses the second."""
    monkeypatch.setattr(f"{forms}.refuse_if_used", lambda form: None)
    old, _ = issue_service_key(name="gateway", public_id="0123456789ab")
    send = {"add": add, "rotate": lambda client, **fields: rotate(client, old, **fields)}[way]

    answer = send(operator_client, new_id=old.public_id)

    assert answer.headers["Location"] == reverse("admin:accounts_servicekey_changelist")
    assert "one key was made, not two" in operator_client.get(answer.headers["Location"]).content.decode()
    assert ServiceKey.objects.count() == 1


@pytest.mark.parametrize("new_id", ["short", "UPPERCASE000", "with_underscore", "0123456789ab\n", "0" * 17])
def test_a_public_id_that_no_page_gave_makes_no_key(operator_client, new_id):
    add(operator_client, new_id=new_id)

    assert not ServiceKey.objects.exists()


def test_two_keys_never_share_a_public_id():
    key, _ = issue_service_key(name="gateway")

    with pytest.raises(IntegrityError):
        issue_service_key(name="other", public_id=key.public_id)


def test_a_second_key_is_made_beside_the_first_with_its_rights(operator_client, acme):
    first, _ = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT], customers=[acme])
    page = operator_client.get(reverse("admin:accounts_servicekey_rotate", args=[first.pk])).content.decode()
    assert ServiceKey.objects.count() == 1
    assert "ask whether a call is admitted, for acme" in page

    rotate(operator_client, first)

    second = ServiceKey.objects.exclude(pk=first.pk).get()
    assert (second.name, second.scopes, second.revoked_at) == (first.name, first.scopes, None)
    assert [*second.customers.all()] == [acme]
