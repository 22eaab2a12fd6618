"""Each event reaches its receiver at least once, whatever the receiver does; the signature is verified."""

import datetime as dt

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.models import DeliveryState, WebhookAttempt, WebhookDelivery
from accounts.webhooks.delivery import FAILING_FOR, LEASE, PAUSES, claim_endpoints
from accounts.webhooks.endpoints import disable_endpoint, resend, rotate_secret, send_test
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import ALICE, endpoint, send_due, suspended
from tests.accounts.webhooks.receiver import listening

pytestmark = pytest.mark.django_db

SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)


@pytest.fixture
def acmes(acme, receiver):
    """The endpoint of Acme, which is to get one event."""
    made = endpoint(acme, receiver.url)
    suspended(acme)
    return made


def verify(received, secret):
    """By the package's own code."""
    return Webhook(secret).verify(received.body, received.headers)


def delivery():
    return WebhookDelivery.objects.get()


def outcomes():
    return [(one.error, one.status) for one in WebhookAttempt.objects.order_by("pk")]


def test_an_event_arrives_signed(acmes, receiver):
    assert send_due() == 1

    (received,) = receiver.received
    message = verify(received, acmes.secret)
    suspension = {"customer": "acme", "because": "staff"}
    assert (message["type"], message["data"]) == ("customer.suspended", suspension)
    assert message["timestamp"] == f"{delivery().event.at:%Y-%m-%dT%H:%M:%SZ}"
    assert received.headers["content-type"] == "application/json"
    assert receiver.ids == [delivery().event.public_id]
    assert (delivery().state, outcomes()) == (DeliveryState.DELIVERED, [("", 200)])


def test_another_secret_does_not_verify_it(acmes, receiver):
    """The control."""
    send_due()

    with pytest.raises(WebhookVerificationError):
        verify(receiver.received[0], "whsec_" + "A" * 32)


def test_nothing_is_sent_twice_once_it_has_arrived(acmes, receiver, pass_time):
    send_due()
    pass_time(DAY)

    assert send_due() == 0
    assert len(receiver.received) == 1


def test_while_rotating_both_secrets_verify(acme, acmes, receiver, pass_time):
    new = rotate_secret(endpoint=acmes, overlap=DAY, by=ALICE, now=clock.now())
    send_due()

    (received,) = receiver.received
    assert verify(received, acmes.secret) == verify(received, new)
    pass_time(DAY)
    suspended(acme, "2")
    send_due()
    assert len(receiver.received[1].headers["webhook-signature"].split()) == 1


def test_a_secret_that_ended_at_once_verifies_nothing(acmes, receiver):
    new = rotate_secret(endpoint=acmes, overlap=dt.timedelta(0), by=ALICE, now=clock.now())
    send_due()

    assert verify(receiver.received[0], new)
    with pytest.raises(WebhookVerificationError):
        verify(receiver.received[0], acmes.secret)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (500, ("status", 500)),
        (404, ("status", 404)),
        ("hang", ("timeout", None)),
        ("late", ("timeout", None)),
        ("drip", ("timeout", None)),
        ("nonsense", ("protocol", None)),
    ],
    ids=str,
)
def test_what_fails_is_sent_again_with_the_same_id(acmes, receiver, pass_time, settings, answer, outcome):
    receiver.answers = [answer]
    if outcome[0] == "timeout":
        settings.WEBHOOK_TIMEOUT = SECOND
    send_due()
    settings.WEBHOOK_TIMEOUT = 30 * SECOND
    assert (delivery().state, outcomes()) == (DeliveryState.WAITING, [outcome])
    assert send_due() == 0  # not before the pause is over

    pass_time(PAUSES[0])
    send_due()

    assert delivery().state == DeliveryState.DELIVERED
    assert receiver.ids == [delivery().event.public_id] * len(receiver.received)
    assert len({one.body for one in receiver.received}) == 1
    assert [verify(one, acmes.secret)["type"] for one in receiver.received][-1] == "customer.suspended"


def test_a_receiver_that_is_not_there_fails(acme):
    with listening() as gone:
        made = endpoint(acme, gone.url)
    suspended(acme)

    send_due()

    made.refresh_from_db()
    assert (outcomes(), delivery().state) == ([("connection", None)], DeliveryState.WAITING)
    assert made.failing_since is not None


def test_a_redirect_is_not_followed(acmes, receiver):
    receiver.answers = [(302, {"Location": receiver.url.replace("/hooks", "/elsewhere")}, b"")]

    send_due()

    assert [one.path for one in receiver.received] == ["/hooks"]
    assert outcomes() == [("status", 302)]


def test_the_beginning_of_an_answer_is_kept(acmes, receiver):
    receiver.answers = [(200, {}, b"\0" + "好".encode() * 100_000)]

    send_due()

    assert WebhookAttempt.objects.get().answer == "好" * 500
    assert delivery().state == DeliveryState.DELIVERED


def test_retries_go_on_for_three_days_and_then_the_endpoint_is_disabled(acmes, receiver, pass_time):
    receiver.answers = [500] * 99
    pass_time(SECOND)
    for pause in PAUSES:
        send_due()
        assert delivery().next_attempt_at == clock.now() + pause
        acmes.refresh_from_db()
        assert acmes.disabled_at is None
        pass_time(pause)
    send_due()

    acmes.refresh_from_db()
    assert (acmes.disabled_because, acmes.mail_after) == ("failing", clock.now())
    assert len(receiver.received) == len(PAUSES) + 1
    assert len(set(receiver.ids)) == 1
    assert sum(PAUSES, dt.timedelta(0)) > FAILING_FOR


def test_where_other_events_arrive_one_that_never_does_is_given_up_and_the_endpoint_stays(
    acme, acmes, receiver, pass_time
):
    first = delivery()
    for number, pause in enumerate((*PAUSES, DAY)):
        receiver.answers = [500]
        send_due()
        suspended(acme, f"other {number}")
        send_due()
        pass_time(pause)

    first.refresh_from_db()
    acmes.refresh_from_db()
    assert (first.state, first.failures, acmes.disabled_at) == (DeliveryState.FAILED, len(PAUSES) + 1, None)


def test_410_disables_the_endpoint_and_stops_what_waits(acme, acmes, receiver, pass_time):
    suspended(acme, "2")
    receiver.answers = [410]
    send_due()

    acmes.refresh_from_db()
    assert (acmes.disabled_because, acmes.mail_after is not None) == ("gone", True)
    assert {one.state for one in WebhookDelivery.objects.all()} == {DeliveryState.STOPPED}
    suspended(acme, "3")
    pass_time(DAY)
    assert (send_due(), len(receiver.received), WebhookDelivery.objects.count()) == (0, 1, 2)


def test_a_resend_has_the_same_id(acmes, receiver):
    send_due()
    resend(delivery=delivery(), by=ALICE, now=clock.now())
    send_due()

    assert len(receiver.received) == 2
    assert len(set(receiver.ids)) == 1
    assert verify(receiver.received[1], acmes.secret)
    assert outcomes() == [("", 200), ("", 200)]


def test_a_test_goes_to_its_endpoint_alone(acme, acmes, receiver):
    endpoint(acme, f"{receiver.url}/other")
    send_due()
    receiver.received.clear()

    send_test(endpoint=acmes, by=ALICE, now=clock.now())
    send_due()

    (received,) = receiver.received
    assert (received.path, verify(received, acmes.secret)["type"]) == ("/hooks", "webhook.test")


def test_after_a_failure_the_endpoint_is_asked_once_a_sweep(acme, acmes, receiver):
    for number in range(5):
        suspended(acme, f"more {number}")
    receiver.answers = [500]

    assert [send_due(), send_due(), send_due()] == [1, 5, 0]


def test_what_a_killed_worker_had_claimed_is_sent_when_the_lease_has_ended(acmes, receiver, pass_time):
    claim_endpoints(now=clock.now(), most=9, failing=False)
    assert send_due() == 0

    pass_time(LEASE)

    assert send_due() == 1


def test_what_waits_is_not_sent_once_a_person_has_disabled_the_endpoint(acmes, receiver):
    disable_endpoint(endpoint=acmes, by=ALICE, now=clock.now())

    assert (send_due(), receiver.received) == (0, [])
