"""Records and closings that meet: nothing is missed, nothing is billed twice.

Every race is held still at its worst moment by a transaction that stays open, and the database is asked
who waits for whom; nothing here depends on how fast anything is.
"""

import threading
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction

from invoices.closing import close as closing
from invoices.closing.close import close_due_hours
from invoices.models import ChargeLine, HourlyBill, HourSeal
from tests.builders import THE_HOUR, at, close, record, report
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from usage.billing_hours import lock_hour_for_closing
from usage.ingest import record as ingest
from usage.ingest.errors import UsageConflict
from usage.ingest.record import Receipt
from usage.models import HOUR, BillingHour, UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def on_its_way(together, *reports):
    """Store these reports in a transaction that stays open until this block ends."""
    stored, release = threading.Event(), threading.Event()

    def store():
        with transaction.atomic():
            record(*reports)
            stored.set()
            assert release.wait(PATIENCE)

    storing = together.start(store)
    assert stored.wait(PATIENCE)
    try:
        yield
    finally:
        release.set()
    storing.result(PATIENCE)


def billed():
    """How many records of THE_HOUR are in a bill."""
    return sum(HourlyBill.objects.filter(hour=THE_HOUR).values_list("records", flat=True))


def missed():
    """The ids of the records whose hour is closed and that are in no bill."""
    records = UsageRecord.objects.filter(billing_hour__in=BillingHour.objects.values("hour"))
    total = sum(HourlyBill.objects.values_list("records", flat=True))
    return records.count() - total


def test_a_record_on_its_way_while_its_hour_closes_is_billed(acme):
    record(report("before"))

    with together() as threads:
        with on_its_way(threads, report("on its way")):
            closing_it = threads.start(close)
            wait_until_waiting(1)
            assert not closing_it.done()
        made = closing_it.result(PATIENCE)

    assert made.records == billed() == 2
    assert missed() == 0


def test_without_the_barrier_that_record_would_be_missed(acme, monkeypatch):
    """The control: the test above fails if the lock does nothing."""
    monkeypatch.setattr(closing, "lock_hour_for_closing", lambda hour: None)
    record(report("before"))

    with together() as threads, on_its_way(threads, report("on its way")):
        made = threads.start(close).result(PATIENCE)

    assert made.records == billed() == 1
    assert UsageRecord.objects.get(event_id="on its way").billing_hour == THE_HOUR
    assert missed() == 1


def test_a_record_that_comes_while_its_hour_closes_goes_to_the_next(acme):
    record(report("before"))

    with together() as threads:
        with transaction.atomic():
            lock_hour_for_closing(THE_HOUR)
            BillingHour.objects.create(hour=THE_HOUR, closed_at=at(65))
            coming = threads.start(lambda: record(report("comes")))
            wait_until_waiting(1)
        coming.result(PATIENCE)

    assert UsageRecord.objects.get(event_id="comes").billing_hour == THE_HOUR + HOUR


def test_a_record_whose_transaction_fails_does_not_hold_up_the_closing(acme):
    record(report("before"))

    with together() as threads:
        with transaction.atomic():
            record(report("given up"))
            closing_it = threads.start(close)
            wait_until_waiting(1)
            transaction.set_rollback(True)
        made = closing_it.result(PATIENCE)

    assert made.records == 1
    assert missed() == 0


def test_reporters_do_not_wait_for_each_other(acme):
    with together() as threads, on_its_way(threads, report("first")):
        receipt = threads.start(lambda: record(report("second"))).result(PATIENCE)

    assert receipt == Receipt(accepted=1, duplicates=0)
    assert UsageRecord.objects.count() == 2


def test_an_hour_that_two_close_at_once_is_closed_once(acme, globex):
    record(report(), report(customer="globex"))

    with together() as threads:
        with transaction.atomic():
            lock_hour_for_closing(THE_HOUR)
            both = [threads.start(close), threads.start(close)]
            wait_until_waiting(2)
        made = [one.result(PATIENCE) for one in both]

    assert sorted(one.records for one in made if one) == [2]
    assert (HourlyBill.objects.count(), ChargeLine.objects.count(), HourSeal.objects.count()) == (2, 4, 1)


def test_many_hours_that_two_close_at_once_are_each_closed_once(acme):
    for hour in range(-5, 1):
        record(report(f"hour {hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))

    with together() as threads:
        both = [threads.start(lambda: close_due_hours(now=at(65))) for _ in range(2)]
        made = [closed.hour for one in both for closed in one.result(PATIENCE)]

    assert sorted(made) == [at(0, hour=n) for n in range(-5, 1)]
    assert HourlyBill.objects.count() == 6
    assert missed() == 0


def test_the_very_first_closing_waits_for_an_older_record_on_its_way(acme):
    record(report("of the hour"))

    with together() as threads:
        with on_its_way(threads, report("older", occurred_at=at(10, hour=-1))):
            closing_it = threads.start(close)
            wait_until_waiting(1)
        too_early = closing_it.result(PATIENCE)
    made = close_due_hours(now=at(65))

    assert too_early is None
    assert [(closed.hour, closed.records) for closed in made] == [(THE_HOUR - HOUR, 1), (THE_HOUR, 1)]


def test_without_the_lock_on_the_beginning_the_older_record_would_be_missed(acme, monkeypatch):
    """The control: the test above fails if the first closing does not bar the beginning."""
    monkeypatch.setattr(closing, "BEGINNING", THE_HOUR + 9 * HOUR)
    record(report("of the hour"))

    with together() as threads, on_its_way(threads, report("older", occurred_at=at(10, hour=-1))):
        made = threads.start(close).result(PATIENCE)

    assert made.records == 1
    assert UsageRecord.objects.get(event_id="older").billing_hour == THE_HOUR - HOUR
    assert close_due_hours(now=at(65)) == []


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_would_not_see_what_it_waited_for_does_not_close(isolation, acme):
    record(report())

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        with pytest.raises(RuntimeError, match=f"needs READ COMMITTED, this transaction is {isolation}"):
            lock_hour_for_closing(THE_HOUR)

    assert not BillingHour.objects.exists()


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_would_not_see_what_it_waited_for_stores_nothing(isolation, acme):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        with pytest.raises(DatabaseError, match=f"needs READ COMMITTED, this transaction is {isolation}"):
            record(report())
        transaction.set_rollback(True)

    assert not UsageRecord.objects.exists()


def test_a_closing_by_a_session_that_is_set_otherwise_is_refused(acme):
    record(report())

    def close_otherwise():
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            try:
                close()
            finally:
                cursor.execute("RESET default_transaction_isolation")

    with together() as threads, pytest.raises(RuntimeError, match="needs READ COMMITTED"):
        threads.start(close_otherwise).result(PATIENCE)

    assert not BillingHour.objects.exists()


def test_batches_with_the_same_records_in_opposite_order_do_not_wait_for_each_other(acme, monkeypatch):
    monkeypatch.setattr(ingest, "ATTEMPTS", 1)  # a deadlock would be tried again, and so not be seen
    batch = [report(event_id) for event_id in "abcdefg"]

    with together() as threads:
        with on_its_way(threads, report("d")):
            both = [threads.start(lambda: record(*batch)), threads.start(lambda: record(*reversed(batch)))]
            wait_until_waiting(2, locktype="transactionid")
        receipts = [one.result(PATIENCE) for one in both]

    assert sorted(receipt.accepted for receipt in receipts) == [0, 6]
    assert sorted(UsageRecord.objects.values_list("event_id", flat=True)) == [*"abcdefg"]


def test_a_record_that_two_send_at_once_is_stored_once(acme):
    with together() as threads:
        with on_its_way(threads, report()):
            twin = threads.start(lambda: record(report()))
            wait_until_waiting(1, locktype="transactionid")
        receipt = twin.result(PATIENCE)

    assert receipt == Receipt(accepted=0, duplicates=1)
    assert UsageRecord.objects.count() == 1


def test_of_two_records_with_one_id_sent_at_once_one_is_refused(acme):
    with together() as threads:
        with on_its_way(threads, report(input_tokens=7)):
            other = threads.start(lambda: record(report(input_tokens=8)))
            wait_until_waiting(1, locktype="transactionid")
        refusal = other.exception(PATIENCE)

    assert isinstance(refusal, UsageConflict)
    assert UsageRecord.objects.get().input_tokens == 7


def test_a_twin_whose_transaction_fails_leaves_room(acme):
    with together() as threads:
        with transaction.atomic():
            record(report())
            twin = threads.start(lambda: record(report()))
            wait_until_waiting(1, locktype="transactionid")
            transaction.set_rollback(True)
        receipt = twin.result(PATIENCE)

    assert receipt == Receipt(accepted=1, duplicates=0)
    assert UsageRecord.objects.count() == 1
