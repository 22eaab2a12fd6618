"""Refused usage is counted by hour, key, customer and reason, whichever endpoint refuses it."""

import datetime as dt
import json
import logging
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import Customer, Scope, ServiceKey
from pricing.models import BillingItem, Price, Service
from pricing.rules.measures import Measure
from sensenova_billing.http.body_limits import LIMITS
from tests.builders import as_json, at, record, report
from tests.usage.refused.builders import ENDPOINTS, USAGE, a_record, counted, send
from usage.billing_hours import hour_of
from usage.models import HOUR, RefusalReason, RefusedUsage, RefusedUsageTotal
from usage.refused import counters as refused_usage
from usage.refused.counters import RefusalCounters, RefusedRequest, forget_refused_usage, refused_in_all

pytestmark = pytest.mark.django_db

by_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
by_batch = pytest.mark.parametrize(
    "endpoint", [one for one in ENDPOINTS if one.batch], ids=lambda endpoint: endpoint.path
)

# What is wrong with the record, and for which customer it is counted.
WRONG_RECORDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "unknown_service": ({"service": "a made-up model"}, "acme"),
    "unknown_customer": ({"customer": "a made-up customer"}, None),
    "not_charged": ({"service": "nova-tts-1"}, "acme"),
    "too_old": ({"occurred_at": at(0) - dt.timedelta(days=36)}, "acme"),
    "too_far_ahead": ({"occurred_at": at(0) + dt.timedelta(days=1)}, "acme"),
    "invalid_value": ({"tokens": -1}, "acme"),
}


@by_endpoint
@pytest.mark.parametrize("reason", WRONG_RECORDS)
def test_a_record_that_is_wrong_is_counted_for_its_customer(reason, endpoint, acme, service_key):
    wrong, customer = WRONG_RECORDS[reason]

    status = send(endpoint.path, endpoint.one(a_record(endpoint, **wrong)), service_key)

    assert status == 422
    assert counted() == [(reason, customer, "chat-gateway-1", 1, 1)]


@by_endpoint
def test_an_event_id_with_other_content_is_counted(endpoint, acme, service_key):
    send(endpoint.path, endpoint.one(a_record(endpoint)), service_key)

    status = send(endpoint.path, endpoint.one(a_record(endpoint, tokens=13)), service_key)

    assert status in {409, 422}
    assert counted() == [("conflicting_usage", "acme", "chat-gateway-1", 1, 1)]


@by_endpoint
def test_a_customer_that_the_key_may_not_report_for_is_counted(endpoint, acme, globex):
    key = issue_service_key(name="globex-gateway", customers=[globex])[1]

    assert send(endpoint.path, endpoint.one(a_record(endpoint)), key) == 422
    assert send(endpoint.path, endpoint.one(a_record(endpoint, customer="nobody")), key) == 422

    assert counted() == [
        ("customer_not_of_key", "acme", "globex-gateway", 1, 1),
        ("customer_not_of_key", None, "globex-gateway", 1, 1),
    ]


@by_endpoint
@pytest.mark.parametrize("body", ["{", "\x00", '{"a": NaN}', "1 2"])
def test_a_body_that_cannot_be_read_is_counted_as_one_record(body, endpoint, service_key):
    assert send(endpoint.path, body, service_key) == 400
    assert counted() == [("malformed", None, "chat-gateway-1", 1, 1)]


@by_endpoint
def test_a_body_that_is_too_large_is_counted(endpoint, acme, service_key):
    body = " " * (LIMITS[endpoint.path].most_bytes + 1)

    assert send(endpoint.path, body, service_key) == 413
    assert counted() == [("body_too_large", None, "chat-gateway-1", 1, 1)]


@by_endpoint
def test_another_content_type_is_counted(endpoint, acme, service_key):
    assert send(endpoint.path, endpoint.one(a_record(endpoint)), service_key, "text/plain") == 415
    assert counted() == [("unsupported_media_type", None, "chat-gateway-1", 1, 1)]


NOT_UNPACKED = {
    "gzip": (400, "malformed"),
    "br": (415, "unsupported_media_type"),
}


@by_endpoint
@pytest.mark.parametrize("encoding", NOT_UNPACKED)
def test_a_body_that_cannot_be_unpacked_is_counted(encoding, endpoint, service_key):
    headers = {"Authorization": f"Bearer {service_key}", "Content-Encoding": encoding}
    answer = Client().post(endpoint.path, "not packed", content_type="application/json", headers=headers)

    status, reason = NOT_UNPACKED[encoding]
    assert answer.status_code == status
    assert counted() == [(reason, None, "chat-gateway-1", 1, 1)]


@by_endpoint
def test_a_key_without_the_scope_is_counted(endpoint):
    key = issue_service_key(name="reader", scopes=[Scope.BILLING_READ])[1]

    assert send(endpoint.path, "{}", key) == 403
    assert counted() == [("missing_scope", None, "reader", 1, 1)]


@by_endpoint
def test_keys_that_are_not_live_are_counted_under_no_key(endpoint):
    revoked, text = issue_service_key(name="revoked")
    revoke_service_key(key=revoked, now=timezone.now())
    expired = issue_service_key(name="expired", expires_at=timezone.now() - HOUR)[1]

    assert [send(endpoint.path, "{}", key) for key in (text, expired, "sk_live_unknown")] == [401] * 3
    assert counted() == [("invalid_key", None, None, 3, 3)]


@by_endpoint
def test_a_request_without_a_key_is_counted_under_no_key(endpoint):
    assert send(endpoint.path, "{}", "") == 401
    assert counted() == [("no_key", None, None, 1, 1)]


@by_batch
def test_an_empty_batch_is_counted(endpoint, service_key):
    assert send(endpoint.path, endpoint.batch([]), service_key) == 400
    assert counted() == [("empty_batch", None, "chat-gateway-1", 1, 1)]


@by_batch
def test_too_many_records_are_counted(endpoint, service_key):
    assert send(endpoint.path, endpoint.batch([{}] * 10_001), service_key) == 400
    assert counted() == [("batch_too_large", None, "chat-gateway-1", 1, 1)]


@by_batch
@pytest.mark.parametrize("wrong", [{"service": "a made-up model"}, {"tokens": -1}], ids=["stored", "decoded"])
def test_of_a_refused_batch_each_record_is_counted_for_its_customer(
    wrong, endpoint, acme, globex, service_key
):
    """Whether it is refused while it is decoded or later; of LiteLLM's the right ones are stored."""
    batch = [a_record(endpoint, event_id=f"call-{n}", **wrong) for n in range(3)]
    batch += [a_record(endpoint, event_id="right"), a_record(endpoint, customer="globex")]
    is_whole = endpoint.path != "/api/v1/litellm"

    assert send(endpoint.path, endpoint.batch(batch), service_key) == (422 if is_whole else 200)

    reason = "unknown_service" if "service" in wrong else "invalid_value"
    with_batch = {("refused_with_batch", code, "chat-gateway-1", 1, 1) for code in ("acme", "globex")}
    assert set(counted()) == {(reason, "acme", "chat-gateway-1", 1, 3), *(with_batch if is_whole else ())}


def test_a_service_that_is_not_on_sale_yet_is_counted(acme, post):
    new = Service.objects.create(name="SenseChat-6", group=Service.objects.earliest("pk").group)
    sold = BillingItem.objects.create(service=new, measure=Measure.INPUT_TOKENS)
    Price.objects.create(billing_item=sold, unit_price=1, begins_at=at(30))

    assert post(json.dumps(as_json(report(service="SenseChat-6"), output_tokens=None))).status_code == 422
    assert counted() == [("not_on_sale_yet", "acme", "chat-gateway-1", 1, 1)]


def test_calls_that_used_no_model_are_not_counted_in_a_refused_batch(acme, service_key):
    """LiteLLM sends failed calls as well."""
    litellm = ENDPOINTS[2]
    batch = [a_record(litellm, tokens=-1), {"status": "failure", "id": "x", "end_user": "acme"}]

    send(litellm.path, batch, service_key)

    assert counted() == [("invalid_value", "acme", "chat-gateway-1", 1, 1)]


# --- Reversals -------------------------------------------------------------------------------------

REVERSAL = {"customer": "acme", "event_id": "call-1", "reason": "Sent twice."}
NOT_REVERSIBLE = {
    "no such record": ({}, "acme"),
    "a made-up customer": ({"customer": "nobody"}, None),
    "no reason": ({"reason": ""}, None),
    "a field too much": ({"amount": 1}, None),
}


@pytest.mark.parametrize(("wrong", "customer"), NOT_REVERSIBLE.values(), ids=NOT_REVERSIBLE)
def test_a_reversal_that_cannot_be_made_is_counted(wrong, customer, acme, service_key):
    assert send("/api/v1/reversals", REVERSAL | wrong, service_key) == 422
    assert counted() == [("not_reversible", customer, "chat-gateway-1", 1, 1)]


def test_a_reversal_for_another_reason_than_before_is_counted(acme, service_key):
    record(report())
    send("/api/v1/reversals", REVERSAL, service_key)

    assert send("/api/v1/reversals", REVERSAL | {"reason": "A test."}, service_key) == 409
    assert counted() == [("already_reversed", "acme", "chat-gateway-1", 1, 1)]


def test_reversals_are_counted_by_the_reasons_of_every_endpoint(service_key):
    path = "/api/v1/reversals"

    assert [send(path, "{", service_key), send(path, "{}", ""), send(path, "{}", "sk_live_x")] == [
        400,
        401,
        401,
    ]
    assert [reason for reason, *_ in counted()] == ["invalid_key", "malformed", "no_key"]


# --- What is not counted, and what it costs --------------------------------------------------------


@by_endpoint
def test_usage_that_is_accepted_is_not_counted_and_pays_nothing(endpoint, acme, service_key):
    body = endpoint.one(a_record(endpoint))

    with CaptureQueriesContext(connection) as queries:
        assert send(endpoint.path, body, service_key) in {200, 204}
    assert send(endpoint.path, body, service_key) in {200, 204}  # a duplicate

    assert counted() == []
    assert not [query for query in queries if "refused" in query["sql"]]


@by_endpoint
def test_a_look_at_an_endpoint_is_not_counted(endpoint, service_key):
    Client().get(endpoint.path)
    Client().get(endpoint.path, headers={"Authorization": f"Bearer {service_key}"})

    assert counted() == []


@by_endpoint
def test_usage_sent_by_another_method_is_counted(endpoint, service_key):
    Client().put(endpoint.path, "{}", headers={"Authorization": f"Bearer {service_key}"})

    assert counted() == [("other", None, "chat-gateway-1", 1, 1)]


# --- What senders make up --------------------------------------------------------------------------


@by_endpoint
def test_names_that_a_sender_makes_up_add_no_rows_and_are_not_stored(endpoint, acme, service_key):
    for number in range(20):
        made_up = {
            "customer": f"hostile-{number}",
            "service": f"hostile <b>{number}\n",
            "event_id": f"hostile {number}",
        }
        send(endpoint.path, endpoint.one(a_record(endpoint, **made_up)), service_key)

    row = RefusedUsage.objects.get()
    assert (row.reason, row.customer, row.requests) == ("unknown_customer", None, 20)
    assert "hostile" not in str(vars(row))


@pytest.mark.parametrize(
    "customer", ["", "x" * 10_000, "a\n", "a\x00", "\ud800", 12, None, ["acme"], {"a": 1}, True]
)
def test_whatever_a_sender_names_as_the_customer_is_counted(customer, acme, service_key):
    sent = a_record(USAGE) | {"customer": customer}

    assert send(USAGE.path, sent, service_key) == 422
    assert [one[1:] for one in counted()] == [(None, "chat-gateway-1", 1, 1)]


def test_of_very_many_counters_at_a_time_the_customer_is_left_out(monkeypatch, settings):
    """What waits in memory is bounded, and no record is left out."""
    settings.COUNT_REFUSED_USAGE_IN_BACKGROUND = True
    monkeypatch.setattr(refused_usage, "MOST_COUNTERS", 10)
    monkeypatch.setattr(RefusalCounters, "_start", lambda self: None)
    for number in range(50):
        Customer.objects.create(code=f"customer-{number}", name="One of many")
    counters = RefusalCounters()

    counters.add(refused(at(5), {(RefusalReason.TOO_OLD, f"customer-{number}"): 2 for number in range(50)}))
    counters.write()

    assert RefusedUsage.objects.count() == 11
    assert RefusedUsage.objects.get(customer=None).records == 80


def refused(instant, records=None, key=None):
    """A request that was refused at this instant, by default with one record of Acme's that is too old."""
    return RefusedRequest(key, USAGE.path, instant, records or {(RefusalReason.TOO_OLD, "acme"): 1})


# --- Counters --------------------------------------------------------------------------------------


def test_each_hour_has_a_counter_of_its_own_with_its_last_few_requests(acme):
    for minute in range(55, 64):
        refused_usage.count_refused(refused(at(minute), {(RefusalReason.TOO_OLD, "acme"): minute}))

    later, first = RefusedUsage.objects.all()
    assert [(one.hour, one.requests, one.records) for one in (first, later)] == [
        (at(0), 5, sum(range(55, 60))),
        (at(60), 4, sum(range(60, 64))),
    ]
    assert later.last_at == at(63)
    assert [(dt.datetime.fromisoformat(one["at"]), one["records"]) for one in first.latest] == [
        (at(minute), minute) for minute in (59, 58, 57, 56, 55)
    ]


def test_no_more_than_five_requests_are_shown_of_a_counter(acme):
    for minute in range(10):
        refused_usage.count_refused(refused(at(minute)))

    latest = RefusedUsage.objects.get().latest
    assert [dt.datetime.fromisoformat(one["at"]) for one in latest] == [at(n) for n in (9, 8, 7, 6, 5)]


def test_counters_are_removed_when_the_usage_could_not_be_sent_again_but_totals_stay(acme):
    now = at(30)
    for age in (dt.timedelta(0), django_settings.USAGE_OLDEST, django_settings.USAGE_OLDEST + HOUR):
        refused_usage.count_refused(refused(now - age))

    assert forget_refused_usage(now=now) == 1

    assert {one.hour for one in RefusedUsage.objects.all()} == {
        hour_of(now),
        hour_of(now - django_settings.USAGE_OLDEST),
    }
    assert refused_in_all()["too_old"] == RefusedUsageTotal.objects.get().records == 3


def test_a_count_that_the_database_refuses_changes_no_answer(acme, post):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE usage_refusedusage RENAME TO elsewhere")

    assert post("{").status_code == 400


# --- The log ---------------------------------------------------------------------------------------


@pytest.fixture
def lines(caplog):
    """The lines of the log so far, without where they come from."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_the_log_names_the_key_and_the_reason_and_nothing_that_was_sent(acme, service_key, lines):
    send(USAGE.path, [a_record(USAGE, service="secret"), a_record(USAGE, event_id="2")], service_key)

    prefix = ServiceKey.objects.get().prefix
    assert sorted(lines()) == [
        f"Usage refused: refused_with_batch, key {prefix} 'chat-gateway-1': 1 requests, 1 records",
        f"Usage refused: unknown_service, key {prefix} 'chat-gateway-1': 1 requests, 1 records",
    ]


def test_the_log_has_no_line_for_each_of_many_refused_requests(service_key, lines):
    for _ in range(30):
        send(USAGE.path, "{", service_key)
        send(USAGE.path, "{", "")

    assert len(lines()) == 2
    refused_usage.REFUSALS.write_all()  # as a process that stops does
    assert [line.rpartition(": ")[2] for line in lines()[2:]] == ["29 requests, 29 records"] * 2


def test_a_line_break_in_the_name_of_a_key_makes_no_line_of_its_own(lines):
    key = issue_service_key(name="a\n2026-11-28 ERROR forged")[1]

    send(USAGE.path, "{", key)

    assert [line.count("\n") for line in lines()] == [0]
