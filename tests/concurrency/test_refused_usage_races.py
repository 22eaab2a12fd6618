"""Refused usage is counted by several processes at once, and while the database is unavailable."""

import time

import pytest
from django.db import connection, transaction

from accounts.models import Customer
from tests.builders import at
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.usage.refused.builders import counted, send
from usage.models import RefusalReason, RefusedUsage
from usage.refused import counters as refused_usage
from usage.refused.counters import RefusalCounters, RefusedRequest, refused_in_all

pytestmark = pytest.mark.django_db(transaction=True)

REASONS = [RefusalReason.TOO_OLD, RefusalReason.CONFLICTING_USAGE, RefusalReason.UNKNOWN_SERVICE]


def refused(*reasons, records=1):
    """A refused request of Acme and Globex."""
    return RefusedRequest(
        None, "/api/v1/usage", at(5), {(why, code): records for why in reasons for code in ("acme", "globex")}
    )


def count_and_write(requests):
    """What one process does: it counts, and writes now and then."""
    counters = RefusalCounters()
    for request in requests:
        counters.add(request)
        counters.write()


def test_processes_that_count_at_the_same_time_lose_nothing(acme, globex):
    """In other orders, so that they would wait for each other in a circle if they wrote in those."""
    requests = [refused(*reasons) for reasons in (REASONS, REASONS[::-1])] * 10
    with together() as processes:
        writing = [processes.start(lambda: count_and_write(requests)) for _ in range(4)]
    for one in writing:
        one.result(PATIENCE)

    assert {(one.requests, one.records) for one in RefusedUsage.objects.all()} == {(80, 80)}
    assert RefusedUsage.objects.count() == 6
    assert {refused_in_all()[reason] for reason in REASONS} == {160}


def test_requests_of_many_threads_are_all_counted_when_the_process_stops(acme, globex, settings):
    settings.COUNT_REFUSED_USAGE_IN_BACKGROUND = True

    def refuse_many():
        for _ in range(200):
            refused_usage.count_refused(refused(RefusalReason.TOO_OLD, records=2))

    with together() as threads:
        for _ in range(5):
            threads.start(refuse_many)
    refused_usage.REFUSALS.write_all()

    assert [(one.requests, one.records) for one in RefusedUsage.objects.all()] == [(1_000, 2_000)] * 2


def test_by_default_a_thread_counts_and_no_refused_request_waits(acme, service_key, settings):
    settings.COUNT_REFUSED_USAGE_IN_BACKGROUND = True
    with together() as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE usage_refusedusage IN ACCESS EXCLUSIVE MODE")
            posting = threads.start(lambda: [send("/api/v1/usage", "{", service_key) for _ in range(3)])
            statuses = posting.result(PATIENCE)
            wait_until_waiting(1, locktype="relation")
        deadline = time.monotonic() + PATIENCE
        while sum(one.requests for one in RefusedUsage.objects.all()) < 3 and time.monotonic() < deadline:
            pass

    assert statuses == [400] * 3
    assert counted() == [("malformed", None, "chat-gateway-1", 3, 3)]


def test_while_the_database_is_unavailable_refused_usage_waits_in_memory(acme, globex):
    counters = RefusalCounters()
    with together() as threads, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE usage_refusedusage IN ACCESS EXCLUSIVE MODE")
        threads.start(lambda: write_without_patience(counters)).result(PATIENCE)
    assert RefusedUsage.objects.count() == 0

    counters.add(refused(RefusalReason.TOO_OLD))
    counters.write()

    assert [one.requests for one in RefusedUsage.objects.all()] == [2, 2]
    assert set(Customer.objects.values_list("pk", flat=True)) == {acme.pk, globex.pk}


def write_without_patience(counters):
    """Count a request and write it, where the database answers that it cannot."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1ms'")
    counters.add(refused(RefusalReason.TOO_OLD))
    counters.write()
