"""The door for usage over HTTP: what it takes, what it refuses and in which words."""

import datetime as dt
import json

import pytest
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import ServiceKey
from tests.builders import THE_HOUR, as_json, at, record, report
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

CALL = as_json(report())
VOICE = as_json(report(service="nova-tts-1"), input_tokens=None, output_tokens=None)


def error_of(response, status):
    """Return the error of a refusal, after making sure that it has the one shape."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details", "request_id"]
    assert body["error"]["message"]
    assert body["error"].pop("request_id") == response.headers["X-Request-ID"]
    return body["error"]


def nothing_is_stored():
    """Whether the refusal left no trace."""
    return not UsageRecord.objects.exists()


def with_raw(field, value, call=CALL):
    """The call as JSON, with one field's value as these very characters."""
    rest = json.dumps({name: sent for name, sent in call.items() if name != field})
    return f'{rest[:-1]}, "{field}": {value}}}'


# --- What it takes ---------------------------------------------------------------------------------


def test_a_record_is_stored_and_answered(acme, post):
    response = post(json.dumps(CALL))

    assert (response.status_code, response.json()) == (200, {"accepted": 1, "duplicates": 0})
    assert UsageRecord.objects.get().event_id == "call-1"


def test_a_batch_is_stored_and_answered(acme, globex, post):
    batch = [CALL, as_json(report("call-2")), as_json(report(customer="globex"))]

    response = post(json.dumps(batch))

    assert (response.status_code, response.json()) == (200, {"accepted": 3, "duplicates": 0})
    assert UsageRecord.objects.count() == 3


def test_a_request_that_is_repeated_is_a_duplicate(acme, post):
    post(json.dumps([CALL]))

    response = post(json.dumps([CALL, as_json(report("call-2"))]))

    assert (response.status_code, response.json()) == (200, {"accepted": 1, "duplicates": 1})
    assert UsageRecord.objects.count() == 2


def test_quantities_that_are_left_out_are_none(acme, post):
    response = post(
        json.dumps(CALL | {"event_id": "call-2"}).replace('"output_tokens": 500', '"input_characters": 0')
    )

    assert response.status_code == 200
    assert UsageRecord.objects.get().output_tokens == 0


def test_characters_may_be_sent_as_text(acme, post):
    response = post(json.dumps(VOICE | {"input_text": "你好，world！\n"}))

    assert response.status_code == 200
    assert UsageRecord.objects.get().input_characters == 9


def test_the_largest_batch_is_stored(acme, post):
    batch = [CALL | {"event_id": f"call-{n}"} for n in range(10_000)]

    response = post(json.dumps(batch))

    assert (response.status_code, response.json()) == (200, {"accepted": 10_000, "duplicates": 0})
    assert UsageRecord.objects.count() == 10_000


def test_an_id_has_up_to_255_characters_of_any_script(acme, post):
    event_id = "账" * 254 + "\U0001f600"

    response = post(json.dumps(CALL | {"event_id": event_id}))

    assert response.status_code == 200
    assert UsageRecord.objects.get().event_id == event_id


LITERAL = [
    "'; DROP TABLE usage_usagerecord; --",
    "{{7*7}}",
    "%s",
    "a_b%",
    "\\",
    "=1+1",
    "<script>",
    "\u202egpj",
    " ",
]


@pytest.mark.parametrize("event_id", LITERAL)
def test_an_id_is_stored_literally(event_id, acme, post):
    response = post(json.dumps(CALL | {"event_id": event_id}))

    assert response.status_code == 200
    assert UsageRecord.objects.get().event_id == event_id


EXACT = {
    "0": 0,
    "-0": 0,
    "1": 1,
    "2147483648": 2**31,
    "9007199254740991": 2**53 - 1,
    "9007199254740992": 2**53,
}


@pytest.mark.parametrize(("text", "number"), EXACT.items())
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_a_quantity_is_stored_exactly(field, text, number, acme, post):
    response = post(with_raw(field, text))

    assert response.status_code == 200
    assert getattr(UsageRecord.objects.get(), field) == number


OFFSETS = ["+14:00", "-12:00", "+05:30", "Z", "+00:00"]


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_instant_is_stored_exactly_whatever_its_offset(offset, acme, post):
    instant = at(10) + dt.timedelta(microseconds=123_456)
    zone = dt.datetime.fromisoformat(f"2024-01-01T00:00:00{offset}").tzinfo
    written = instant.astimezone(zone).replace(tzinfo=None).isoformat() + offset

    response = post(json.dumps(CALL | {"occurred_at": written}))

    assert response.status_code == 200
    found = UsageRecord.objects.get()
    assert (found.occurred_at, found.billing_hour) == (instant, THE_HOUR)


# --- Conflicts and bad records ---------------------------------------------------------------------


def test_the_same_id_with_other_content_is_a_conflict_that_shows_both(acme, post):
    record(report())

    error = error_of(post(json.dumps([as_json(report("new")), CALL | {"input_tokens": 7}])), 409)

    assert error["code"] == "conflicting_usage"
    assert error["details"] == [
        {"index": 1, "event_id": "call-1", "field": "input_tokens", "stored": 1000, "sent": 7}
    ]
    assert [found.input_tokens for found in UsageRecord.objects.all()] == [1000]


UNKNOWN = {
    "customer": ({"customer": "nobody"}, "unknown customer"),
    "service": ({"service": "SenseChat-6"}, "unknown service"),
    "input_characters": ({"input_characters": 1}, "SenseChat-5 does not charge for input characters"),
}


@pytest.mark.parametrize(("field", "case"), UNKNOWN.items(), ids=UNKNOWN)
def test_an_unknown_customer_service_or_item_is_refused(field, case, acme, post):
    fields, reason = case

    error = error_of(post(json.dumps(CALL | fields)), 422)

    assert error["code"] == "invalid_usage"
    assert error["details"] == [{"index": 0, "field": field, "reason": reason}]
    assert nothing_is_stored()


def test_every_bad_item_of_a_batch_is_named_and_nothing_stored(acme, post):
    batch = [CALL | {"event_id": f"call-{n}"} for n in range(5)]
    batch[1]["input_tokens"] = -1
    batch[3]["occurred_at"] = "yesterday"
    batch[4]["spare"] = 1

    error = error_of(post(json.dumps(batch)), 422)

    assert [(detail["index"], detail["field"]) for detail in error["details"]] == [
        (1, "input_tokens"),
        (3, "occurred_at"),
        (4, ""),
    ]
    assert all(detail["reason"] for detail in error["details"])
    assert error["message"].startswith("3 records were rejected.")
    assert nothing_is_stored()


def test_every_record_that_cannot_be_billed_is_named_and_nothing_stored(acme, post):
    batch = [CALL, CALL | {"customer": "nobody"}, CALL, CALL | {"service": "SenseChat-6"}]

    error = error_of(post(json.dumps(batch)), 422)

    assert [(detail["index"], detail["field"]) for detail in error["details"]] == [
        (1, "customer"),
        (3, "service"),
    ]
    assert nothing_is_stored()


def test_of_very_many_bad_items_all_are_counted_and_a_hundred_shown(acme, post):
    batch = [CALL | {"event_id": f"call-{n}", "customer": "nobody"} for n in range(150)]

    error = error_of(post(json.dumps(batch)), 422)

    assert error["message"].startswith("150 records were rejected.")
    assert [detail["index"] for detail in error["details"]] == [*range(100)]
    assert nothing_is_stored()


# --- The one shape ---------------------------------------------------------------------------------


def test_400_has_the_one_shape(acme, post):
    error = error_of(post("{"), 400)

    assert error["code"] == "malformed_json"
    assert nothing_is_stored()


def test_401_has_the_one_shape_and_a_challenge(acme):
    response = Client().post("/api/v1/usage", json.dumps(CALL), content_type="application/json")

    error = error_of(response, 401)
    assert error["code"] == "not_authenticated"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api/v2/usage", "/api/v1/usage/", "/api/", "/lago/api/v1/nothing", "/v1/logs"],
)
def test_404_has_the_one_shape(path, post):
    response = Client().get(path)

    assert error_of(response, 404)["code"] == "not_found"


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_405_has_the_one_shape_and_says_what_is_allowed(method, service_key):
    send = getattr(Client(headers={"Authorization": f"Bearer {service_key}"}), method)

    response = send("/api/v1/usage")

    assert error_of(response, 405)["code"] == "method_not_allowed"
    assert "POST" in response.headers["Allow"]


def test_413_has_the_one_shape(acme, post):
    body = json.dumps(CALL) + " " * 17 * 1024 * 1024

    error = error_of(post(body), 413)

    assert error["code"] == "body_too_large"
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_415_has_the_one_shape(content_type, acme, service_key):
    client = Client(headers={"Authorization": f"Bearer {service_key}"})

    response = client.generic("POST", "/api/v1/usage", json.dumps(CALL), content_type=content_type)

    assert error_of(response, 415)["code"] == "unsupported_media_type"
    assert nothing_is_stored()


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense"])
@pytest.mark.parametrize("path", ["/api/v1/usage", "/api/v1/usage?format=xml"])
def test_the_answer_is_json_whatever_is_asked_for(path, accept, acme, service_key):
    answer = post_with({"Authorization": f"Bearer {service_key}", "Accept": accept}, path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


# --- Keys ------------------------------------------------------------------------------------------


def post_with(headers, path="/api/v1/usage"):
    return Client().post(path, json.dumps(CALL), content_type="application/json", headers=headers)


def test_a_revoked_key_is_refused_at_once(acme, post, service_key):
    assert post(json.dumps(CALL)).status_code == 200

    revoke_service_key(key=ServiceKey.objects.get(), now=timezone.now())

    error_of(post(json.dumps(as_json(report("call-2")))), 401)
    assert UsageRecord.objects.count() == 1


def test_an_expired_key_is_refused(acme):
    _, text = issue_service_key(name="chat-gateway-1", expires_at=timezone.now() - dt.timedelta(seconds=1))

    response = post_with({"Authorization": f"Bearer {text}"})

    assert error_of(response, 401)["code"] == "authentication_failed"
    assert nothing_is_stored()


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_a_scheme_may_be_written_in_any_case(scheme, acme, service_key):
    response = post_with({"Authorization": f"{scheme} {service_key}"})

    assert response.status_code == 200


REFUSED_HEADERS = {
    "no scheme": "{key}",
    "scheme only": "Bearer",
    "no key": "Bearer ",
    "Basic": "Basic {key}",
    "Token": "Token {key}",
    "upper-cased": "Bearer {upper}",
    "truncated": "Bearer {truncated}",
    "longer": "Bearer {key}A",
    "twice": "Bearer {key} {key}",
    "comma": "Bearer {key}, Bearer {key}",
    "quoted": 'Bearer "{key}"',
    "NUL": "Bearer {key}\0",
    "latin": "Bearer \xff\xfe",
}


@pytest.mark.parametrize("header", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS)
def test_a_key_that_is_not_shown_as_it_should_be_is_refused(header, acme, service_key):
    shown = header.format(key=service_key, upper=service_key.upper(), truncated=service_key[:-1])

    response = post_with({"Authorization": shown})

    error_of(response, 401)
    assert nothing_is_stored()


def test_a_key_in_the_address_or_in_a_cookie_is_no_key(acme, service_key):
    client = Client()
    client.cookies["Authorization"] = f"Bearer {service_key}"

    response = client.post(
        f"/api/v1/usage?key={service_key}", json.dumps(CALL), content_type="application/json"
    )

    error_of(response, 401)
    assert nothing_is_stored()


def test_a_person_who_is_signed_in_does_not_report_usage(alice_client):
    response = alice_client.post("/api/v1/usage", json.dumps(CALL), content_type="application/json")

    error_of(response, 401)
    assert nothing_is_stored()


# --- Bad values ------------------------------------------------------------------------------------

BAD_NUMBERS = {
    "NaN": (400, "NaN"),
    "Infinity": (400, "Infinity"),
    "-Infinity": (400, "-Infinity"),
    "1e999": (422, "1e999"),
    "-1": (422, "-1"),
    "0.5": (422, "0.5"),
    "1.0": (422, "1.0"),
    "1e3": (422, "1e3"),
    "2^53 + 1": (422, "9007199254740993"),
    "2^63 - 1": (422, "9223372036854775807"),
    "2^63": (422, "9223372036854775808"),
    "2^64": (422, "18446744073709551616"),
    "10^40": (422, "1" + "0" * 40),
    "5,000 digits": (400, "9" * 5000),
    "true": (422, "true"),
    "false": (422, "false"),
    "text": (422, '"12"'),
    "text with spaces": (422, '" 12 "'),
    "full-width digits": (422, '"１２"'),
    "half of a surrogate pair": (422, r'"\ud800"'),
    "full-width digits, bare": (400, "１２"),
    "Arabic digits, bare": (400, "١٢"),
    "leading zero": (400, "012"),
    "plus": (400, "+12"),
    "hexadecimal": (400, "0x12"),
    "null": (422, "null"),
    "list": (422, "[]"),
    "list of one": (422, "[12]"),
    "object": (422, "{}"),
    "nothing": (400, ""),
}


@pytest.mark.parametrize(("status", "text"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "input_characters"])
def test_a_quantity_that_is_not_a_plain_whole_number_is_refused(field, status, text, acme, post):
    call = VOICE if field == "input_characters" else CALL

    error = error_of(post(with_raw(field, text, call)), status)

    assert (error["code"], [(d["index"], d["field"]) for d in error["details"]]) in (
        ("malformed_json", []),
        ("invalid_usage", [(0, field)]),
    )
    assert nothing_is_stored()


@pytest.mark.parametrize("field", ["event_id", "customer", "occurred_at", "input_tokens", "output_tokens"])
def test_a_field_that_stands_twice_is_refused(field, acme, post):
    twice = json.dumps(CALL)[:-1] + f', "{field}": {json.dumps(CALL[field])}}}'

    errors = [error_of(post(body), 400) for body in (twice, f"[{json.dumps(CALL)}, {twice}]")]

    assert [error["message"] for error in errors] == ["Duplicate key in an object. Nothing was stored."] * 2
    assert nothing_is_stored()


def test_a_misspelt_field_is_refused_and_not_ignored(acme, post):
    error = error_of(post(json.dumps(CALL | {"input_token": 5})), 422)

    assert "input_token" in error["details"][0]["reason"]
    assert nothing_is_stored()


def test_a_field_whose_name_is_not_unicode_is_refused(acme, post):
    error = error_of(post(json.dumps(CALL | {"\ud800": 5})), 422)

    assert error["details"][0]["reason"] == "is not valid Unicode"
    assert nothing_is_stored()


@pytest.mark.parametrize("field", ["billing_hour", "received_at", "customer_id", "amount", "unit_price"])
def test_a_sender_does_not_set_what_is_ours(field, acme, post):
    error_of(post(json.dumps(CALL | {field: 1})), 422)

    assert nothing_is_stored()


@pytest.mark.parametrize("field", ["event_id", "customer", "service", "occurred_at"])
def test_a_field_that_is_missing_is_refused(field, acme, post):
    error = error_of(post(json.dumps({name: value for name, value in CALL.items() if name != field})), 422)

    assert field in error["details"][0]["reason"]
    assert nothing_is_stored()


@pytest.mark.parametrize("text", ["你好", "Hi", ""])
def test_text_and_count_together_are_refused(text, acme, post):
    # A body without escapes is decoded in another way than one with them.
    error = error_of(post(json.dumps(VOICE | {"input_text": text, "input_characters": 2})), 422)

    assert error["details"][0]["reason"] == "give either input_characters or input_text"
    assert nothing_is_stored()


BAD_INSTANTS = {
    "naive": at(10).replace(tzinfo=None).isoformat(),
    "a day": f"{THE_HOUR:%Y-%m-%d}",
    "a time": "12:00:00Z",
    "leap second": f"{THE_HOUR:%Y-%m-%dT%H}:59:60Z",
    "60 seconds": f"{THE_HOUR:%Y-%m-%dT%H}:10:60+00:00",
    "hour 24": f"{THE_HOUR:%Y-%m-%d}T24:00:00Z",
    "year 0": "0000-01-01T00:00:00Z",
    "year 1, ahead of UTC": "0001-01-01T00:00:00+14:00",
    "year 9999, behind UTC": "9999-12-31T23:59:59-12:00",
    "year 10000": "10000-01-01T00:00:00Z",
    "29 February of a plain year": "2023-02-29T00:00:00Z",
    "offset of 25 hours": f"{THE_HOUR:%Y-%m-%dT%H}:10:00+25:00",
    "zone by name": f"{THE_HOUR:%Y-%m-%dT%H}:10:00 Asia/Shanghai",
    "other digits": f"{THE_HOUR:%Y-%m-%dT%H}:１０:00Z",
    "half of a surrogate pair": "\ud800",
    "36 days ago": (at(0) - dt.timedelta(days=36)).isoformat(),
    "a day ahead": (at(0) + dt.timedelta(days=1)).isoformat(),
    "empty": "",
    "number": 1700000000,
    "null": None,
    "list": [],
}


@pytest.mark.parametrize("value", BAD_INSTANTS.values(), ids=BAD_INSTANTS)
def test_an_instant_that_is_not_one_of_the_last_35_days_with_its_offset_is_refused(value, acme, post):
    error = error_of(post(json.dumps(CALL | {"occurred_at": value})), 422)

    assert [(detail["index"], detail["field"]) for detail in error["details"]] == [(0, "occurred_at")]
    assert nothing_is_stored()


BAD_STRINGS = {
    "empty": '""',
    "NUL": r'"call\u0000"',
    "NUL alone": r'"\u0000"',
    "lone high surrogate": r'"call\ud800"',
    "lone low surrogate": r'"\udc00call"',
    "surrogates in the wrong order": r'"\udc00\ud800"',
    "256 characters": json.dumps("x" * 256),
    "a megabyte": json.dumps("x" * 1024 * 1024),
    "number": "12",
    "null": "null",
    "list": '["call-1"]',
    "true": "true",
}


@pytest.mark.parametrize("value", BAD_STRINGS.values(), ids=BAD_STRINGS)
@pytest.mark.parametrize("field", ["event_id", "customer", "service"])
def test_a_name_that_is_not_a_plain_string_is_refused(field, value, acme, post):
    response = post(with_raw(field, value))

    error = error_of(response, 422)
    assert [detail["index"] for detail in error["details"]] == [0]
    assert nothing_is_stored()


BAD_TEXTS = {"lone surrogate": r'"\ud800"', "number": "12", "null": "null", "list": "[]"}


@pytest.mark.parametrize("value", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_text_that_is_not_one_is_refused(value, acme, post):
    error_of(post(with_raw("input_text", value, VOICE)), 422)

    assert nothing_is_stored()


BAD_BODIES = {
    "nothing": (400, b""),
    "spaces": (400, b"  "),
    "an empty batch": (400, b"[]"),
    "not closed": (400, b"["),
    "deep lists": (400, b"[" * 100_000 + b"]" * 100_000),
    "deep objects": (400, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "deep within a record": (400, b'{"event_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "two records": (400, json.dumps(CALL).encode() * 2),
    "a comma too many": (400, b"[" + json.dumps(CALL).encode() + b",]"),
    "single quotes": (400, str(CALL).encode()),
    "not UTF-8": (400, json.dumps(CALL).encode().replace(b"call-1", b"call-\xff")),
    "null": (422, b"null"),
    "a number": (422, b"12"),
    "text": (422, b'"call-1"'),
    "an empty object": (422, b"{}"),
    "a batch of nothing": (422, b"[null]"),
    "a batch of batches": (422, b"[[" + json.dumps(CALL).encode() + b"]]"),
}


@pytest.mark.parametrize(("status", "body"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_not_usage_is_refused(status, body, acme, post):
    error = error_of(post(body), status)

    assert error["code"] in {"malformed_json", "empty_batch", "invalid_usage"}
    assert nothing_is_stored()


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("sent", [CALL, [CALL]], ids=["record", "batch"])
def test_json_is_utf_8_without_a_mark(sent, encoding, acme, post):
    response = post(json.dumps(sent).encode(encoding))

    error_of(response, 400)
    assert nothing_is_stored()


# With an escape each item is looked at by itself.
@pytest.mark.parametrize("user", ["Zoe", "Zoë"])
def test_a_batch_that_is_too_large_is_refused(user, acme, post):
    batch = [CALL | {"event_id": f"call-{n}", "metadata": {"user": user}} for n in range(10_001)]

    error = error_of(post(json.dumps(batch)), 400)

    assert (error["code"], error["message"]) == (
        "batch_too_large",
        "A batch holds up to 10,000 records, not 10,001.",
    )
    assert nothing_is_stored()
