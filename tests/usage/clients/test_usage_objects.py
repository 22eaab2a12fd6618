"""Each provider's usage object comes to the same measures: every token once, none dropped in silence."""

import json

import pytest

from pricing.catalogue.initial import BEGINS_AT
from pricing.models import BillingItem, Price, Service, ServiceGroup
from sensenova_billing.lib.api.strict_json import BadItem
from tests.builders import at
from tests.tables import code, table
from tests.usage.clients.deliveries import send
from usage.clients.usage_objects import USAGE_OBJECTS, quantities_of
from usage.models import UsageRecord

ROWS = {
    provider: (json.loads(code(usage)), [int(count) for count in counts])
    for provider, usage, *counts in table(
        "clients.md", "provider", "usage object", "input", "cached", "cache write", "output"
    )
}


def event(data):
    return {
        "specversion": "1.0", "id": "1", "source": "test", "type": "use", "subject": "acme",
        "time": at(10).isoformat(), "data": {"model": "SenseChat-5"} | data,
    }  # fmt: skip


@pytest.fixture
def sold_by_the_second():
    """A service that charges for seconds."""
    group = ServiceGroup.objects.earliest("position")
    service = Service.objects.create(name="nova-asr", group=group, position=99)
    item = BillingItem.objects.create(service=service, measure="seconds")
    Price.objects.create(billing_item=item, unit_price="0.01", begins_at=BEGINS_AT)
    return service.name


def stored():
    """What the one record holds: input, cached input, cache writes and output."""
    names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    record = UsageRecord.objects.get()
    return [record.quantity_of(name) for name in names]


@pytest.mark.django_db
@pytest.mark.parametrize(("usage", "counts"), ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("data", [lambda usage: usage, lambda usage: {"usage": usage}], ids=["flat", "apart"])
def test_the_table_of_the_documentation_holds(data, usage, counts, acme, service_key):
    answer = send("/api/v1/events", event(data(usage)), service_key)

    assert answer.status_code == 204, answer.content
    assert stored() == counts


@pytest.mark.django_db
@pytest.mark.parametrize(("usage", "counts"), ROWS.values(), ids=ROWS)
def test_it_holds_for_lago_too(usage, counts, acme, service_key):
    properties = {"model": "SenseChat-5"} | usage
    event = {"transaction_id": "1", "external_subscription_id": "acme", "code": "any"}

    answer = send("/lago/api/v1/events", {"event": event | {"properties": properties}}, service_key)

    assert answer.status_code == 200, answer.content
    assert stored() == counts


def test_every_provider_has_a_row():
    assert all(any(kind.known & {*usage} for usage, _ in ROWS.values()) for kind in USAGE_OBJECTS)


REFUSED = {
    "unknown count": ({"input_tokens": 1, "moon_tokens": 2}, "moon_tokens"),
    "unknown count in details": (
        {"prompt_tokens": 1, "prompt_tokens_details": {"moon_tokens": 2}},
        "prompt_tokens_details.moon_tokens",
    ),
    "unknown count of Google": ({"promptTokenCount": 1, "moonTokenCount": 2}, "moonTokenCount"),
    "more read from the cache than read": (
        {"prompt_tokens": 86, "completion_tokens": 87, "total_tokens": 405}, "total_tokens",
    ),
    "a name that no answer can show": ({"prompt_tokens": 1, "\ud800_tokens": 2}, "data"),
    "two formats": ({"prompt_tokens": 1, "promptTokenCount": 1}, "data"),
    "total alone": ({"total_tokens": 5}, "data"),
    "nothing": ({"cost": 1}, "data"),
    "more reasoning than output": (
        {"output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 2}},
        "output_tokens_details.reasoning_tokens",
    ),
    "a part given twice and otherwise": (
        {"prompt_tokens": 9, "cache_read_input_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}},
        "cache_read_input_tokens",
    ),
    "knowledge of which nobody knows": ({"prompt_tokens": 9, "knowledge_tokens": 2}, "knowledge_tokens"),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "field"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_counted_once_is_refused_by_name(usage, field):
    with pytest.raises(BadItem) as error:
        quantities_of(usage, path="data.")

    assert error.value.field in (field, f"data.{field}")


@pytest.mark.django_db
def test_more_from_the_cache_than_was_read_is_refused(acme, service_key):
    data = {"prompt_tokens": 86, "completion_tokens": 87, "cache_read_input_tokens": 72960}

    answer = send("/api/v1/events", event(data), service_key)

    assert answer.status_code == 422
    assert "part of input tokens" in answer.json()["detail"]


def test_the_callers_limits_are_no_counts():
    assert quantities_of({"input_tokens": 1, "max_tokens": 500}, path="") == {"input_tokens": 1}


@pytest.mark.parametrize(("given", "seconds"), [("12", 12), ("12.4", 12), ("12.5", 13), ("0.04", 0)])
@pytest.mark.django_db
def test_seconds_count_to_the_nearest_whole_one(given, seconds, service_key, acme, sold_by_the_second):
    body = json.dumps(event({"type": "duration", "model": sold_by_the_second})).replace(
        '"type": "duration"', f'"type": "duration", "seconds": {given}'
    )

    assert send("/api/v1/events", body.encode(), service_key).status_code == 204
    assert UsageRecord.objects.get().quantity_of("seconds") == seconds
