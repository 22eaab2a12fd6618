"""What owners do with endpoints: each change is in the audit trail, and no secret is."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEntry, DeliveryState, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.addresses import AddressRefused
from accounts.webhooks.endpoints import (
    MOST_ENDPOINTS,
    EndpointRefused,
    choose_kinds,
    disable_endpoint,
    enable_endpoint,
    remove_endpoint,
    resend,
    rotate_secret,
    send_test,
)
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import ALICE, endpoint, send_due, suspended

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1/hooks"
DAY = dt.timedelta(days=1)


@pytest.fixture
def acmes(acme):
    return endpoint(acme, URL)


def test_an_endpoint_gets_a_secret_of_its_own(acme, acmes):
    other = endpoint(acme, f"{URL}/other")

    assert acmes.secret.startswith("whsec_")
    assert (len(acmes.secret), acmes.secret == other.secret) == (len("whsec_") + 44, False)


def test_an_address_is_added_once_until_it_is_removed(acme, acmes):
    with pytest.raises(EndpointRefused, match="with this address already"):
        endpoint(acme, URL)

    remove_endpoint(endpoint=acmes, by=ALICE, now=clock.now())

    assert endpoint(acme, URL).secret != acmes.secret


def test_another_customer_may_have_the_same_address(acmes, globex):
    assert endpoint(globex, URL).pk


def test_there_is_an_end_to_the_number_of_endpoints(acme):
    for number in range(MOST_ENDPOINTS):
        endpoint(acme, f"{URL}/{number}")

    with pytest.raises(EndpointRefused, match="20 endpoints already"):
        endpoint(acme, URL)


def test_a_private_address_is_refused_when_it_is_saved(acme, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []

    with pytest.raises(AddressRefused):
        endpoint(acme, URL)
    assert not WebhookEndpoint.objects.exists()


def test_while_two_secrets_are_in_use_there_is_no_third(acmes):
    rotate_secret(endpoint=acmes, overlap=DAY, by=ALICE, now=clock.now())

    with pytest.raises(EndpointRefused, match="still in use"):
        rotate_secret(endpoint=acmes, overlap=DAY, by=ALICE, now=clock.now())
    last = rotate_secret(endpoint=acmes, overlap=DAY * 0, by=ALICE, now=clock.now())

    acmes.refresh_from_db()
    assert acmes.secrets_at(clock.now()) == [last]


def test_what_waited_when_an_endpoint_was_disabled_can_be_resent_once_it_is_enabled(acme, receiver):
    made = endpoint(acme, receiver.url)
    suspended(acme)
    disable_endpoint(endpoint=made, by=ALICE, now=clock.now())
    waited = WebhookDelivery.objects.select_related("endpoint").get()
    for refused in (
        lambda: resend(delivery=waited, by=ALICE, now=clock.now()),
        lambda: send_test(endpoint=made, by=ALICE, now=clock.now()),
    ):
        with pytest.raises(EndpointRefused, match="Enable it first"):
            refused()

    enable_endpoint(endpoint=made, by=ALICE)
    assert (send_due(), waited.state) == (0, DeliveryState.STOPPED)
    resend(delivery=waited, by=ALICE, now=clock.now())

    assert (send_due(), receiver.ids) == (1, [waited.event.public_id])


def test_a_removed_endpoint_has_no_secret_and_nothing_is_done_with_it(acme, acmes):
    suspended(acme)
    remove_endpoint(endpoint=acmes, by=ALICE, now=clock.now())

    removed = WebhookEndpoint.objects.get()
    assert (removed.secret, removed.previous_secret, removed.removed_at is not None) == ("", "", True)
    assert WebhookDelivery.objects.get().state == DeliveryState.STOPPED
    with pytest.raises(EndpointRefused, match="removed"):
        enable_endpoint(endpoint=acmes, by=ALICE)


def test_each_change_is_in_the_audit_trail_and_no_secret_is(acmes):
    rotated = rotate_secret(endpoint=acmes, overlap=DAY, by=ALICE, now=clock.now())
    choose_kinds(endpoint=acmes, kinds=["package.low"], by=ALICE)
    disable_endpoint(endpoint=acmes, by=ALICE, now=clock.now())

    entries = AuditEntry.objects.filter(table="accounts_webhookendpoint").order_by("pk")
    assert [(one.deed, one.by) for one in entries] == [("added", ALICE)] + [("changed", ALICE)] * 3
    kept = " ".join(f"{one.before} {one.after}" for one in entries)
    assert (rotated in kept, acmes.secret in kept, "(changed)" in kept) == (False, False, True)


def test_a_delivery_that_is_tried_is_no_entry(acme, receiver):
    endpoint(acme, receiver.url)
    receiver.answers = [500]
    suspended(acme)
    before = AuditEntry.objects.count()

    send_due()

    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ["bill.opened"]},
        {"disabled_because": "gone"},
        {"previous_secret": "whsec_x"},
        {"secret": ""},
    ],
    ids=str,
)
def test_the_database_refuses_what_cannot_be(acmes, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        WebhookEndpoint.objects.update(**wrong)
