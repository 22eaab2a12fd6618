"""LiteLLM's payloads: what its generic_api callback sends is taken, and nothing of the texts is kept."""

import json

import pytest

from tests.usage.clients.deliveries import (
    BAD_NUMBERS,
    BAD_STRINGS,
    BAD_UNIX_TIMES,
    HALF_PAST,
    UNIX,
    limited_key,
    send,
    stored,
    with_raw,
)
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

PAYLOAD = {
    "id": "chatcmpl-1",
    "status": "success",
    "model": "SenseChat-5",
    "end_user": "acme",
    "endTime": int(UNIX) + 0.25,
    "prompt_tokens": 12,
    "completion_tokens": 34,
    "total_tokens": 46,
    "cache_hit": False,
    "metadata": {"user_api_key_user_id": "globex"},
    "messages": [{"role": "user", "content": "a secret \ud800"}],
}


@pytest.fixture
def post(acme, service_key):
    def post(body, key=service_key, content_type="application/json"):
        return send("/api/v1/litellm", body, key, content_type)

    return post


def refusal_of(answer, status):
    assert answer.status_code == status, answer.content
    assert list(answer.json()) == ["error"]
    assert "secret" not in answer.content.decode()
    assert not UsageRecord.objects.exists()
    return answer.json()["error"]


FORMS = {
    "single": json.dumps(PAYLOAD),
    "indented": json.dumps(PAYLOAD, indent=2),
    "array": json.dumps([PAYLOAD]),
    "lines": json.dumps(PAYLOAD) + "\n" + json.dumps(PAYLOAD) + "\n",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_every_form_is_taken(body, post):
    answer = post(body)

    assert answer.status_code == 200, answer.content
    assert answer.json()["accepted"] == 1
    assert stored() == ("acme", "SenseChat-5", 12, 34)
    assert UsageRecord.objects.get().occurred_at == HALF_PAST.replace(microsecond=250_000)


CUSTOMERS = {
    "end user": {"end_user": "acme"},
    "the key's end user": {"metadata": {"user_api_key_end_user_id": "acme", "user_api_key_user_id": "x"}},
    "the key's user": {"metadata": {"user_api_key_user_id": "acme", "user_api_key_team_id": "x"}},
    "the key's team": {"end_user": "", "metadata": {"user_api_key_team_id": "acme"}},
}


@pytest.mark.parametrize("fields", CUSTOMERS.values(), ids=CUSTOMERS)
def test_the_customer_is_the_first_that_is_given(fields, post):
    assert post(PAYLOAD | {"end_user": None} | fields).status_code == 200
    assert stored()[0] == "acme"


def test_failures_and_cached_answers_are_skipped(post):
    batch = [PAYLOAD | {"status": "failure"}, PAYLOAD | {"cache_hit": True}, PAYLOAD]

    assert post(batch).json() == {"accepted": 1, "duplicates": 0, "skipped": 2}
    assert post(batch[:2]).json() == {"accepted": 0, "duplicates": 0, "skipped": 2}


def test_a_refusal_names_the_place_in_the_delivery(post):
    batch = [PAYLOAD | {"status": "failure"}, PAYLOAD | {"model": "SenseChat-6"}]

    assert refusal_of(post(batch), 422)["details"][0] == {
        "index": 1,
        "field": "model",
        "reason": "unknown service",
    }


@pytest.mark.parametrize("ended", [int(UNIX), None])
def test_a_payload_that_is_resent_is_stored_once(ended, post):
    answers = [post(PAYLOAD | {"endTime": ended}).json() for _ in range(2)]

    assert [answer["duplicates"] for answer in answers] == [0, 1]


def test_the_same_id_with_other_content_is_a_conflict(post):
    post(PAYLOAD)

    answer = post(PAYLOAD | {"prompt_tokens": 13})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflicting_usage")


@pytest.mark.parametrize(("status", "value"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_bad_number_is_refused(field, status, value, post):
    refusal_of(post(with_raw(PAYLOAD, field, value)), status)


@pytest.mark.parametrize("field", ["prompt_tokens", "id"])
def test_a_fraction_is_refused_in_words_that_its_sender_knows(field, post):
    error = refusal_of(post(PAYLOAD | {field: 0.5}), 422)

    assert error["details"][0] == {
        "index": 0,
        "field": field,
        "reason": "must not be a number with a fraction or an exponent",
    }


@pytest.mark.parametrize("value", BAD_STRINGS.values(), ids=BAD_STRINGS)
@pytest.mark.parametrize("field", ["id", "end_user", "model"])
def test_a_bad_string_is_refused(field, value, post):
    refusal_of(post(with_raw(PAYLOAD, field, value)), 422)


@pytest.mark.parametrize("value", BAD_UNIX_TIMES.values(), ids=BAD_UNIX_TIMES)
def test_a_bad_time_is_refused(value, post):
    assert refusal_of(post(with_raw(PAYLOAD, "endTime", value)), 422)["details"][0]["field"] == "endTime"


@pytest.mark.parametrize(
    ("status", "body"), [(400, "{"), (400, "[]"), (422, "null"), (400, '{"a": 1}\nx'), (400, "")]
)
def test_a_bad_body_is_refused(status, body, post):
    refusal_of(post(body), status)


def test_other_refusals_have_our_shape(post, globex):
    refusal_of(post(PAYLOAD, key="wrong"), 401)
    refusal_of(post(PAYLOAD, content_type="text/plain"), 415)
    refusal_of(post(" " * (17 * 1024 * 1024)), 413)
    refusal_of(post(PAYLOAD, key=limited_key(globex)), 422)
