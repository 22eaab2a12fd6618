import datetime as dt
import unicodedata
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from psycopg.errors import AdminShutdown, DeadlockDetected, SerializationFailure

from invoices.models import ChargeLine, HourlyBill, HourSeal, ParkedHour, Release, Rerating
from pricing.models import BillingItem, Price, Service
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, alias_from_before, at, close, commit, record, report
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.record import ATTEMPTS, Receipt, _with_retries, record_each, record_usage
from usage.models import HOUR, MAX_QUANTITY, BillingHour, UsageRecord

pytestmark = pytest.mark.django_db

SECOND = dt.timedelta(seconds=1)
MICROSECOND = dt.timedelta(microseconds=1)


def stored():
    """The ids of the records that are stored."""
    return sorted(UsageRecord.objects.values_list("event_id", flat=True))


# --- Once, for ever --------------------------------------------------------------------------------


def test_a_record_is_stored_as_reported(acme):
    record(report(input_tokens=7, output_tokens=3), now=at(61))

    found = UsageRecord.objects.get()

    assert (found.customer, found.event_id, found.service.name) == (acme, "call-1", "SenseChat-5")
    assert (found.input_tokens, found.output_tokens, found.input_characters) == (7, 3, 0)
    assert (found.occurred_at, found.billing_hour, found.received_at) == (at(10), THE_HOUR, at(61))


def test_a_record_sent_twice_is_stored_once(acme):
    first = record(report())

    again = record(report())

    assert (first, again) == (Receipt(accepted=1, duplicates=0), Receipt(accepted=0, duplicates=1))
    assert stored() == ["call-1"]


def test_a_duplicate_inside_a_batch_is_stored_once(acme):
    receipt = record(report("a"), report("b"), report("a"), report("a"))

    assert receipt == Receipt(accepted=2, duplicates=2)
    assert stored() == ["a", "b"]


def test_a_batch_that_is_partly_stored_is_completed(acme):
    record(report("a"))

    receipt = record(report("a"), report("b"))

    assert receipt == Receipt(accepted=1, duplicates=1)
    assert stored() == ["a", "b"]


def test_a_record_is_still_a_duplicate_after_its_hour_was_closed(acme):
    record(report())
    close()

    receipt = record(report(), now=at(0) + dt.timedelta(days=34))

    assert receipt == Receipt(accepted=0, duplicates=1)
    assert UsageRecord.objects.get().billing_hour == THE_HOUR


def test_one_id_of_two_customers_is_two_records(acme, globex):
    receipt = record(report(), report(customer="globex", input_tokens=7))

    assert receipt == Receipt(accepted=2, duplicates=0)


def test_an_instant_written_with_another_offset_is_the_same(acme):
    record(report())

    elsewhere = at(10).astimezone(dt.timezone(dt.timedelta(hours=14)))

    assert record(report(occurred_at=elsewhere)) == Receipt(accepted=0, duplicates=1)


def test_text_and_its_count_are_the_same_content(acme):
    spoken: dict[str, Any] = {"service": "nova-tts-1", "input_tokens": 0, "output_tokens": 0}
    record(report(input_text="你好", **spoken))

    receipt = record(report(input_characters=2, **spoken))

    assert receipt == Receipt(accepted=0, duplicates=1)


OTHER_IDS = {
    "case": ("Call-1", "call-1"),
    "composed and decomposed": (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    "width": ("A1", "Ａ１"),
    "a space after": ("call-1", "call-1 "),
    "a zero-width space": ("call-1", "call-1\u200b"),
    "leading zeros": ("1", "01"),
    "a wildcard": ("a_b", "a%b"),
}


@pytest.mark.parametrize("ids", OTHER_IDS.values(), ids=OTHER_IDS)
def test_ids_are_compared_byte_for_byte(ids, acme):
    receipt = record(*(report(event_id) for event_id in ids))

    assert receipt == Receipt(accepted=2, duplicates=0)
    assert stored() == sorted(ids)


# --- Conflicts -------------------------------------------------------------------------------------

OTHERWISE = {
    "service": ({"service": "SenseChat"}, "SenseChat-5", "SenseChat"),
    "occurred_at": (
        {"occurred_at": at(10) + MICROSECOND},
        at(10).isoformat(),
        (at(10) + MICROSECOND).isoformat(),
    ),
    "input_tokens": ({"input_tokens": 1001}, 1000, 1001),
    "output_tokens": ({"output_tokens": 0}, 500, 0),
}


@pytest.mark.parametrize(("field", "case"), OTHERWISE.items(), ids=OTHERWISE)
def test_the_same_id_with_other_content_is_refused_and_both_are_shown(field, case, acme):
    fields, was, sent = case
    record(report())

    with pytest.raises(UsageConflict) as refusal:
        record(report("new"), report(**fields))

    assert refusal.value.details == [
        {"index": 1, "event_id": "call-1", "field": field, "stored": was, "sent": sent}
    ]
    assert stored() == ["call-1"]


def test_a_conflict_inside_a_batch_is_refused(acme):
    with pytest.raises(UsageConflict) as refusal:
        record(report("a"), report("b"), report("a", input_tokens=7))

    assert [(d["index"], d["field"], d["stored"], d["sent"]) for d in refusal.value.details] == [
        (2, "input_tokens", 1000, 7)
    ]
    assert stored() == []


def test_a_conflict_names_every_record_that_differs(acme):
    record(report("a"), report("b"), report("c"))

    with pytest.raises(UsageConflict) as refusal:
        record(report("a", input_tokens=1), report("b"), report("c", input_tokens=2, output_tokens=3))

    assert sorted((d["event_id"], d["field"]) for d in refusal.value.details) == [
        ("a", "input_tokens"),
        ("c", "input_tokens"),
        ("c", "output_tokens"),
    ]


def test_a_conflict_leaves_the_stored_record_as_it_was(acme):
    record(report())

    with pytest.raises(UsageConflict):
        record(report(input_tokens=7))

    assert UsageRecord.objects.get().input_tokens == 1000


# --- What is refused -------------------------------------------------------------------------------

REFUSED = {
    "an unknown customer": ({"customer": "nobody"}, "customer", "unknown customer"),
    "a customer in other case": ({"customer": "ACME"}, "customer", "unknown customer"),
    "an unknown service": ({"service": "SenseChat-6"}, "service", "unknown service"),
    "a service in other case": ({"service": "sensechat-5"}, "service", "unknown service"),
    "an item that is not sold": (
        {"input_characters": 1},
        "input_characters",
        "SenseChat-5 does not charge for input characters",
    ),
    "tokens of a voice": (
        {"service": "nova-tts-1"},
        "input_tokens",
        "nova-tts-1 does not charge for input tokens",
    ),
    "output of an embedding": (
        {"service": "nova-embedding-stable"},
        "output_tokens",
        "nova-embedding-stable does not charge for output tokens",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_record_that_cannot_be_billed_is_refused(case, acme):
    fields, field, reason = case

    with pytest.raises(InvalidUsage) as refusal:
        record(report("good"), report("bad", **fields))

    assert refusal.value.details == [{"index": 1, "field": field, "reason": reason}]
    assert stored() == []


def test_an_item_that_is_not_sold_may_be_reported_as_none(acme):
    receipt = record(report(input_characters=0))

    assert receipt.accepted == 1


DAYS_35, MINUTES_5 = dt.timedelta(days=35), dt.timedelta(minutes=5)


@pytest.mark.parametrize(
    "now", [at(10) + DAYS_35, at(10) - MINUTES_5], ids=["35 days ago", "5 minutes ahead"]
)
def test_a_record_may_be_35_days_old_or_5_minutes_ahead(now, acme):
    sent = report(occurred_at=at(10))

    receipt = record(sent, now=now)

    assert receipt.accepted == 1


def test_how_old_a_record_may_be_is_a_setting(acme, settings):
    settings.USAGE_OLDEST = dt.timedelta(days=2)

    with pytest.raises(InvalidUsage) as refusal:
        record(report(), now=at(10) + dt.timedelta(days=3))

    assert refusal.value.details[0]["reason"] == "is more than 2 days ago"


@pytest.mark.parametrize("more", [MICROSECOND, SECOND])
def test_a_record_that_is_older_than_35_days_is_refused(more, acme):
    with pytest.raises(InvalidUsage) as refusal:
        record(report(), now=at(10) + DAYS_35 + more)

    assert refusal.value.details == [
        {"index": 0, "field": "occurred_at", "reason": "is more than 35 days ago"}
    ]
    assert stored() == []


@pytest.mark.parametrize("more", [MICROSECOND, SECOND])
def test_a_record_that_is_more_than_5_minutes_ahead_is_refused(more, acme):
    with pytest.raises(InvalidUsage) as refusal:
        record(report(), now=at(10) - MINUTES_5 - more)

    assert refusal.value.details == [
        {"index": 0, "field": "occurred_at", "reason": "is more than 5 minutes ahead"}
    ]
    assert stored() == []


def test_a_record_from_before_its_service_was_on_sale_is_refused(acme):
    general = Service.objects.get(name="SenseChat").group
    new = Service.objects.create(name="SenseChat-6", group=general)
    sold = BillingItem.objects.create(service=new, measure=Measure.INPUT_TOKENS)
    Price.objects.create(billing_item=sold, unit_price=1, begins_at=at(30))
    call = {"service": "SenseChat-6", "output_tokens": 0}

    with pytest.raises(InvalidUsage, match="1 record was rejected"):
        record(report("early", occurred_at=at(30) - MICROSECOND, **call))

    assert record(report("first", occurred_at=at(30), **call)).accepted == 1


def test_a_service_without_prices_is_not_on_sale(acme):
    general = Service.objects.get(name="SenseChat").group
    Service.objects.create(name="SenseChat-6", group=general)

    with pytest.raises(InvalidUsage) as refusal:
        record(report(service="SenseChat-6"))

    assert refusal.value.details[0]["reason"] == "unknown service"


def test_an_own_price_does_not_put_a_service_on_sale_earlier(acme):
    general = Service.objects.get(name="SenseChat").group
    new = Service.objects.create(name="SenseChat-6", group=general)
    sold = BillingItem.objects.create(service=new, measure=Measure.INPUT_TOKENS)
    Price.objects.create(billing_item=sold, unit_price=1, begins_at=at(30))
    Price.objects.create(billing_item=sold, unit_price=1, begins_at=at(0), customer=acme)

    with pytest.raises(InvalidUsage) as refusal:
        record(report(service="SenseChat-6", output_tokens=0))

    assert refusal.value.details[0]["reason"] == "SenseChat-6 did not charge for input tokens yet"


def test_a_call_that_used_nothing_before_its_service_was_on_sale_is_refused(acme):
    new = Service.objects.create(name="SenseChat-6", group=Service.objects.get(name="SenseChat").group)
    sold = BillingItem.objects.create(service=new, measure=Measure.INPUT_TOKENS)
    Price.objects.create(billing_item=sold, unit_price=1, begins_at=at(30))
    nothing: dict[str, Any] = {"service": "SenseChat-6", "input_tokens": 0, "output_tokens": 0}

    record(report("on sale", occurred_at=at(30), **nothing))
    with pytest.raises(InvalidUsage) as refusal:
        record(report(occurred_at=at(29), **nothing))

    assert refusal.value.details[0]["reason"] == "SenseChat-6 was not on sale yet"


def test_a_service_charges_for_each_measure_from_its_own_first_price_on(acme):
    new = Service.objects.create(name="SenseChat-6", group=Service.objects.get(name="SenseChat").group)
    for measure, begins_at in ((Measure.INPUT_TOKENS, at(10)), (Measure.OUTPUT_TOKENS, at(30))):
        sold = BillingItem.objects.create(service=new, measure=measure)
        Price.objects.create(billing_item=sold, unit_price=1, begins_at=begins_at)

    record(report("nothing", service="SenseChat-6", input_tokens=0, output_tokens=0))
    record(report("input", service="SenseChat-6", output_tokens=0))
    with pytest.raises(InvalidUsage) as refusal:
        record(report("output", service="SenseChat-6", occurred_at=at(29)))

    assert refusal.value.details[0]["reason"] == "SenseChat-6 did not charge for output tokens yet"


def test_the_largest_quantity_is_stored_exactly(acme):
    record(report(input_tokens=MAX_QUANTITY, output_tokens=MAX_QUANTITY - 1))

    found = UsageRecord.objects.get()

    assert (found.input_tokens, found.output_tokens) == (2**53, 2**53 - 1)


# --- Billing hours ---------------------------------------------------------------------------------


def test_a_late_record_belongs_to_the_earliest_open_hour(acme):
    record(report("first"))
    close()

    record(report("late"), report("next", occurred_at=at(61)), now=at(70))

    found = dict(UsageRecord.objects.values_list("event_id", "billing_hour"))
    assert found == {"first": THE_HOUR, "late": THE_HOUR + HOUR, "next": THE_HOUR + HOUR}


def test_a_record_on_the_hour_belongs_to_the_hour_that_begins(acme):
    record(report("last", occurred_at=at(60) - MICROSECOND), report("first", occurred_at=at(60)))

    found = dict(UsageRecord.objects.values_list("event_id", "billing_hour"))

    assert found == {"last": THE_HOUR, "first": THE_HOUR + HOUR}


# --- Append-only -----------------------------------------------------------------------------------

FROZEN = (UsageRecord, BillingHour, HourlyBill, ChargeLine, HourSeal, ParkedHour, Release, Rerating)
CHANGES = {
    "UPDATE": "UPDATE {0} SET {1} = {1}",
    "UPDATE of no row": "UPDATE {0} SET {1} = {1} WHERE false",
    "DELETE": "DELETE FROM {0}",
    "TRUNCATE": "TRUNCATE {0} CASCADE",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("model", FROZEN, ids=lambda model: model.__name__)
def test_what_is_recorded_is_never_changed(model, change, acme):
    record(report())
    close()
    commit()

    with pytest.raises(IntegrityError, match="is never changed"), connection.cursor() as cursor:
        cursor.execute(change.format(model._meta.db_table, model._meta.concrete_fields[-1].column))


@pytest.mark.parametrize("model", FROZEN, ids=lambda model: model.__name__)
def test_a_replication_role_does_not_get_around_it(model, acme):
    record(report())
    close()
    commit()

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(IntegrityError, match="is never changed"):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608


def test_the_orm_does_not_change_a_record_either(acme):
    record(report())

    with pytest.raises(IntegrityError, match="is never changed"):
        UsageRecord.objects.update(input_tokens=0)


def test_a_bill_is_not_deleted_with_its_customer(acme):
    record(report())
    close()
    commit()

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_customer WHERE id = %s", [acme.pk])

    with pytest.raises(IntegrityError, match="foreign key"):
        commit()


def test_a_late_record_that_is_stored_by_itself_belongs_to_the_earliest_open_hour(acme):
    record()
    close()

    (outcome,) = record_each(reports=[report("late")], now=at(70))

    assert outcome == Receipt(accepted=1, duplicates=0)
    assert UsageRecord.objects.get(event_id="late").billing_hour == at(60)


@pytest.mark.parametrize("other", ["SenseChat", "SenseChat-32K", "SenseChat-Vision", "SenseChat-Turbo"])
def test_a_service_comes_before_an_alias_of_the_same_name(other, acme):
    # In which order the database finds the two is not said, so with several of them.
    alias_from_before("SenseChat-5", service=Service.objects.get(name=other))

    record()

    assert UsageRecord.objects.get().service.name == "SenseChat-5"


@pytest.mark.parametrize("stored", [record_usage, record_each])
def test_records_are_written_in_the_order_of_their_keys(stored, acme):
    stored(reports=[report(event_id) for event_id in ("c", "a", "b")], now=at(61))

    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM usage_usagerecord ORDER BY ctid")
        assert [event_id for (event_id,) in cursor.fetchall()] == ["a", "b", "c"]


# --- Transactions that PostgreSQL ended ------------------------------------------------------------


def failing(times, cause):
    """A function that fails so many times before it returns, with the calls that it counts."""
    calls = []

    def fail():
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError from cause
        return len(calls)

    return fail


@pytest.mark.parametrize("cause", [DeadlockDetected(), SerializationFailure()])
def test_a_transaction_that_another_one_ended_is_tried_again_a_few_times(cause):
    assert _with_retries(failing(ATTEMPTS - 1, cause)) == ATTEMPTS
    with pytest.raises(OperationalError):
        _with_retries(failing(ATTEMPTS, cause))


@pytest.mark.parametrize("cause", [AdminShutdown(), None])
def test_what_failed_otherwise_is_not_tried_again(cause):
    with pytest.raises(OperationalError):
        _with_retries(failing(1, cause))
