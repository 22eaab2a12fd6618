"""The door for reversals over HTTP: what it takes, what it refuses and in which words."""

import json

import pytest
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope, ServiceKey
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, record, report
from tests.usage.ingest.test_api import error_of
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

ASKED = {"customer": "acme", "event_id": "call-1", "reason": "Sent twice."}


@pytest.fixture
def ask(service_key):
    """Ask for a reversal as the chat gateway does, or with another key."""

    def ask(body, *, key=service_key):
        return Client().post(
            "/api/v1/reversals",
            body if isinstance(body, str | bytes) else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return ask


@pytest.fixture
def used(acme, globex):
    """Acme and Globex have used SenseChat-5 in THE_HOUR, which is closed."""
    record(report(), report(customer="globex"))
    close()


def reversals():
    """What is stored besides the two records that were reported."""
    return UsageRecord.objects.exclude(reverses=None)


# --- What it takes -------------------------------------------------------------------------------


def test_a_record_is_reversed_and_the_answer_says_where(used, ask):
    answer = ask(ASKED)

    assert answer.status_code == 200
    stored = reversals().get()
    assert answer.json() == {
        "reversal": {
            "event_id": stored.event_id,
            "customer": "acme",
            "reverses": "call-1",
            "reason": "Sent twice.",
            "occurred_at": at(10).isoformat().replace("+00:00", "Z"),
            "billing_hour": at(60).isoformat().replace("+00:00", "Z"),
            **dict.fromkeys(map(str, Measure), 0),
            "input_tokens": -1000,
            "output_tokens": -500,
        }
    }
    assert stored.billing_hour > THE_HOUR


def test_who_asked_and_why_is_kept(used, ask):
    ask(ASKED)

    (key,) = ServiceKey.objects.all()
    assert reversals().get().metadata == {"reason": "Sent twice.", "by": f"chat-gateway-1 ({key.prefix})"}


def test_asked_again_for_the_same_reason_it_answers_the_same(used, ask):
    first, again = ask(ASKED), ask(ASKED)

    assert (again.status_code, again.json()) == (200, first.json())
    assert reversals().count() == 1


def test_an_event_id_is_taken_literally(acme, ask):
    record(report(" %s "))

    assert ask(ASKED | {"event_id": " %s "}).json()["reversal"]["reverses"] == " %s "


# --- What it refuses -----------------------------------------------------------------------------


def test_for_another_reason_it_is_a_conflict_that_shows_both(used, ask):
    ask(ASKED)

    error = error_of(ask(ASKED | {"reason": "A test run."}), 409)

    assert error["code"] == "already_reversed"
    assert error["details"] == [
        {
            "index": 0,
            "event_id": "call-1",
            "field": "reason",
            "stored": "Sent twice.",
            "sent": "A test run.",
        }
    ]
    assert reversals().count() == 1


REFUSED = {
    "nobody": ({"customer": "nobody"}, "customer", "unknown customer"),
    "no record": ({"event_id": "call-2"}, "event_id", "unknown record"),
    "blank reason": ({"reason": " \n"}, "reason", "must have 1 to 500 characters"),
    "no reason": ({"reason": ""}, "reason", "Expected `str` of length >= 1"),
    "long reason": ({"reason": "x" * 501}, "reason", "Expected `str` of length <= 500"),
    "number": ({"event_id": 1}, "event_id", "Expected `str`, got `int`"),
    "null": ({"customer": None}, "customer", "Expected `str`, got `null`"),
    "unknown field": ({"by": "me"}, "", "Object contains unknown field `by`"),
    "NUL": ({"reason": "a\0b"}, "reason", "must not hold a NUL character"),
    "NUL in the id": ({"event_id": "\0"}, "event_id", "must not hold a NUL character"),
    "half a pair": ({"reason": "\ud800"}, "reason", "is not valid Unicode"),
    "half a pair in a name": ({"\udfff": ""}, "", "is not valid Unicode"),
}


@pytest.mark.parametrize(("fields", "field", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_reversed_is_refused_by_field_and_reason(fields, field, reason, used, ask):
    error = error_of(ask(ASKED | fields), 422)

    assert error["code"] == "not_reversible"
    assert error["details"] == [{"index": 0, "field": field, "reason": reason}]
    assert not reversals().exists()


def test_a_field_that_is_missing_is_named(used, ask):
    error = error_of(ask({"customer": "acme", "event_id": "call-1"}), 422)

    assert error["details"][0]["reason"] == "Object missing required field `reason`"


def test_a_reversal_is_not_reversed(used, ask):
    reversal = ask(ASKED).json()["reversal"]["event_id"]

    error = error_of(ask(ASKED | {"event_id": reversal}), 422)

    assert error["details"][0]["reason"] == "the record is itself a reversal"


BROKEN = {
    "empty": "",
    "cut off": '{"customer": "acme"',
    "twice": '{"customer": "acme", "event_id": "call-1", "reason": "a", "reason": "b"}',
    "not UTF-8": b'{"customer": "\xff"}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_not_json_is_refused(body, used, ask):
    error = error_of(ask(body), 400)

    assert error["code"] == "malformed_json"


@pytest.mark.parametrize("body", ["[]", "null", "1", json.dumps([ASKED])])
def test_one_record_is_reversed_at_a_time(body, used, ask):
    error = error_of(ask(body), 422)

    assert error["details"][0]["reason"].startswith("Expected `object`")
    assert not reversals().exists()


# --- Whose key -----------------------------------------------------------------------------------


def test_a_key_of_another_customer_learns_nothing(used, globex, ask):
    key = issue_service_key(name="globex-gateway", customers=[globex])[1]

    foreign, nobodys = ask(ASKED, key=key), ask(ASKED | {"customer": "nobody"}, key=key)

    assert error_of(foreign, 422) == error_of(nobodys, 422)
    assert foreign.json()["error"]["details"][0]["reason"] == "this key may not report for this customer"
    assert not reversals().exists()


def test_a_key_of_a_customer_reverses_that_customers_record(used, globex, ask):
    key = issue_service_key(name="globex-gateway", customers=[globex])[1]

    assert ask(ASKED | {"customer": "globex"}, key=key).status_code == 200
    assert reversals().get().customer == globex


def test_a_key_that_may_not_report_may_not_reverse(used, ask):
    key = issue_service_key(name="reader", scopes=[Scope.BILLING_READ])[1]

    error = error_of(ask(ASKED, key=key), 403)

    assert error["code"] == "missing_scope"
    assert not reversals().exists()


def test_without_a_key_nothing_is_reversed(used, ask):
    error_of(ask(ASKED, key="sk_live_unknown"), 401)

    assert not reversals().exists()
