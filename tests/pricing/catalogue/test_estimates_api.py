"""POST /api/v1/estimates: what usage would cost, and nothing is stored."""

import datetime as dt
import json

import pytest
from django.test import Client

from pricing.models import Service, ServiceAlias
from pricing.rules.kinds import Kind
from tests.builders import alias_from_before, price
from tests.tables import code, table
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
LATER = NOW + dt.timedelta(days=3)
IN = ("SenseChat", "input_tokens")


def send(body, content_type="application/json"):
    sent = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post("/api/v1/estimates", sent, content_type=content_type)


def estimate(*usage, **more):
    answer = send({"usage": [*usage], **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


def problems(*usage, **more):
    answer = send({"usage": [*usage], **more})
    assert answer.status_code == 422, answer.content
    error = answer.json()["error"]
    assert error["code"] == "invalid_usage"
    return [(detail["index"], detail["field"], detail["reason"]) for detail in error["details"]]


def chat(**fields):
    return {"service": "SenseChat", **fields}


def test_usage_is_priced_line_by_line():
    said = estimate(chat(input_tokens=1500, output_tokens=7))

    first, second = said["lines"]
    assert first == {
        "index": 0,
        "service": "SenseChat",
        "billing_item": "input_tokens",
        "quantity": "1500",
        "price_kind": "list_price",
        "unit_price": "0.012",
        "unit_size": 1000,
        "unit": "thousand tokens",
        "amount": "0.018",
    }
    assert (second["billing_item"], second["amount"]) == ("output_tokens", "0.000084")
    assert (said["total"], said["currency"]) == ("0.018084", "CNY")


def test_each_line_says_which_usage_it_is_for():
    said = estimate(
        chat(input_tokens=1), {"service": "SenseChat-5", "output_tokens": 1000}, chat(input_tokens=2)
    )

    assert [(line["index"], line["service"]) for line in said["lines"]] == [
        (0, "SenseChat"),
        (1, "SenseChat-5"),
        (2, "SenseChat"),
    ]
    assert said["total"] == "0.100036"


def test_a_free_trial_is_a_line_that_costs_nothing():
    (line,) = estimate({"service": "nova-tts-1", "input_characters": 12_345})["lines"]

    assert (line["price_kind"], line["amount"], line["unit"]) == ("free_trial", "0", "thousand characters")


@pytest.mark.parametrize(
    ("text", "characters"),
    # NUL is refused, as with usage.
    [row[:2] for row in table("pricing.md", "text", "characters", "why") if r"\x00" not in row[0]],
)
def test_text_is_counted_as_usage_would_be(text, characters):
    (line,) = estimate({"service": "nova-tts-1", "input_text": code(text)})["lines"]

    assert line["quantity"] == characters


def test_the_largest_quantity_at_an_odd_price_is_exact():
    price(*IN, "0.00000001", begins_at=LATER, unit_size=1_000_000, kind=Kind.LIMITED_TIME_OFFER)

    said = estimate(chat(input_tokens=2**53), at=LATER.isoformat())

    assert said["total"] == "90.07199254740992"


def test_the_price_is_that_of_the_instant_asked_for():
    price(*IN, "0.009", begins_at=LATER, kind=Kind.LIMITED_TIME_OFFER)
    before = (LATER - dt.timedelta(microseconds=1)).isoformat()

    totals = [estimate(chat(input_tokens=1000), at=at)["total"] for at in (before, LATER.isoformat())]

    assert totals == ["0.012", "0.009"]


def test_without_an_instant_it_is_now():
    price(*IN, "0.009", begins_at=NOW, ends_at=LATER, kind=Kind.LIMITED_TIME_OFFER)

    assert estimate(chat(input_tokens=1000))["total"] == "0.009"


def test_a_customers_own_price_is_not_told(acme):
    price(*IN, "0.00777", begins_at=NOW - dt.timedelta(days=1), customer=acme)

    assert estimate(chat(input_tokens=1000))["total"] == "0.012"


def test_a_service_may_be_named_by_an_alias():
    ServiceAlias.objects.create(alias="gateway/chat", service=Service.objects.get(name="SenseChat"))
    # Its name is another's alias: the name comes first.
    alias_from_before("SenseChat-5", service=Service.objects.get(name="SenseChat"))

    said = estimate(
        {"service": "gateway/chat", "input_tokens": 1}, {"service": "SenseChat-5", "input_tokens": 1}
    )

    assert [line["service"] for line in said["lines"]] == ["SenseChat", "SenseChat-5"]


def test_a_quantity_of_nothing_is_a_line_and_what_is_not_sold_is_none():
    said = estimate(chat(input_tokens=0, input_characters=0))

    assert [(line["billing_item"], line["amount"]) for line in said["lines"]] == [("input_tokens", "0")]
    assert said["total"] == "0"


def test_nothing_is_stored():
    estimate({"service": "nova-tts-1", "input_text": "secret"})

    assert not UsageRecord.objects.exists()


def test_a_hundred_usages_take_as_few_queries_as_one(django_assert_num_queries):
    ServiceAlias.objects.create(alias="gateway/chat", service=Service.objects.get(name="SenseChat"))
    with django_assert_num_queries(7):
        estimate(*[chat(input_tokens=1), {"service": "gateway/chat", "input_tokens": 1}] * 50)


BAD_ITEMS = {
    "no service of this name": (chat(service="SenseChat-6", input_tokens=1), "service"),
    "an empty name": (chat(service="", input_tokens=1), "service"),
    "a name that is too long": (chat(service="x" * 256, input_tokens=1), "service"),
    "no service": ({"input_tokens": 1}, ""),
    "what is not charged": (chat(input_characters=1), "input_characters"),
    "text where tokens are charged": (chat(input_text="a"), "input_characters"),
    "a fraction": (chat(input_tokens=1.5), "input_tokens"),
    "a whole float": (chat(input_tokens=1.0), "input_tokens"),
    "a string": (chat(input_tokens="1"), "input_tokens"),
    "a truth": (chat(input_tokens=True), "input_tokens"),
    "null": (chat(input_tokens=None), "input_tokens"),
    "less than nothing": (chat(input_tokens=-1), "input_tokens"),
    "too much": (chat(input_tokens=2**53 + 1), "input_tokens"),
    "far too much": (chat(input_tokens=10**40), "input_tokens"),
    "no quantity": (chat(), ""),
    "an unknown field": (chat(input_tokens=1, tokens=1), ""),
    "a part larger than its whole": (chat(input_tokens=1, cache_write_tokens=2), "cache_write_tokens"),
    "parts larger than their whole together": (
        chat(input_tokens=10, cached_input_tokens=6, cache_write_tokens=5),
        "cached_input_tokens",
    ),
    "a customer": (chat(input_tokens=1, customer="acme"), ""),
    "both text and count": (
        {"service": "nova-tts-1", "input_characters": 1, "input_text": "a"},
        "input_text",
    ),
    "a text that is none": ({"service": "nova-tts-1", "input_text": 5}, "input_text"),
    "half a character": ({"service": "nova-tts-1", "input_text": "\ud800"}, "input_text"),
    "a service of half a character": ({"service": "\ud800", "input_tokens": 1}, "service"),
    "NUL": (chat(service="a\0", input_tokens=1), "service"),
    "a list": ([], ""),
    "a number": (7, ""),
    "nothing": (None, ""),
}


@pytest.mark.parametrize(("item", "field"), BAD_ITEMS.values(), ids=BAD_ITEMS)
def test_a_bad_item_is_named_by_its_index_and_field(item, field):
    good = chat(input_tokens=1)

    found = problems(good, item, good)

    assert [(index, named) for index, named, _ in found] == [(1, field)]
    assert all(reason for _, _, reason in found)


def test_every_bad_item_is_named():
    found = problems(chat(input_tokens=1), chat(service="a", input_tokens=1), chat(input_characters=1))

    assert found == [
        (1, "service", "there is no service named 'a'"),
        (2, "input_characters", "SenseChat does not charge for input characters"),
    ]


def test_before_it_was_on_sale_a_service_has_no_price():
    found = problems(chat(input_tokens=1), at="2022-12-31T23:59:59Z")

    assert found == [(0, "input_tokens", "SenseChat does not charge for input tokens at that instant")]


ONE = '[{"service": "SenseChat", "input_tokens": 1}]'
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"usage": "\xff"}',
    "a key twice": f'{{"usage": {ONE}, "usage": {ONE}}}',
    "a quantity twice": '{"usage": [{"service": "SenseChat", "input_tokens": 1, "input_tokens": 2}]}',
    "NaN": '{"usage": [{"service": "SenseChat", "input_tokens": NaN}]}',
    "deep": "[" * 9_000,
    "a list": ONE,
    "a string": '"usage"',
    "null": "null",
    "no usage": "{}",
    "usage that is no list": '{"usage": {"service": "SenseChat"}}',
    "no items": '{"usage": []}',
    "too many items": json.dumps({"usage": [chat(input_tokens=1)] * 101}),
    "an unknown field": f'{{"usage": {ONE}, "code": "acme"}}',
    "a customer that is no text": f'{{"usage": {ONE}, "customer": 7}}',
    "a naive instant": f'{{"usage": {ONE}, "at": "2026-01-01T00:00:00"}}',
    "no instant": f'{{"usage": {ONE}, "at": "tomorrow"}}',
    "an instant as a number": f'{{"usage": {ONE}, "at": 1767225600}}',
    "null for an instant": f'{{"usage": {ONE}, "at": null}}',
    "an instant before all": f'{{"usage": {ONE}, "at": "0001-01-01T00:00:00+14:00"}}',
    "half a character": rf'{{"usage": {ONE}, "\ud800": 1}}',
    "half an instant": rf'{{"usage": {ONE}, "at": "\ud800"}}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused_as_a_whole(body):
    answer = send(body)

    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message", "details", "request_id"}
    assert "Nothing was stored." in answer.json()["error"]["message"]


def test_a_body_that_is_too_large_is_refused():
    text = "x" * 2**20

    answer = send({"usage": [{"service": "nova-tts-1", "input_text": text}]})

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert "1 MiB" in answer.json()["error"]["message"]


def test_another_content_type_is_refused():
    assert send(ONE, content_type="text/plain").status_code == 415


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_it_is_only_posted_to(method):
    assert getattr(Client(), method)("/api/v1/estimates").status_code == 405
