"""What a service key may do: its scopes, its customers, its time, and that its text is stored nowhere."""

import datetime as dt
import json
import logging

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import (
    USE_NOTED_EVERY,
    issue_service_key,
    recognise_service_key,
    revoke_service_key,
)
from accounts.api_keys.keys import rotate_service_key as rotate
from accounts.models import Scope, ServiceKey
from tests.builders import as_json, report
from tests.request_ids import content_without_id
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

A_SECOND = dt.timedelta(seconds=1)


def post(text, *reports):
    """Post these reports, by default one by Acme, with this key."""
    body = json.dumps([as_json(one) for one in reports or [report()]])
    return Client().post(
        "/api/v1/usage",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )


# --- Scopes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scopes", [[], [Scope.CALLS_ADMIT], [Scope.BILLING_READ, Scope.CALLS_ADMIT]], ids=str
)
def test_a_key_without_the_scope_is_forbidden_to_report(scopes, acme):
    _, text = issue_service_key(name="dashboard", scopes=scopes)

    response = post(text)

    error = response.json()["error"]
    assert response.status_code == 403
    assert (list(error), error["code"], error["details"]) == (
        ["code", "message", "details", "request_id"],
        "missing_scope",
        [],
    )
    assert "usage:write" in error["message"]
    assert not UsageRecord.objects.exists()


def test_a_key_with_the_scope_among_others_may_report(acme):
    _, text = issue_service_key(name="gateway", scopes=[Scope.BILLING_READ, Scope.USAGE_WRITE])

    response = post(text)

    assert response.status_code == 200
    assert UsageRecord.objects.count() == 1


def test_a_key_without_the_scope_learns_nothing_of_the_body():
    _, text = issue_service_key(name="dashboard", scopes=[])

    response = Client().post(
        "/api/v1/usage", "no JSON", content_type="text/plain", headers={"Authorization": f"Bearer {text}"}
    )

    assert response.status_code == 403


def test_without_a_key_it_is_401_and_not_403(acme):
    response = Client().post("/api/v1/usage", "[]", content_type="application/json")

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


# --- Limited to some customers ---------------------------------------------------------------------


def test_a_limited_key_reports_for_its_customers(acme, globex):
    _, text = issue_service_key(name="of Acme", customers=[acme])

    response = post(text)

    assert response.status_code == 200
    assert UsageRecord.objects.get().customer == acme


def test_a_foreign_customer_is_answered_like_one_that_does_not_exist(acme, globex):
    _, text = issue_service_key(name="of Acme", customers=[acme])

    foreign = post(text, report(customer="globex"))
    absent = post(text, report(customer="nobody"))

    assert (foreign.status_code, absent.status_code) == (422, 422)
    assert content_without_id(foreign) == content_without_id(absent)
    assert foreign.json()["error"]["details"][0]["field"] == "customer"


def test_a_foreign_customer_is_answered_alike_whatever_else_is_wrong(acme, globex):
    _, text = issue_service_key(name="of Acme", customers=[acme])

    foreign = post(text, report(customer="globex", service="no such service"))
    absent = post(text, report(customer="nobody", service="no such service"))

    assert content_without_id(foreign) == content_without_id(absent)


def test_one_foreign_record_refuses_the_whole_batch(acme, globex):
    _, text = issue_service_key(name="of Acme", customers=[acme])

    response = post(text, report(), report(customer="globex"), report("call-2"), report(customer="nobody"))

    assert response.status_code == 422
    assert [problem["index"] for problem in response.json()["error"]["details"]] == [1, 3]
    assert not UsageRecord.objects.exists()


def test_a_key_limited_to_no_customer_reports_for_none(acme):
    _, text = issue_service_key(name="of nobody", customers=[])

    response = post(text)

    assert response.status_code == 422
    assert not UsageRecord.objects.exists()


def test_a_customer_taken_from_a_key_is_foreign_on_the_next_request(acme, globex):
    key, text = issue_service_key(name="of both", customers=[acme, globex])
    before = post(text)

    key.customers.remove(acme)
    after = post(text, report("call-2"))

    assert (before.status_code, after.status_code) == (200, 422)


# --- Time: rotation, expiry, revocation, last use --------------------------------------------------


def test_while_a_key_is_rotated_both_are_live_until_the_old_one_is_revoked(acme):
    old, old_text = issue_service_key(name="gateway")
    _, new_text = rotate(key=old)

    overlap = [post(old_text, report("a")).status_code, post(new_text, report("b")).status_code]
    revoke_service_key(key=old, now=timezone.now())
    afterwards = [post(old_text, report("c")).status_code, post(new_text, report("d")).status_code]

    assert overlap == [200, 200]
    assert afterwards == [401, 200]


def test_a_rotated_key_has_the_rights_of_the_old_one(acme, globex):
    scopes = [Scope.USAGE_WRITE, Scope.BILLING_READ]
    old, _ = issue_service_key(name="of Acme", scopes=scopes, customers=[acme])

    new, text = rotate(key=old)

    assert new.pk != old.pk
    assert (new.name, new.scopes, new.is_limited, [*new.customers.all()]) == ("of Acme", scopes, True, [acme])
    assert post(text, report(customer="globex")).status_code == 422


def test_a_key_limited_to_no_customer_stays_so_when_it_is_rotated(acme):
    old, _ = issue_service_key(name="of nobody", customers=[])

    _, text = rotate(key=old)

    assert post(text).status_code == 422


def test_an_expired_key_is_refused(acme):
    now = timezone.now()
    _, live = issue_service_key(name="gateway", expires_at=now + dt.timedelta(hours=1))
    _, expired = issue_service_key(name="gateway", expires_at=now)

    statuses = [post(live).status_code, post(expired).status_code]

    assert statuses == [200, 401]


def test_a_revoked_key_fails_on_the_next_request(acme):
    key, text = issue_service_key(name="gateway")
    before = post(text, report("a"))

    revoke_service_key(key=key, now=timezone.now())
    after = post(text, report("b"))

    assert (before.status_code, after.status_code) == (200, 401)
    assert [*UsageRecord.objects.values_list("event_id", flat=True)] == ["a"]


def test_a_keys_last_use_is_noted_to_the_minute(now):
    key, text = issue_service_key(name="gateway")
    noted = []

    for instant in (now, now + USE_NOTED_EVERY - A_SECOND, now + USE_NOTED_EVERY):
        recognise_service_key(text=text, now=instant)
        noted.append(ServiceKey.objects.get(pk=key.pk).last_used_at)

    assert noted == [now, now, now + USE_NOTED_EVERY]


def test_a_use_that_is_refused_is_not_noted(now):
    key, text = issue_service_key(name="gateway", expires_at=now)

    recognise_service_key(text=text, now=now)
    recognise_service_key(text=text[:-1] + ("A" if text[-1] != "A" else "B"), now=now - A_SECOND)

    assert ServiceKey.objects.get(pk=key.pk).last_used_at is None


# --- Stored nowhere ----------------------------------------------------------------------------------


def everything_stored():
    """Every row of every table, as text."""
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT row_to_json(one)::text FROM "{table}" AS one')  # noqa: S608  our own names
            yield from (row for (row,) in cursor.fetchall())


def test_a_keys_text_is_in_no_table_and_no_log(acme, caplog):
    caplog.set_level(logging.DEBUG)
    key, text = issue_service_key(name="gateway")
    secret = text.removeprefix(f"{key.prefix}_")

    statuses = [post(text).status_code, post(text, report(input_tokens=1)).status_code]
    revoke_service_key(key=key, now=timezone.now())
    statuses.append(post(text).status_code)
    stored = "\n".join([*everything_stored(), caplog.text])

    assert statuses == [200, 409, 401]
    assert key.public_id in stored
    assert "Usage refused: conflicting_usage" in caplog.text
    for form in (secret, secret.encode().hex()):
        assert form not in stored
