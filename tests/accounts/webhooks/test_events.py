"""An event is written in the transaction of what it tells of, once, for the endpoints that are to get it."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import EventKind, WebhookAttempt, WebhookDelivery, WebhookEvent
from accounts.webhooks.endpoints import disable_endpoint, remove_endpoint
from accounts.webhooks.events import OFFERED, body_of
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import ALICE, endpoint, send_due, suspended

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1/hooks"


def receivers():
    return sorted(WebhookDelivery.objects.values_list("endpoint__url", flat=True))


def test_an_event_goes_to_each_endpoint_that_is_to_get_it(acme, globex):
    endpoint(acme, URL)
    endpoint(acme, f"{URL}/also")
    endpoint(acme, f"{URL}/bills", kinds=[EventKind.BILL_CLOSED])
    endpoint(globex, f"{URL}/globex")

    suspended(acme)

    assert receivers() == [URL, f"{URL}/also"]
    assert WebhookEvent.objects.get().customer == acme


@pytest.mark.parametrize("end", [disable_endpoint, remove_endpoint])
def test_nothing_is_written_where_nobody_is_to_get_it(acme, end):
    end(endpoint=endpoint(acme, URL), by=ALICE, now=clock.now())

    suspended(acme)

    assert not WebhookEvent.objects.exists()


def test_an_event_is_written_once_for_a_key(acme):
    endpoint(acme, URL)

    for key in ("1", "1", "2"):
        suspended(acme, key)

    assert [event.key for event in WebhookEvent.objects.order_by("pk")] == ["1", "2"]
    assert len(receivers()) == 2


def test_an_event_goes_with_the_transaction_that_decided_it(acme):
    endpoint(acme, URL)

    with transaction.atomic():
        suspended(acme)
        transaction.set_rollback(True)

    assert not WebhookEvent.objects.exists()


def test_the_same_event_has_the_same_body_at_each_attempt(acme):
    endpoint(acme, URL)
    suspended(acme)

    assert len({body_of(WebhookEvent.objects.get()) for _ in range(2)}) == 1


@pytest.mark.parametrize("model", [WebhookEvent, WebhookAttempt])
def test_events_and_attempts_are_never_changed(acme, receiver, model):
    endpoint(acme, receiver.url)
    suspended(acme)
    send_due()
    rows = model.objects.all()

    for change, words in (
        (lambda: rows.update(at=clock.now()), "its rows are never changed"),
        (lambda: rows._raw_delete("default"), "only what was delivered a week ago is removed"),
    ):
        with pytest.raises(IntegrityError, match=words), transaction.atomic():
            change()
    assert rows.count() == 1


def test_everything_but_the_test_is_offered():
    assert set(EventKind.values) - {kind.value for kind in OFFERED} == {"webhook.test"}


@pytest.mark.parametrize("is_suspended", [True, False])
def test_a_customer_that_staff_suspend_or_resume_is_told(acme, operator_client, is_suspended):
    endpoint(acme, URL, kinds=["customer.suspended", "customer.resumed"])
    type(acme).objects.update(is_suspended=not is_suspended)
    page = reverse("admin:accounts_customer_change", args=[acme.pk])
    fields = {"name": acme.name, "time_zone": acme.time_zone, "reason": "Unpaid."}
    fields |= {"members-TOTAL_FORMS": 0, "members-INITIAL_FORMS": 0}
    fields |= {"is_suspended": "on"} if is_suspended else {}

    for _ in range(2):  # the second changes nothing
        assert operator_client.post(page, fields).status_code == 302

    event = WebhookEvent.objects.get()
    assert event.kind == ("customer.suspended" if is_suspended else "customer.resumed")
    because = {"because": "staff"} if is_suspended else {}
    assert event.payload == {"customer": "acme", **because}
