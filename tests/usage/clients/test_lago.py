"""Lago's events: what its clients send is taken, and answered and refused in Lago's words."""

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

EVENT = {
    "transaction_id": "tx-1",
    "external_subscription_id": "acme",
    "code": "tokens",
    "timestamp": int(UNIX),
    "properties": {"model": "SenseChat-5", "prompt_tokens": 12, "completion_tokens": 34, "cost": 0.25},
}


@pytest.fixture
def post(acme, service_key):
    def post(body, path="/lago/api/v1/events", key=service_key, content_type="application/json"):
        return send(path, body, key, content_type)

    return post


def refusal_of(answer, status):
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["status"] == status
    assert body["error"]
    assert not UsageRecord.objects.exists()
    return body


def test_an_event_is_stored_and_answered_as_lago_does(post):
    answer = post({"event": EVENT})

    assert answer.status_code == 200
    event = answer.json()["event"]
    assert event["transaction_id"] == "tx-1"
    assert event["properties"] == EVENT["properties"]
    assert event["timestamp"] == f"{HALF_PAST:%Y-%m-%dT%H:%M:%S}.000Z"
    assert stored() == ("acme", "SenseChat-5", 12, 34)


def test_a_batch_is_stored_and_more_than_lagos_hundred(post):
    batch = [EVENT | {"transaction_id": f"tx-{n}"} for n in range(150)]

    answer = post({"events": batch}, "/lago/api/v1/events/batch")

    assert answer.status_code == 200
    assert len(answer.json()["events"]) == UsageRecord.objects.count() == 150


@pytest.mark.parametrize(("code", "tokens"), [("llm_input_tokens", (9, 0)), ("llm_output_tokens", (0, 9))])
def test_the_agent_sdk_sends_one_event_a_counter(code, tokens, post):
    answer = post({"event": EVENT | {"code": code, "properties": {"model": "SenseChat-5", "value": "9"}}})

    assert answer.status_code == 200
    assert stored()[2:] == tokens


@pytest.mark.parametrize("code", ["llm_audio_input_tokens", "llm_tool_calls", "anything"])
def test_a_code_that_is_not_billed_is_refused(code, post):
    event = EVENT | {"code": code, "properties": {"model": "SenseChat-5", "value": "9"}}

    assert refusal_of(post({"event": event}), 422)["error_details"]["code"]


PARTS = {
    "Anthropic, cached": ("llm_cached_input_tokens", "anthropic", "", (9, 9, 0)),
    "Anthropic, written": ("llm_cache_creation_tokens", "anthropic", "", (9, 0, 0)),
    "Anthropic, written for an hour": ("llm_cache_write_1h_tokens", "anthropic", "", (0, 0, 0)),
    "OpenAI, cached": ("llm_cached_input_tokens", "openai", "", (0, 0, 0)),
    "OpenAI, reasoning": ("llm_reasoning_tokens", "openai", "", (0, 0, 0)),
    "Gemini, reasoning": ("llm_reasoning_tokens", "gemini", "", (0, 0, 9)),
    "Anthropic behind Databricks": ("llm_cached_input_tokens", "anthropic", "databricks_gateway", (0, 0, 0)),
}


@pytest.mark.parametrize(("code", "provider", "api", "counted"), PARTS.values(), ids=PARTS)
def test_a_part_counts_where_its_provider_reports_it_beside_its_whole(code, provider, api, counted, post):
    properties = {"model": "SenseChat-5", "value": "9", "provider": provider, "api": api}

    answer = post({"event": EVENT | {"code": code, "properties": properties}})

    found = UsageRecord.objects.get()
    assert answer.status_code == 200
    assert (found.input_tokens, found.quantity_of("cached_input_tokens"), found.output_tokens) == counted
    assert (found.metadata or {}).get("value") == (None if any(counted) else "9")


def test_a_part_of_an_unknown_provider_may_be_counted_already_and_is_refused(post):
    properties = {"model": "SenseChat-5", "value": "9", "provider": "somebody"}

    answer = post({"event": EVENT | {"code": "llm_cached_input_tokens", "properties": properties}})

    assert refusal_of(answer, 422)["error_details"]["properties.provider"]


TIMES = {"integer": (UNIX, 0), "float": (f"{UNIX}.123456789", 123456), "text": (f'"{UNIX}.5"', 500000)}


@pytest.mark.parametrize(("value", "microsecond"), TIMES.values(), ids=TIMES)
def test_an_instant_is_read_exactly(value, microsecond, post):
    assert post(with_raw({"event": EVENT}, "event.timestamp", value)).status_code == 200
    assert UsageRecord.objects.get().occurred_at == HALF_PAST.replace(microsecond=microsecond)


@pytest.mark.parametrize("timestamp", [int(UNIX), None])
def test_an_event_that_is_resent_is_stored_once(timestamp, post):
    answers = [post({"event": EVENT | {"timestamp": timestamp}}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["event"]["lago_id"] for answer in answers}) == 1
    assert UsageRecord.objects.count() == 1


def test_a_conflict_is_a_value_that_exists_already(post):
    post({"event": EVENT})
    other = EVENT | {"external_subscription_id": "acme", "timestamp": int(UNIX) + 1}

    single = post({"event": other})
    batch = post({"events": [EVENT, other]}, "/lago/api/v1/events/batch")

    assert (single.status_code, batch.status_code) == (422, 422)
    assert single.json()["error_details"] == {"transaction_id": ["value_already_exist"]}
    assert batch.json() == {
        "status": 422,
        "error": batch.json()["error"],
        "code": "validation_errors",
        "error_details": {"1": {"transaction_id": ["value_already_exist"]}},
    }


@pytest.mark.parametrize(("status", "value"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_bad_number_is_refused(field, status, value, post):
    refusal_of(post(with_raw({"event": EVENT}, f"event.properties.{field}", value)), status)


@pytest.mark.parametrize("value", BAD_STRINGS.values(), ids=BAD_STRINGS)
@pytest.mark.parametrize("field", ["transaction_id", "external_subscription_id", "properties.model"])
def test_a_bad_string_is_refused(field, value, post):
    refusal_of(post(with_raw({"event": EVENT}, f"event.{field}", value)), 422)


@pytest.mark.parametrize("value", BAD_UNIX_TIMES.values(), ids=BAD_UNIX_TIMES)
def test_a_bad_time_is_refused(value, post):
    body = refusal_of(post(with_raw({"event": EVENT}, "event.timestamp", value)), 422)

    assert list(body["error_details"]) == ["timestamp"]


@pytest.mark.parametrize("body", ["{", "", "[]", "null", "{}", '{"events": []}'])
@pytest.mark.parametrize("path", ["/lago/api/v1/events", "/lago/api/v1/events/batch"])
def test_a_bad_body_is_refused(path, body, post):
    refusal_of(post(body, path), 400)


def test_other_refusals_have_the_clients_shape(post, globex):
    assert refusal_of(post({"event": EVENT}, key="wrong"), 401) == {"status": 401, "error": "Unauthorized"}
    refusal_of(post({"event": EVENT}, content_type="text/plain"), 415)
    refusal_of(post(" " * (17 * 1024 * 1024)), 413)
    refusal_of(post({"event": EVENT}, key=limited_key(globex)), 422)
