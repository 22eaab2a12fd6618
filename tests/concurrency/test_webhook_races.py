"""Workers that send at the same time send each event once; a receiver that hangs delays nobody else."""

import pytest

from accounts.models import WebhookAttempt, WebhookDelivery
from accounts.webhooks.delivery import LEASE, claim_endpoints, serve_endpoint
from accounts.webhooks.senders import Senders
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import endpoint, suspended
from tests.accounts.webhooks.receiver import listening
from tests.concurrency.threads import PATIENCE, together

pytestmark = pytest.mark.django_db(transaction=True)

NOT_LONG = LEASE / 4


@pytest.fixture
def receivers():
    """One that will be slow, and one that works."""
    with listening() as slow, listening() as quick:
        slow.answers = ["late"]
        yield slow, quick


@pytest.fixture
def swept_twice(acme, receivers):
    """Let a worker send, and a second one look for what is due while the first waits for the answer."""
    slow, _ = receivers
    endpoint(acme, slow.url)
    suspended(acme)

    def sweep(now):
        claims = claim_endpoints(now=now, most=9, failing=False)
        return sum(serve_endpoint(claim) for claim in claims)

    def sweep_twice(*, apart=NOT_LONG):
        with together() as threads:
            first = threads.start(lambda: sweep(clock.now()))
            assert slow.arrived.acquire(timeout=PATIENCE)
            of_second = threads.start(lambda: sweep(clock.now() + apart)).result(PATIENCE)
            slow.release.set()
            return first.result(PATIENCE), of_second

    return sweep_twice


def test_two_workers_send_an_event_once(swept_twice, receivers):
    assert swept_twice() == (1, 0)
    assert len(receivers[0].received) == 1


def test_without_the_lease_they_send_it_twice(swept_twice, receivers):
    """The control: once the lease has ended, the second one sends it too, with the same id."""
    assert swept_twice(apart=LEASE) == (1, 1)
    assert len(receivers[0].received) == 2
    assert len(set(receivers[0].ids)) == 1


def test_two_workers_that_claim_at_once_share_the_endpoints(acme):
    for number in range(4):
        endpoint(acme, f"http://127.0.0.1/{number}")
    suspended(acme)

    with together() as threads:
        both = [
            threads.start(lambda: claim_endpoints(now=clock.now(), most=3, failing=False)) for _ in range(2)
        ]
        claimed = [claim.endpoint_id for one in both for claim in one.result(PATIENCE)]

    assert len(claimed) == len(set(claimed))
    assert len(claimed) in {3, 4}  # one passes over what the other has locked


def test_a_receiver_that_hangs_delays_nobody_else(acme, receivers):
    slow, quick = receivers
    for one in (slow, quick):
        endpoint(acme, one.url)
    suspended(acme)
    senders = Senders()

    of_slow, of_quick = senders.start(now=clock.now())
    assert (of_quick.result(PATIENCE), of_slow.done()) == (1, False)
    suspended(acme, "2")
    (again,) = senders.start(now=clock.now())
    assert (again.result(PATIENCE), of_slow.done()) == (1, False)

    slow.release.set()
    assert of_slow.result(PATIENCE) == 2
    assert [len(one.received) for one in receivers] == [2, 2]
    assert WebhookAttempt.objects.count() == 4


def test_receivers_that_failed_never_take_all_the_senders(acme, receivers):
    slow, quick = receivers
    slow.answers = ["late"] * 9
    for number in range(3):
        endpoint(acme, f"{slow.url}/{number}")
    acme.webhook_endpoints.update(failing_since=clock.now())
    endpoint(acme, quick.url)
    suspended(acme)
    senders = Senders(3, of_failing=2)

    started = senders.start(now=clock.now())
    assert len(started) == 3  # one that works, two that failed
    assert started[0].result(PATIENCE) == 1
    assert len(quick.received) == 1

    slow.release.set()
    assert [one.result(PATIENCE) for one in started] == [1, 1, 1]
    assert senders.start(now=clock.now())[0].result(PATIENCE) == 1
    assert not WebhookDelivery.objects.exclude(state="delivered").exists()
