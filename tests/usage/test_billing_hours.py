import datetime as dt

import pytest
from django.db import IntegrityError, connection

from tests.builders import THE_HOUR, at, close, commit, raw_record, record, report
from usage.billing_hours import (
    database_now,
    hour_of,
    last_closed_hour,
    lock_hour_for_closing,
    lock_hours_for_ingest,
    next_hour_to_close,
)
from usage.models import HOUR, MAX_QUANTITY, BillingHour

pytestmark = pytest.mark.django_db

MICROSECOND = dt.timedelta(microseconds=1)

INSTANTS = [
    ("2024-02-29T23:59:59.999999+00:00", "2024-02-29T23:00:00+00:00"),
    ("2024-03-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
    ("2024-03-01T08:59:59+08:00", "2024-03-01T00:00:00+00:00"),
    ("2024-03-01T09:00:00+08:00", "2024-03-01T01:00:00+00:00"),
    ("2024-03-01T05:29:00+05:30", "2024-02-29T23:00:00+00:00"),
    ("2024-03-01T05:30:00+05:30", "2024-03-01T00:00:00+00:00"),
    ("2024-03-31T03:00:00+02:00", "2024-03-31T01:00:00+00:00"),
]


@pytest.mark.parametrize(("instant", "hour"), INSTANTS)
def test_an_instant_is_in_one_utc_hour(instant, hour):
    found = hour_of(dt.datetime.fromisoformat(instant))

    assert found == dt.datetime.fromisoformat(hour)
    assert found.tzinfo is dt.UTC


def test_before_any_record_there_is_no_hour_to_close():
    assert last_closed_hour() is None
    assert next_hour_to_close() is None


def test_the_first_hour_to_close_is_that_of_the_oldest_record(acme):
    record(report("later", occurred_at=at(61)))
    record(report("older", occurred_at=at(10, hour=-2)))

    found = next_hour_to_close()

    assert found == at(0, hour=-2)


def test_hours_close_one_after_the_other(acme):
    record(report())

    close()

    assert last_closed_hour() == THE_HOUR
    assert next_hour_to_close() == THE_HOUR + HOUR


def test_while_nothing_is_closed_a_record_is_billed_in_its_own_hour(acme):
    hours = [at(0, hour=-9), THE_HOUR, at(0, hour=4)]

    held = lock_hours_for_ingest(hours)

    assert held == {hour: hour for hour in hours}


def test_a_closed_hours_records_are_billed_in_the_earliest_open_hour(acme):
    record(report())
    close()
    close(hour=1)

    held = lock_hours_for_ingest([at(0, hour=n) for n in (-5, 0, 1, 2, 3)])

    assert held == {
        at(0, hour=-5): at(0, hour=2),
        at(0, hour=0): at(0, hour=2),
        at(0, hour=1): at(0, hour=2),
        at(0, hour=2): at(0, hour=2),
        at(0, hour=3): at(0, hour=3),
    }


def test_a_late_record_holds_its_own_hour_and_the_one_in_which_it_is_billed(acme):
    record()
    close()
    before = shared_hours()

    lock_hours_for_ingest([at(0, hour=-5)])

    assert shared_hours() - before == {at(0, hour=-5), at(60)}


def shared_hours():
    """The hours that this transaction keeps from closing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT to_timestamp(objid::bigint * 3600) FROM pg_locks
                WHERE locktype = 'advisory' AND mode = 'ShareLock' AND pid = pg_backend_pid()"""
        )
        return {hour for (hour,) in cursor.fetchall()}


def test_no_hours_are_held_for_nothing():
    assert lock_hours_for_ingest([]) == {}


def test_one_transaction_may_bar_an_hour_that_it_holds(acme):
    lock_hours_for_ingest([THE_HOUR])

    lock_hour_for_closing(THE_HOUR)

    assert lock_hours_for_ingest([THE_HOUR]) == {THE_HOUR: THE_HOUR}


def test_the_databases_clock_knows_its_zone():
    before = database_now()

    after = database_now()

    assert before.utcoffset() == dt.timedelta(0)
    assert before <= after


# --- What the database keeps -----------------------------------------------------------------------


def closed(hour, **fields):
    """Write a closed hour past the closing."""
    return BillingHour.objects.create(hour=hour, **({"closed_at": hour + HOUR} | fields))


def test_closed_hours_leave_no_gap():
    closed(THE_HOUR)

    with pytest.raises(IntegrityError, match="a_billing_hour_follows_the_hour_before"):
        closed(THE_HOUR + 2 * HOUR, previous_id=THE_HOUR)


def test_an_hour_does_not_follow_one_that_is_open():
    closed(THE_HOUR)
    closed(THE_HOUR + 2 * HOUR, previous_id=THE_HOUR + HOUR)

    with pytest.raises(IntegrityError, match="foreign key"):
        commit()


def test_only_one_hour_is_the_first():
    closed(THE_HOUR)

    with pytest.raises(IntegrityError, match="only_the_first_hour_follows_none"):
        closed(THE_HOUR - HOUR)


def test_an_hour_is_closed_once():
    closed(THE_HOUR)

    with pytest.raises(IntegrityError, match="usage_billinghour_pkey"):
        closed(THE_HOUR)


@pytest.mark.parametrize("off", [MICROSECOND, dt.timedelta(minutes=30), dt.timedelta(seconds=1)])
def test_a_billing_hour_begins_on_the_hour(off):
    crooked = THE_HOUR + off

    with pytest.raises(IntegrityError, match="a_billing_hour_is_whole"):
        closed(crooked)


def test_an_hour_is_closed_after_its_end():
    too_early = THE_HOUR + HOUR - MICROSECOND

    with pytest.raises(IntegrityError, match="an_hour_is_closed_after_its_end"):
        closed(THE_HOUR, closed_at=too_early)


IMPOSSIBLE = {
    "an_event_id_is_not_empty": {"event_id": ""},
    "a_records_billing_hour_is_whole": {"billing_hour": THE_HOUR + dt.timedelta(minutes=10)},
    "a_record_is_billed_in_its_hour_or_later": {"occurred_at": THE_HOUR + HOUR},
    "input_tokens_are_between_0_and_2_to_the_53": {"input_tokens": -1},
    "output_tokens_are_between_0_and_2_to_the_53": {"output_tokens": MAX_QUANTITY + 1},
    "input_characters_are_between_0_and_2_to_the_53": {"input_characters": 2**63 - 1},
}


@pytest.mark.parametrize(("rule", "fields"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_a_record_that_cannot_be_is_refused_by_the_database(rule, fields, acme):
    with pytest.raises(IntegrityError, match=rule):
        raw_record(**({"event_id": "call-1"} | fields))
