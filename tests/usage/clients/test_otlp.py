"""OpenTelemetry's spans: each call with tokens is stored or refused by itself, and no text is kept."""

import datetime as dt
import gzip
import json
from io import BytesIO
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from pricing.models import Service, ServiceAlias
from tests.usage.clients.deliveries import HALF_PAST, limited_key, stored
from tests.usage.clients.spans import (
    END,
    EVENT_ID,
    JSON,
    PATH,
    PROTOBUF,
    SPAN_ID,
    TRACE_ID,
    chat,
    encoded,
    json_of,
    parsed,
    refusal_of,
    request_of,
    send,
)
from tests.usage.refused.builders import counted
from usage.clients import otlp, otlp_messages
from usage.models import QuarantinedUsage, UsageRecord

pytestmark = pytest.mark.django_db

OTHER = "00000000000000aa"
BOTH = pytest.mark.parametrize("content_type", [PROTOBUF, JSON])


@pytest.fixture
def post(acme, service_key):
    def post(*spans, key=service_key, content_type=PROTOBUF, resource=None, **headers):
        body = encoded(request_of(*spans, resource=resource), content_type)
        return send(body, key, content_type, **headers)

    return post


def partial(answer):
    """The number of refused spans, and what is said of them."""
    said = parsed(answer).partial_success
    assert "secret" not in said.error_message
    return said.rejected_spans, said.error_message


@BOTH
def test_a_call_is_stored_and_the_answer_is_empty(content_type, post):
    answer = post(chat(), content_type=content_type)

    assert parsed(answer) == otlp.answer_of(None)
    assert answer.content == (b"{}" if content_type == JSON else b"")
    assert stored() == ("acme", "SenseChat-5", 12, 34)
    record = UsageRecord.objects.get()
    assert (record.event_id, record.occurred_at, record.outcome) == (EVENT_ID, HALF_PAST, None)


@BOTH
def test_packed_and_chunked_bodies_are_taken(content_type, post, service_key):
    body = encoded(request_of(chat()), content_type)

    packed = send(gzip.compress(body), service_key, content_type, **{"Content-Encoding": "gzip"})
    environ: dict[str, Any] = {"wsgi.input": BytesIO(body), "HTTP_TRANSFER_ENCODING": "chunked"}
    environ |= {"CONTENT_TYPE": content_type, "HTTP_AUTHORIZATION": f"Bearer {service_key}"}
    chunked = Client().generic("POST", PATH, b"", **environ)

    assert [partial(answer) for answer in (packed, chunked)] == [(0, "")] * 2
    assert stored()[0] == "acme"


def test_an_id_in_json_is_hexadecimal_in_either_case(post, service_key):
    sent = json_of(request_of(chat()))
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"traceId": TRACE_ID.upper()}

    send(json.dumps(sent), service_key, JSON)
    post(chat())  # the same, as protobuf

    assert UsageRecord.objects.get().event_id == EVENT_ID


@BOTH
def test_cached_and_written_tokens_are_parts_of_the_input(content_type, post):
    parts = {
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }

    assert partial(post(chat(**parts), content_type=content_type)) == (0, "")

    record = UsageRecord.objects.get()
    assert (record.input_tokens, record.cached_input_tokens, record.cache_write_tokens) == (12, 5, 4)
    assert record.output_tokens == 34


@pytest.mark.parametrize(
    "part",
    [
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
    ],
)
def test_a_part_that_is_more_than_the_whole_is_refused(part, post):
    refused, message = partial(post(chat(**{part: 35})))

    assert refused == 1
    assert f"{EVENT_ID}: {part} " in message
    assert "part of" in message
    assert not UsageRecord.objects.exists()


def test_the_deprecated_names_count_where_the_others_are_missing(post):
    old = {"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 8}

    post(chat(**old))
    post(chat(OTHER, gen_ai_usage_input_tokens=None, gen_ai_usage_output_tokens=None, **old))

    stored = UsageRecord.objects.order_by("input_tokens").values_list("input_tokens", "output_tokens")
    assert [*stored] == [(7, 8), (12, 34)]


PASSED_OVER = {
    "no tokens": {"gen_ai_usage_input_tokens": None, "gen_ai_usage_output_tokens": None},
    "an agent": {"gen_ai_operation_name": "invoke_agent"},
    "a tool": {"gen_ai_operation_name": "execute_tool"},
    "a new agent": {"gen_ai_operation_name": "create_agent"},
    "an operation of tomorrow": {"gen_ai_operation_name": "dream"},
}


@pytest.mark.parametrize("changed", PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_is_no_call_is_passed_over_and_counted(changed, post):
    answer = post(chat(OTHER, **changed), chat())

    assert partial(answer) == (0, "")
    assert answer.headers["Spans-Passed-Over"] == "1"
    assert UsageRecord.objects.get().event_id == EVENT_ID


@pytest.mark.parametrize("name", ["chat", "text_completion", "generate_content", "embeddings", None, ""])
def test_each_operation_that_is_a_call_is_stored(name, post):
    assert partial(post(chat(gen_ai_operation_name=name))) == (0, "")
    assert stored()[0] == "acme"


CUSTOMERS = [
    ({"sensenova.customer": "acme", "enduser.id": "x", "user.id": "x"}, {"sensenova.customer": "x"}),
    ({"sensenova.customer": "", "enduser.id": "x"}, {"sensenova.customer": "acme"}),
    ({"enduser.id": "acme", "user.id": "x"}, {"enduser.id": "x"}),
    ({"user.id": "acme"}, {}),
]


@BOTH
@pytest.mark.parametrize(("span", "resource"), CUSTOMERS)
def test_the_customer_is_the_first_that_is_given(span, resource, content_type, post):
    span = {"sensenova.customer": None} | span

    assert partial(post(chat(**span), resource=resource, content_type=content_type)) == (0, "")
    assert stored()[0] == "acme"


@pytest.mark.parametrize(
    ("response", "request_model"),
    [
        ("SenseChat-5", "nova-tts-1"),
        ("sensechat-5-2026-11-01", "SenseChat-5"),
        ("sensechat-5-2026-11-01", "chat"),
        ("chat", None),
        (None, "chat"),
        ("", "SenseChat-5"),
        ("a\0b", "SenseChat-5"),
    ],
)
def test_the_service_is_the_first_model_that_names_one(response, request_model, post):
    ServiceAlias.objects.create(alias="chat", service=Service.objects.get(name="SenseChat-5"))

    answer = post(chat(**{"gen_ai.response.model": response, "gen_ai.request.model": request_model}))

    assert partial(answer) == (0, "")
    assert stored()[1] == "SenseChat-5"


@pytest.mark.parametrize("nanoseconds", [999, 250_000_999])
def test_the_time_is_the_end_of_the_span_cut_to_microseconds(nanoseconds, post):
    post(chat(end=END + nanoseconds))

    later = dt.timedelta(microseconds=nanoseconds // 1000)
    assert UsageRecord.objects.get().occurred_at == HALF_PAST + later


def test_a_span_without_an_end_is_of_its_arrival_and_may_be_resent(post):
    assert [partial(post(chat(end=0))) for _ in range(2)] == [(0, "")] * 2
    assert UsageRecord.objects.get().occurred_at > HALF_PAST


@BOTH
def test_a_call_that_failed_with_tokens_says_so(content_type, post):
    post(chat(status=2), chat(OTHER, status=1), content_type=content_type)

    outcomes = dict(UsageRecord.objects.values_list("event_id", "outcome"))
    assert outcomes == {EVENT_ID: "failed", f"{TRACE_ID}-{OTHER}": None}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown_service": ({"gen_ai_request_model": "SenseChat-6"}, "gen_ai.response.model unknown service"),
    "unknown_customer": ({"sensenova_customer": "nobody"}, "sensenova.customer unknown customer"),
    "not_charged": ({"gen_ai_request_model": "nova-tts-1"}, "does not charge for"),
    "too_old": ({"end": END - 36 * 86_400 * 10**9}, "endTimeUnixNano is more than 35 days ago"),
    "too_far_ahead": ({"end": END + 86_400 * 10**9}, "endTimeUnixNano is more than"),
    "invalid_value": ({"gen_ai_usage_input_tokens": -1}, "gen_ai.usage.input_tokens "),
}


@BOTH
@pytest.mark.parametrize("reason", REFUSED)
def test_good_spans_are_stored_beside_refused_ones(reason, content_type, post):
    changed, words = REFUSED[reason]

    refused, message = partial(post(chat(OTHER, **changed), chat(), content_type=content_type))

    assert refused == 1
    assert message.startswith("Spans refused: 1, stored: 1, passed over: 0.")
    assert f"{TRACE_ID}-{OTHER}: " in message
    assert words in message
    assert UsageRecord.objects.get().event_id == EVENT_ID
    customer = None if reason == "unknown_customer" else "acme"
    assert counted() == [(reason, customer, "chat-gateway-1", 1, 1)]


INVALID = {
    "a fraction": {"gen_ai_usage_input_tokens": 1.5},
    "text": {"gen_ai_usage_output_tokens": "twelve"},
    "true": {"gen_ai_usage_output_tokens": True},
    "2^53 + 1": {"gen_ai_usage_output_tokens": 2**53 + 1},
    "no customer": {"sensenova_customer": None},
    "a number as customer": {"sensenova_customer": 12},
    "NUL": {"sensenova_customer": "a\0"},
    "no model": {"gen_ai_request_model": None},
    "a number as model": {"gen_ai_request_model": 12},
    "a long model": {"gen_ai_request_model": "x" * 256},
    "a short id": {"span_id": "aa"},
    "an id of zeros": {"span_id": "0" * 16},
}


@BOTH
@pytest.mark.parametrize("changed", INVALID.values(), ids=INVALID)
def test_what_is_not_valid_is_refused(changed, content_type, post):
    assert partial(post(chat(**changed), content_type=content_type))[0] == 1
    assert not UsageRecord.objects.exists()
    assert [row[0] for row in counted()] == ["invalid_value"]


def test_a_span_that_is_resent_is_a_duplicate_and_other_content_is_refused(post):
    assert [partial(post(chat()))[0] for _ in range(2)] == [0, 0]
    assert partial(post(chat(), chat()))[0] == 0

    refused, message = partial(post(chat(gen_ai_usage_input_tokens=13), chat(OTHER)))

    assert refused == 1
    assert f"{EVENT_ID}: gen_ai.usage.input_tokens differs from the stored record." in message
    assert UsageRecord.objects.count() == 2
    assert [row[0] for row in counted()] == ["conflicting_usage"]


def test_a_key_of_another_customer_is_refused_span_by_span(post, globex):
    key = limited_key(globex)

    refused, message = partial(post(chat(), chat(OTHER, sensenova_customer="globex"), key=key))

    assert refused == 1
    assert f"{EVENT_ID}: sensenova.customer this key may not report for this customer." in message
    assert stored()[0] == "globex"
    assert counted() == [("customer_not_of_key", "acme", "limited", 1, 1)]


def test_ten_refused_spans_are_named_and_the_others_counted(post):
    spans = [chat(f"{number:016x}", sensenova_customer="nobody") for number in range(1, 13)]

    refused, message = partial(post(*spans))

    assert refused == 12
    assert message.count("unknown customer") == 10
    assert message.endswith(" And 2 more.")


@pytest.mark.parametrize("change", [
    {"attributes": 1}, {"attributes": [1]}, {"endTimeUnixNano": "soon"}, {"status": 1},
    {"status": {"code": {}}},
    {"attributes": [{"key": "user.id", "value": {"stringValue": "\ud800"}}]},
    {"attributes": [{"key": "user.id", "value": {"\ud800": 1}}]},
    {"attributes": [{"key": "user.id", "value": {"doubleValue": 10**400}}]},
])  # fmt: skip
def test_a_malformed_span_in_json_costs_no_other(change, post, service_key):
    sent = json_of(request_of(chat(OTHER), chat()))
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= change

    refused, message = partial(send(json.dumps(sent), service_key, JSON))

    assert (refused, UsageRecord.objects.get().event_id) == (1, EVENT_ID)
    assert "A span: is malformed." in message


@pytest.mark.parametrize("field", ["traceId", "spanId"])
@pytest.mark.parametrize("value", ["", None, 12, "W47/95gDgQPSabYzgT/GDA==", SPAN_ID + "\n", "é" * 16])
def test_an_id_that_is_not_hexadecimal_is_refused(field, value, post, service_key):
    sent = json_of(request_of(chat()))
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {field: value}

    assert f"{field} must be " in partial(send(json.dumps(sent), service_key, JSON))[1]


def test_what_is_not_mapped_is_not_looked_at(post, service_key):
    sent = json_of(request_of(chat()))
    span = sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"].append({"key": "gen_ai.output.messages", "value": {"stringValue": "\ud800"}})
    span |= {"events": [{"name": 1}], "links": 1, "new": {}}

    assert partial(send(json.dumps(sent), service_key, JSON)) == (0, "")
    assert stored()[0] == "acme"


@pytest.mark.parametrize(
    ("content_type", "body"), [(PROTOBUF, b""), (JSON, "{}"), (JSON, '{"resourceSpans": []}')]
)
def test_a_request_without_spans_succeeds(content_type, body, post, service_key):
    assert partial(send(body, service_key, content_type)) == (0, "")


BAD_BODIES = {
    "not protobuf": (PROTOBUF, b"\xff\xff"),
    "unknown fields": (PROTOBUF, b"xx"),
    "JSON as protobuf": (PROTOBUF, b'{"resourceSpans": []}'),
    "not JSON": (JSON, b"{"),
    "nothing": (JSON, b""),
    "protobuf as JSON": (JSON, request_of(chat()).SerializeToString()),
    "an array": (JSON, b"[]"),
    "other names": (JSON, b'{"resource_spans": []}'),
    "no list": (JSON, b'{"resourceSpans": {}}'),
    "no list of spans": (JSON, b'{"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]}'),
    "NaN": (JSON, b'{"resourceSpans": NaN}'),
}


@pytest.mark.parametrize(("content_type", "body"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_cannot_be_read_is_refused_in_its_encoding(content_type, body, post, service_key):
    answer = send(body, service_key, content_type)

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, content_type)
    assert refusal_of(answer).startswith("malformed_")
    assert counted() == [("malformed", None, "chat-gateway-1", 1, 1)]


@BOTH
def test_other_refusals_are_a_status_in_the_encoding_of_the_request(content_type, post):
    reader = issue_service_key(name="reader", scopes=[Scope.BILLING_READ])[1]
    answers = [
        post(chat(), key="wrong", content_type=content_type),
        post(chat(), key=reader, content_type=content_type),
        post(chat(name="x" * 5 * 2**20), content_type=content_type),
        post(chat(), content_type=content_type, **{"Content-Encoding": "br"}),
    ]

    assert [answer.status_code for answer in answers] == [401, 403, 413, 415]
    assert {answer.headers["Content-Type"] for answer in answers} == {content_type}
    codes = [refusal_of(answer).partition(":")[0] for answer in answers]
    assert codes[2:] == ["body_too_large", "unsupported_content_encoding"]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"


def test_another_content_type_is_answered_in_json(post, service_key):
    answer = send("x", service_key, "text/plain")

    assert (answer.status_code, answer.headers["Content-Type"]) == (415, JSON)
    assert refusal_of(answer).startswith("unsupported_media_type: ")


@BOTH
def test_an_outage_is_answered_503_so_that_the_sender_repeats(content_type, post, monkeypatch):
    def fail(**arguments):
        raise OperationalError("gone")

    monkeypatch.setattr("usage.clients.api.report_each", fail)

    answer = post(chat(), content_type=content_type)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert refusal_of(answer).startswith("database_away: ")


def test_more_calls_than_a_batch_holds_are_refused(post, monkeypatch):
    monkeypatch.setattr(otlp, "MAX_BATCH", 1)
    assert refusal_of(post(chat(), chat(OTHER))).startswith("batch_too_large: ")

    monkeypatch.setattr(otlp_messages, "MAX_SPANS", 1)
    assert refusal_of(post(chat(), chat(OTHER))).startswith("batch_too_large: ")
    assert not UsageRecord.objects.exists()


def test_a_span_that_is_refused_is_kept_for_staff_and_the_others_are_stored(post):
    unknown = {"gen_ai_request_model": "nova-9", "gen_ai_response_model": "nova-9"}

    answer = post(chat(), chat("00f067aa0ba902b8", **unknown))

    assert partial(answer)[0] == 1
    assert stored() == ("acme", "SenseChat-5", 12, 34)
    kept = QuarantinedUsage.objects.get()
    assert (kept.service_name, kept.reason) == ("nova-9", "unknown_service")
    assert kept.quantities == {"input_tokens": 12, "output_tokens": 34}
