"""Single reports at the same time share a commit, and each hears its own outcome and nobody else's."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from sensenova_billing.lib.database.batching import Batcher
from tests.builders import at, record, report
from tests.concurrency.threads import PATIENCE, Together, wait_until_waiting
from tests.sensenova_billing.processes import eventually
from usage.billing_hours import hour_of, lock_hour_for_closing
from usage.ingest import group_commit as sharing
from usage.ingest.errors import InvalidUsage, UsageConflict
from usage.ingest.group_commit import record_single
from usage.ingest.record import Receipt, record_usage
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)

NEW, DUPLICATE = Receipt(accepted=1, duplicates=0), Receipt(accepted=0, duplicates=1)


def single(one):
    return record_single(report=one, now=at(61))


@contextmanager
def together():
    """Start deeds, sixteen at a time however few processors there are."""
    with ThreadPoolExecutor(16) as pool:
        yield Together(pool)


@contextmanager
def all_started(threads, number):
    """Hold a first single report up in the database, and let go once so many others wait to follow it."""
    with transaction.atomic():
        lock_hour_for_closing(hour_of(at(10)))
        first = threads.start(lambda: single(report("first")))
        wait_until_waiting(1)
        yield
        assert eventually(lambda: len(sharing._BATCHER._waiting) == number, seconds=PATIENCE)
    assert first.result(PATIENCE) == NEW


def outcome(future):
    """What this thread was answered, or the refusal that it heard."""
    return future.exception(PATIENCE) or future.result()


def transactions_that_wrote():
    """Which transactions stored what is in the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM usage_usagerecord WHERE event_id <> 'first'")
        return cursor.fetchone()[0]


def test_each_hears_its_own_outcome(acme):
    record(report("known"))
    sent = [
        report("new"),
        report("known"),
        report("known", input_tokens=1),
        report("bad", customer="nobody"),
        report("new as well"),
    ]

    with together() as threads:
        with all_started(threads, len(sent)):
            futures = [threads.start(lambda one=one: single(one)) for one in sent]
        outcomes = [outcome(future) for future in futures]

    assert outcomes[:2] == [NEW, DUPLICATE]
    assert isinstance(outcomes[2], UsageConflict)
    assert [(found["index"], found["event_id"], found["field"]) for found in outcomes[2].details] == [
        (0, "known", "input_tokens")
    ]
    assert isinstance(outcomes[3], InvalidUsage)
    assert [(problem["index"], problem["field"]) for problem in outcomes[3].details] == [(0, "customer")]
    assert outcomes[4] == NEW
    assert {*UsageRecord.objects.values_list("event_id", flat=True)} == {
        "first",
        "known",
        "new",
        "new as well",
    }


def test_of_eight_that_send_one_record_at_once_one_is_told_that_it_is_new(acme):
    with together() as threads:
        with all_started(threads, 8):
            futures = [threads.start(lambda: single(report())) for _ in range(8)]
        outcomes = [outcome(future) for future in futures]

    assert outcomes.count(NEW) == 1
    assert outcomes.count(DUPLICATE) == 7
    assert UsageRecord.objects.filter(event_id="call-1").count() == 1


def test_of_eight_that_send_one_id_with_other_content_one_is_taken(acme):
    with together() as threads:
        with all_started(threads, 8):
            futures = [threads.start(lambda n=n: single(report(input_tokens=n))) for n in range(8)]
        outcomes = [outcome(future) for future in futures]

    assert outcomes.count(NEW) == 1
    assert sum(isinstance(one, UsageConflict) for one in outcomes) == 7
    assert UsageRecord.objects.get(event_id="call-1").input_tokens == outcomes.index(NEW)


def test_eight_at_once_share_one_commit(acme):
    with together() as threads:
        with all_started(threads, 8):
            futures = [threads.start(lambda n=n: single(report(f"call {n}"))) for n in range(8)]
        outcomes = [outcome(future) for future in futures]

    assert outcomes == [NEW] * 8
    assert transactions_that_wrote() == 1


def test_without_sharing_each_has_a_commit_of_its_own(acme):
    """The control: what the test above counts would be eight."""
    with together() as threads:
        futures = [
            threads.start(lambda n=n: record_usage(reports=[report(f"call {n}")], now=at(61)))
            for n in range(8)
        ]
        outcomes = [outcome(future) for future in futures]

    assert outcomes == [NEW] * 8
    assert transactions_that_wrote() == 8


def test_whoever_is_answered_is_committed(acme):
    """Read from another connection at the very moment of the answer."""
    seen = []

    def send(number):
        single(report(f"call {number}"))
        seen.append(UsageRecord.objects.filter(event_id=f"call {number}").count())

    with together() as threads:
        for future in [threads.start(lambda n=n: send(n)) for n in range(40)]:
            future.result(PATIENCE)

    assert seen == [1] * 40


def test_a_database_error_reaches_everybody_started_and_nobody_after(acme):
    with together() as threads:
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute("LOCK TABLE usage_usagerecord")
            first = threads.start(lambda: single(report("first")))
            wait_until_waiting(1, locktype="relation")
            futures = [threads.start(lambda n=n: single(report(f"call {n}"))) for n in range(4)]
            assert eventually(lambda: len(sharing._BATCHER._waiting) == 4, seconds=PATIENCE)
            end_whoever_waits(cursor)
            assert isinstance(outcome(first), OperationalError)
            wait_until_waiting(1, locktype="relation")
            end_whoever_waits(cursor)
            outcomes = [outcome(future) for future in futures]
        later = threads.start(lambda: single(report("later"))).result(PATIENCE)

    assert [type(one) for one in outcomes] == [OperationalError] * 4
    assert later == NEW
    assert UsageRecord.objects.get().event_id == "later"


def end_whoever_waits(cursor):
    """End the connections that wait for the table, as a database does that is shut down."""
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND locktype = 'relation' AND datname = current_database()"
    )
    assert cursor.fetchall() == [(True,)]


def test_no_request_is_left_waiting_when_the_leader_is_interrupted():
    started, release = threading.Event(), threading.Event()

    def process(requests):
        if "interrupted" in requests:
            started.set()
            assert release.wait(PATIENCE)
            raise SystemExit
        return [request.upper() for request in requests]

    batcher = Batcher(process)
    with together() as threads:
        interrupted = threads.start(lambda: batcher.submit("interrupted"))
        assert started.wait(PATIENCE)
        followers = [threads.start(lambda n=n: batcher.submit(f"request {n}")) for n in range(3)]
        assert eventually(lambda: len(batcher._waiting) == 3, seconds=PATIENCE)
        release.set()
        outcomes = [outcome(future) for future in followers]

    assert isinstance(outcome(interrupted), SystemExit)
    assert outcomes == ["REQUEST 0", "REQUEST 1", "REQUEST 2"]
