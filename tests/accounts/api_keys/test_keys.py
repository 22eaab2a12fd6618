import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.api_keys.keys import (
    issue_service_key,
    recognise_cached,
    recognise_service_key,
    revoke_service_key,
)
from accounts.models import ServiceKey
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db

A_SECOND = dt.timedelta(seconds=1)


def test_a_new_key_is_recognised(now):
    key, text = issue_service_key(name="chat-gateway-1")

    found = recognise_service_key(text=text, now=now)

    assert found == key
    assert text.startswith(f"sk_live_{key.public_id}_")


def test_two_keys_of_one_name_are_two_keys(now):
    first, text = issue_service_key(name="chat-gateway-1")
    second, other_text = issue_service_key(name="chat-gateway-1")

    found = [recognise_service_key(text=shown, now=now) for shown in (text, other_text)]

    assert found == [first, second]
    assert first.public_id != second.public_id


def test_the_database_keeps_neither_the_key_nor_its_secret():
    key, text = issue_service_key(name="chat-gateway-1")
    secret = text.removeprefix(f"{key.prefix}_")

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM accounts_servicekey AS k WHERE id = %s", [key.pk])
        (row,) = cursor.fetchone()

    assert key.public_id in row
    assert secret not in row
    assert secret.encode().hex() not in row


def test_a_key_prints_as_the_part_that_may_be_shown():
    key, text = issue_service_key(name="chat-gateway-1")

    printed = str(key)

    assert printed == f"chat-gateway-1 (sk_live_{key.public_id})"
    assert text not in printed


def test_an_expired_key_is_refused_from_its_instant_on(now):
    key, text = issue_service_key(name="chat-gateway-1", expires_at=now)

    before = recognise_service_key(text=text, now=now - A_SECOND)
    after = recognise_service_key(text=text, now=now)

    assert before == key
    assert after is None


def test_a_revoked_key_is_refused_at_once(now):
    key, text = issue_service_key(name="chat-gateway-1")

    revoke_service_key(key=key, now=now)

    assert recognise_service_key(text=text, now=now) is None


def test_revoking_twice_keeps_the_first_instant(now):
    key, _ = issue_service_key(name="chat-gateway-1")
    revoke_service_key(key=key, now=now)

    revoke_service_key(key=key, now=now + A_SECOND)

    assert ServiceKey.objects.get(pk=key.pk).revoked_at == now


def test_revoking_one_key_leaves_the_others(now):
    old, _ = issue_service_key(name="chat-gateway-1")
    new, text = issue_service_key(name="chat-gateway-1")

    revoke_service_key(key=old, now=now)

    assert recognise_service_key(text=text, now=now) == new


GARBLED = {
    "nothing": lambda text: "",
    "truncated": lambda text: text[:-1],
    "longer": lambda text: text + "A",
    "one character off": lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
    "upper-cased": str.upper,
    "with a space before": lambda text: f" {text}",
    "with a line break after": lambda text: f"{text}\n",
    "without its prefix": lambda text: text.removeprefix("sk_live_"),
    "the public part only": lambda text: text.rpartition("_")[0],
    "digits of another alphabet": lambda text: text.translate({ord("0") + n: 0x0660 + n for n in range(10)}),
    "with a NUL": lambda text: f"{text}\0",
}


@pytest.mark.parametrize("garble", GARBLED.values(), ids=GARBLED)
def test_a_garbled_key_is_nobodys(garble, now):
    # Issued until it has a digit in its public id, so that every way of garbling changes it.
    text = next(
        shown
        for key, shown in iter(lambda: issue_service_key(name="chat-gateway-1"), None)
        if any(map(str.isdigit, key.public_id))
    )

    found = recognise_service_key(text=garble(text), now=now)

    assert found is None


def test_the_secret_of_one_key_does_not_open_another(now):
    first, text = issue_service_key(name="chat-gateway-1")
    second, _ = issue_service_key(name="chat-gateway-2")

    found = recognise_service_key(text=text.replace(first.public_id, second.public_id), now=now)

    assert found is None


def test_the_database_refuses_a_secret_that_is_not_a_sha_256():
    key, _ = issue_service_key(name="chat-gateway-1")

    with pytest.raises(IntegrityError, match="a_service_key_keeps_a_sha_256_only"):
        ServiceKey.objects.filter(pk=key.pk).update(secret_sha256=b"plain text")


@pytest.mark.django_db(transaction=True)
def test_while_one_request_refreshes_a_cached_key_the_others_do_not_wait(now):
    key, text = issue_service_key(name="chat-gateway-1")
    recognise_cached(text=text, now=now)

    def again():
        return recognise_cached(text=text, now=now + A_SECOND / 2)

    with together() as threads, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE accounts_servicekey")
        first = threads.start(again)
        wait_until_waiting(1, locktype="relation")
        others = [threads.start(again).result(PATIENCE) for _ in range(2)]

    assert others == [key, key]
    assert first.result(PATIENCE) == key


def test_a_revoked_key_in_the_cache_is_refused_after_the_next_lookup(now):
    key, text = issue_service_key(name="chat-gateway-1")
    recognise_cached(text=text, now=now)
    revoke_service_key(key=key, now=now)

    found = [recognise_cached(text=text, now=now + A_SECOND * part) for part in (0.4, 0.5, 0.6)]

    assert found == [key, None, None]


def test_an_expired_key_in_the_cache_is_refused_from_its_instant_on(now):
    key, text = issue_service_key(name="chat-gateway-1", expires_at=now + A_SECOND / 4)

    found = [recognise_cached(text=text, now=now + A_SECOND * part) for part in (0, 0.2, 0.25)]

    assert found == [key, key, None]
