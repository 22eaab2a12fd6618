"""What reported usage does to the windows of call limits: it settles an admitted call, or counts."""

import datetime as dt
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from msgspec.structs import replace

from pricing.models import Service
from tests import builders
from tests.builders import report
from tests.concurrency.threads import PATIENCE, together
from tests.usage.limits.builders import limit
from usage.ingest.record import record_each
from usage.ingest.reversals import reverse_record
from usage.limits.settlement import (
    AdmittedUsage,
    ReportedCalls,
    _BackgroundSettler,
    wait_until_settled,
)
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, RequestedCall
from usage.models import AdmittedCall

pytestmark = pytest.mark.django_db

LIMITS = CallLimits(rpm=10, tpm=10_000)


def admit(call_id, customer, tokens=1000):
    """Hold so many tokens for a call of SenseChat-5."""
    service = Service.objects.get(name="SenseChat-5")
    (status,) = call_windows().admit([RequestedCall(customer.pk, service.pk, call_id, tokens, LIMITS)])
    assert status.admitted


def used(event_id, **fields):
    """A record of this very second: 300 tokens in, 100 out."""
    fields = {"occurred_at": timezone.now(), "input_tokens": 300, "output_tokens": 100} | fields
    return report(event_id, **fields)


def record(*reports):
    builders.record(*reports, now=timezone.now())


def counted(customer, name="SenseChat-5"):
    """How many calls and tokens count for a service now."""
    service = Service.objects.get(name=name)
    (use,) = call_windows().look([(customer.pk, service.pk)])
    return use.calls, use.tokens


def test_a_record_settles_the_call_that_it_names(acme):
    admit("call-1", acme)

    record(used("a", call_id="call-1"))

    assert counted(acme) == (1, 400)
    assert AdmittedCall.objects.get().state == "settled"


def test_the_whole_input_counts_with_what_was_cached_of_it(acme):
    record(used("a", cached_input_tokens=200))

    assert counted(acme) == (1, 400)


def test_cached_input_does_not_count_where_the_call_specification_says_so(acme, globex):
    limit(acme, 10, 10_000, excludes_cached_input=True)
    admit("call-1", acme)

    record(
        used("a", call_id="call-1", cached_input_tokens=200),
        used("b", cached_input_tokens=300),
        used("c", customer="globex", cached_input_tokens=200),
    )

    assert (counted(acme), counted(globex)) == ((2, 300), (1, 400))


def test_a_batch_settles_its_calls_and_counts_the_others(acme, globex):
    admit("call-1", acme)

    record(used("a", call_id="call-1"), used("b"), used("c", customer="globex"))

    assert (counted(acme), counted(globex)) == ((2, 800), (1, 400))


def test_a_record_that_was_not_admitted_counts_and_is_never_refused(acme):
    for number in range(12):
        record(used(f"call-{number}"))

    assert counted(acme) == (12, 4800)


def test_a_call_that_was_not_admitted_counts_once_however_it_is_reported(acme, globex):
    record(used("a", call_id="call-1"), used("b", call_id="call-1"))
    record(used("c", call_id="call-1"), used("d", call_id="call-2"))
    record_each(reports=[used("e", customer="globex", call_id="call-1")], now=timezone.now())

    assert (counted(acme), counted(globex)) == ((2, 1600), (1, 400))


def test_what_is_sent_again_counts_once(acme):
    sent = used("a")
    record(sent)
    record(sent)
    record(sent, used("b"))

    assert counted(acme) == (2, 800)


def test_what_is_sent_again_by_itself_counts_once(acme):
    sent = used("a")
    for _ in range(2):
        record_each(reports=[sent], now=timezone.now())

    assert counted(acme) == (1, 400)


def test_a_report_that_is_sent_again_settles_its_call_once(acme):
    admit("call-1", acme)
    admit("call-2", acme)
    single, batch = used("a", call_id="call-1"), [used("b", call_id="call-2"), used("c")]

    for _ in range(2):
        record_each(reports=[single], now=timezone.now())
        record(*batch)

    assert counted(acme) == (3, 1200)


def test_a_batch_that_settles_calls_of_two_customers_settles_to_each_its_own(acme, globex):
    for call_id in ("call-1", "call-2"):
        admit(call_id, globex)

    record(used("a", call_id="call-1"), used("b", call_id="call-2", customer="globex"))

    assert (counted(acme), counted(globex)) == ((1, 400), (2, 1400))


def test_a_call_that_was_settled_counts_once_and_its_further_tokens_too(acme):
    admit("call-1", acme)

    record(used("a", call_id="call-1"))
    record(used("b", call_id="call-1"))

    assert counted(acme) == (1, 800)


def test_the_id_of_another_customers_call_settles_nothing(acme, globex):
    admit("call-1", globex)

    record(used("a", call_id="call-1"))

    assert (counted(acme), counted(globex)) == ((1, 400), (1, 1000))


def test_usage_that_is_over_for_more_than_a_window_does_not_count(acme):
    record(used("a", occurred_at=timezone.now() - dt.timedelta(seconds=70)))

    assert counted(acme) == (0, 0)


def test_old_usage_of_a_call_that_is_not_known_any_more_does_not_count(acme):
    record(used("a", call_id="call-1", occurred_at=timezone.now() - dt.timedelta(hours=5)))

    assert counted(acme) == (0, 0)


def test_a_call_that_was_made_to_another_service_counts_there_and_is_given_back_here(acme):
    """A gateway fell back to another model."""
    admit("call-1", acme)

    record(used("a", call_id="call-1", service="SenseChat"))

    assert (counted(acme), counted(acme, "SenseChat")) == ((0, 0), (1, 400))


def test_a_reversal_does_not_give_calls_back(acme):
    record(used("a"))
    reverse_record(customer=acme, event_id="a", reason="wrong", by="test", now=timezone.now())

    assert counted(acme) == (1, 400)


def test_the_same_record_with_another_call_id_is_a_duplicate(acme):
    sent = used("a", call_id="call-1")
    record(sent)

    again = builders.record(replace(sent, call_id="call-2"), now=timezone.now())

    assert (again.accepted, again.duplicates) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_by_default_a_thread_of_its_own_settles(acme, settings):
    settings.SETTLE_CALLS_BESIDE = True
    admit("call-1", acme)
    with together() as threads, transaction.atomic():
        with connection.cursor() as cursor:
            # Whoever settles waits for this; who reports does not.
            cursor.execute("SELECT FROM usage_callwindow FOR UPDATE")
        threads.start(lambda: record(used("a", call_id="call-1"))).result(PATIENCE)
        before = AdmittedCall.objects.get().state

    wait_until_settled()
    assert (before, counted(acme)) == ("held", (1, 400))


@pytest.mark.django_db(transaction=True)
def test_the_thread_settles_again_after_it_has_rested(acme, settings):
    settings.SETTLE_CALLS_BESIDE = True

    for event_id in ("a", "b"):
        record(used(event_id))
        waiting = Thread(target=wait_until_settled, daemon=True)
        waiting.start()
        waiting.join(PATIENCE)

    assert counted(acme) == (2, 800)


def test_a_process_that_has_reported_nothing_waits_for_nothing():
    waiting = Thread(target=_BackgroundSettler().wait, daemon=True)
    waiting.start()
    waiting.join(PATIENCE)

    assert not waiting.is_alive()


def test_what_waits_to_be_settled_adds_up():
    first, second = ReportedCalls(), ReportedCalls()
    first.add((1, 2), 1, 10)
    second.add((1, 2), 2, 30)
    second.add((1, 3), 1, 5)
    second.admitted.append(AdmittedUsage("call-1", 1, 2, 7, is_recent=True))

    first.add_all(second)

    assert first.others == {(1, 2): (3, 40), (1, 3): (1, 5)}
    assert first.admitted == second.admitted
