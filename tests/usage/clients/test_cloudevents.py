"""CloudEvents: what OpenMeter's clients send is taken, and refused in OpenMeter's words."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from pricing.models import Service, ServiceAlias
from tests.usage.clients.deliveries import (
    BAD_NUMBERS,
    BAD_STRINGS,
    HALF_PAST,
    limited_key,
    send,
    stored,
    with_raw,
)
from usage.limits.stores.choice import call_windows
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

EVENT = {
    "specversion": "1.0",
    "type": "litellm_tokens",
    "id": "chatcmpl-1",
    "time": HALF_PAST.isoformat(),
    "subject": "acme",
    "source": "litellm-proxy",
    "data": {"model": "SenseChat-5", "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
}


@pytest.fixture
def post(acme, service_key):
    def post(body, content_type="application/cloudevents+json", key=service_key):
        return send("/api/v1/events", body, key, content_type)

    return post


def problem_of(answer, status):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert not UsageRecord.objects.exists()
    return problem


FORMS = {
    "single": ("application/cloudevents+json", EVENT),
    "batch": ("application/cloudevents-batch+json", [EVENT]),
    "JSON object": ("application/json", EVENT),
    "JSON array": ("application/json", [EVENT]),
    "with a character set": ("application/cloudevents+json; charset=UTF-8", EVENT),
}


@pytest.mark.parametrize(("content_type", "body"), FORMS.values(), ids=FORMS)
def test_every_form_is_taken(content_type, body, post):
    answer = post(body, content_type)

    assert (answer.status_code, answer.content) == (204, b"")
    assert stored() == ("acme", "SenseChat-5", 12, 34)
    assert UsageRecord.objects.get().event_id == "litellm-proxy chatcmpl-1"
    assert UsageRecord.objects.get().occurred_at == HALF_PAST


DATA = {
    "LiteLLM, no completion": ({"prompt_tokens": 7}, (7, 0)),
    "strings": ({"prompt_tokens": "7", "completion_tokens": "8"}, (7, 8)),
    "input": ({"tokens": "123456", "type": "input"}, (123456, 0)),
    "system": ({"tokens": 5, "type": "system"}, (5, 0)),
    "output": ({"tokens": 5, "type": "output"}, (0, 5)),
    "ours": ({"input_tokens": 1, "output_tokens": 2}, (1, 2)),
    "null beside": ({"prompt_tokens": 7, "completion_tokens": None, "cost": 0.5}, (7, 0)),
}


@pytest.mark.parametrize(("data", "tokens"), DATA.values(), ids=DATA)
def test_quantities_are_read_in_each_convention(data, tokens, post):
    assert post(EVENT | {"data": {"model": "SenseChat-5"} | data}).status_code == 204
    assert stored()[2:] == tokens


BAD_DATA = {
    "none": {},
    "total only": {"total_tokens": 5},
    "two ways": {"prompt_tokens": 1, "input_tokens": 1},
    "no direction": {"tokens": 5},
    "another direction": {"tokens": 5, "type": "cached"},
}


@pytest.mark.parametrize("data", BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_cannot_be_mapped_are_refused_with_the_reason(data, post):
    problem = problem_of(post(EVENT | {"data": {"model": "SenseChat-5"} | data}), 422)

    assert problem["errors"][0]["field"].startswith("data")
    assert problem["errors"][0]["reason"] in problem["detail"]


def test_an_alias_names_the_service(post):
    ServiceAlias.objects.create(alias="openai/sc5", service=Service.objects.get(name="SenseChat-5"))

    assert post(with_raw(EVENT, "data.model", '"openai/sc5"')).status_code == 204
    assert stored()[1] == "SenseChat-5"


@pytest.mark.parametrize("time", [HALF_PAST.isoformat(), None])
def test_an_event_that_is_resent_is_stored_once(time, post):
    answers = [post(EVENT | {"time": time}).status_code for _ in range(2)]
    answers.append(post([EVENT | {"time": time}] * 2).status_code)

    assert answers == [204, 204, 204]
    assert UsageRecord.objects.count() == 1


def test_the_same_id_with_other_content_is_a_conflict(post):
    post(EVENT)

    answer = post(EVENT | {"data": {"model": "SenseChat-5", "prompt_tokens": 13, "completion_tokens": 34}})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflicting_usage")
    assert stored()[2] == 12


def test_source_and_id_together_are_the_id(post):
    batch = [EVENT | {"source": "a b", "id": "c"}, EVENT | {"source": "a", "id": "b c"}]

    assert post([*batch, EVENT | {"source": "a%20b", "id": "c"}]).status_code == 204
    assert UsageRecord.objects.count() == 3


def test_a_time_without_a_zone_is_utc(post):
    post(EVENT | {"time": HALF_PAST.replace(tzinfo=None).isoformat()})

    assert UsageRecord.objects.get().occurred_at == HALF_PAST


@pytest.mark.parametrize(("status", "value"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_bad_number_is_refused(field, status, value, post):
    problem_of(post(with_raw(EVENT, f"data.{field}", value)), status)


@pytest.mark.parametrize("value", BAD_STRINGS.values(), ids=BAD_STRINGS)
@pytest.mark.parametrize("field", ["id", "source", "subject", "data.model"])
def test_a_bad_string_is_refused(field, value, post):
    problem_of(post(with_raw(EVENT, field, value)), 422)


@pytest.mark.parametrize(
    "time", ["", "yesterday", 1700000000, 1.5, [], "2023-02-29T00:00:00Z", "12:00:00", "\ud800"]
)
def test_a_bad_time_is_refused(time, post):
    assert problem_of(post(EVENT | {"time": time}), 422)["errors"][0]["field"] == "time"


@pytest.mark.parametrize(
    ("status", "body"), [(400, "{"), (400, "[]"), (422, "null"), (422, "[[]]"), (400, "")]
)
def test_a_bad_body_is_refused(status, body, post):
    problem_of(post(body), status)


def test_other_refusals_have_the_clients_shape(post, acme, globex):
    problem_of(post(EVENT, key="wrong"), 401)
    problem_of(post(EVENT, "text/plain"), 415)
    problem_of(post(" " * (17 * 1024 * 1024)), 413)
    problem_of(post(EVENT, key=limited_key(globex)), 422)


# --- Binary mode -----------------------------------------------------------------------------------


def post_binary(key, data, **attributes):
    """Send an event with its attributes in headers."""
    sent = {
        "specversion": "1.0", "type": "call", "id": "1", "source": "gateway", "subject": "acme",
        "time": HALF_PAST.isoformat(),
    } | attributes  # fmt: skip
    headers = {f"ce-{name}": value for name, value in sent.items()} | {"Authorization": f"Bearer {key}"}
    return Client().post("/api/v1/events", json.dumps(data), content_type="application/json", headers=headers)


def test_an_event_in_binary_mode_is_taken(acme, service_key):
    answer = post_binary(service_key, EVENT["data"])

    assert answer.status_code == 204, answer.content
    assert stored() == ("acme", "SenseChat-5", 12, 34)


def test_attributes_in_headers_are_decoded(acme, service_key):
    answer = post_binary(service_key, EVENT["data"], id="%E4%BD%A0%20%22", source='"a \\"b\\""')

    assert answer.status_code == 204, answer.content
    assert UsageRecord.objects.get().event_id == 'a%20"b" 你 "'


@pytest.mark.parametrize(
    "attributes", [{"subject": "nobody"}, {"id": "%FF"}, {"specversion": "0.3"}, {"type": ""}]
)
def test_a_bad_attribute_in_a_header_is_refused(attributes, acme, service_key):
    problem_of(post_binary(service_key, EVENT["data"], **attributes), 422)


# --- One call in several events --------------------------------------------------------------------


def parts_of_a_call(call_id):
    """Three events of one call, as OpenMeter's convention has them."""
    data = {"model": "SenseChat-5", "tokens": "5"} | ({"call_id": call_id} if call_id else {})
    now = timezone.now().isoformat()
    return [
        EVENT | {"id": kind, "time": now, "data": data | {"type": kind}}
        for kind in ("input", "output", "system")
    ]


@pytest.mark.parametrize(("call_id", "calls"), [("call-1", 1), (None, 3)])
def test_events_that_share_their_call_count_as_one_call(call_id, calls, post, acme):
    service = Service.objects.get(name="SenseChat-5")

    for event in parts_of_a_call(call_id):
        assert post([event]).status_code == 204

    (use,) = call_windows().look([(acme.pk, service.pk)])
    assert (use.calls, use.tokens) == (calls, 15)
