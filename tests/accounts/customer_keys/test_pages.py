"""The pages of a customer's keys: owners manage them, members see the list, nobody else sees anything."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.customer_keys.own_keys import revoke_key
from accounts.models import Member, ServiceKey
from tests.accounts.api_keys.test_key_pages import TEXT, hidden_id
from tests.accounts.api_keys.test_key_rights import everything_stored
from tests.accounts.customer_keys.test_own_keys import ALICE, make

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12
NEW = {"name": "gateway", "scopes": ["billing:read"], "lasts": "90"}


def address(name, key=None):
    return reverse(name, args=["acme", key.public_id] if key else ["acme"])


def texts_of(answer):
    return TEXT.findall(answer.content.decode())


def test_an_owner_makes_a_key_that_is_shown_in_this_answer_and_nowhere_else(alice_client, caplog):
    answer = alice_client.post(address("make_customer_key"), NEW)
    (text,) = texts_of(answer)
    secret = text.split("_", maxsplit=3)[3]

    assert (answer.status_code, "no-store" in answer.headers["Cache-Control"]) == (200, True)
    later = alice_client.get(address("customer_keys")).content.decode()
    assert ServiceKey.objects.get().prefix in later
    stored = [later, caplog.text, str(alice_client.cookies), *everything_stored()]
    assert not [one for one in stored if secret in one]


def test_a_key_has_what_the_owner_chose(alice_client, acme):
    alice_client.post(address("make_customer_key"), NEW)

    key = ServiceKey.objects.get()
    assert (key.name, key.scopes, key.customer, [*key.customers.all()]) == (
        "gateway",
        ["billing:read"],
        acme,
        [acme],
    )
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in {89, 90}


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"name": "a\0b"}, {"lasts": "7"}], ids=str
)
def test_a_form_that_is_not_right_makes_no_key(alice_client, fields):
    answer = alice_client.post(address("make_customer_key"), NEW | fields)

    assert answer.status_code == 400
    assert not ServiceKey.objects.exists()


@pytest.mark.parametrize("way", ["make", "rotate"])
def test_a_reload_makes_no_second_key(alice_client, acme, now, way):
    old, _ = make(acme, now)
    url = address("make_customer_key") if way == "make" else address("rotate_customer_key", old)
    sent = NEW | {"overlap": "24", "new_id": hidden_id(alice_client, url)}

    answers = [alice_client.post(url, sent) for _ in range(2)]

    assert [len(texts_of(answer)) for answer in answers] == [1, 0]
    assert ServiceKey.objects.filter(public_id=sent["new_id"]).count() == 1


def test_a_page_that_is_sent_twice_at_once_makes_one_key(alice_client, acme, now, monkeypatch):
    """Neither finds the other's key when it looks for it; the database refuses the second."""
    monkeypatch.setattr("accounts.api_keys.new_key_fields.refuse_if_used", lambda form: None)
    old, _ = make(acme, now, public_id="0123456789ab")

    answer = alice_client.post(address("make_customer_key"), NEW | {"new_id": old.public_id})

    assert "one key was made, not two" in answer.content.decode()
    assert ServiceKey.objects.count() == 1


def test_an_owner_rotates_a_key_and_sees_when_the_old_one_ends(alice_client, acme, now):
    old, _ = make(acme, now)

    answer = alice_client.post(address("rotate_customer_key", old), {"overlap": "24"})

    assert len(texts_of(answer)) == 1
    assert old.prefix in answer.content.decode()
    old.refresh_from_db()
    assert (old.revoked_at, old.expires_at is not None) == (None, True)


def test_the_button_names_the_key_that_it_revokes(alice_client, acme, now):
    key, _ = make(acme, now)
    url = address("revoke_customer_key", key)

    assert f"Revoke key {key.prefix}</button>" in alice_client.get(url).content.decode()
    assert ServiceKey.objects.get().revoked_at is None
    alice_client.post(url)

    assert ServiceKey.objects.get().revoked_at is not None
    assert f"Revoke key {key.prefix}" not in alice_client.get(url).content.decode()


ACTIONS = ["make_customer_key", "rotate_customer_key", "revoke_customer_key"]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", ["viewer"])
def test_only_owners_manage_keys(alice_client, acme, now, role, action, method):
    key, _ = make(acme, now)
    Member.objects.update(role=role)
    url = address(action, None if action == "make_customer_key" else key)

    assert getattr(alice_client, method)(url, NEW).status_code == 403
    assert [key.revoked_at for key in ServiceKey.objects.all()] == [None]
    page = alice_client.get(address("customer_keys")).content.decode()
    assert key.prefix in page
    assert url not in page


def test_another_customers_key_is_not_there_under_ones_own_address(alice_client, bob, globex, now):
    key, _ = make(globex, now)

    answers = [alice_client.post(address(action, key)) for action in ACTIONS[1:]]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert ServiceKey.objects.get().revoked_at is None


def test_a_key_of_staff_is_not_the_customers_to_manage(alice_client, acme):
    key, _ = issue_service_key(name="the gateway", customers=[acme])

    assert alice_client.post(address("revoke_customer_key", key)).status_code == 404
    assert "the gateway" not in alice_client.get(address("customer_keys")).content.decode()


def test_a_name_of_a_key_is_text_and_nothing_else(alice_client, acme, now):
    name = "<script>alert(1)</script>'\"{{ 7 }}"
    key, _ = make(acme, now, name=name)
    urls = [address("customer_keys"), *(address(action, key) for action in ACTIONS[1:])]

    for page in [alice_client.get(url).content.decode() for url in urls]:
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_ended_keys_are_listed_by_pages(alice_client, acme, now, monkeypatch):
    monkeypatch.setattr("accounts.customer_keys.views.ENDED_A_PAGE", 2)
    for name in ("first", "second", "third"):
        revoke_key(key=make(acme, now, name=name)[0], by=ALICE, now=now)

    page = alice_client.get(address("customer_keys")).content.decode()
    (older,) = re.findall(r"\?older_than=(\d+)", page)
    rest = alice_client.get(address("customer_keys"), {"older_than": older}).content.decode()

    assert ("third" in page, "second" in page, "first" in page) == (True, True, False)
    assert ("first" in rest, "second" in rest) == (True, False)


def test_the_list_asks_for_all_keys_at_once(alice_client, acme, now):
    for number in range(5):
        make(acme, now, name=f"key {number}")

    with CaptureQueriesContext(
        connection,
    ) as asked:
        alice_client.get(address("customer_keys"))

    assert len(asked) <= MOST_QUERIES
