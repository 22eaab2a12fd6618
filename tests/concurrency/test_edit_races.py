"""Two who save the same row at the same moment: the second is told of the first."""

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.audit.edit_conflicts import VersionedAdmin
from accounts.models import Customer, ServiceKey
from pricing.catalogue.initial import load_catalogue
from tests.browsing import fields_of
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db(transaction=True)


def twin(client):
    """Another browser of the same person: a client is not for two threads."""
    other = Client()
    other.cookies = client.cookies.copy()
    return other


def save_twice_at_once(client, customer):
    """Two open the customer; one suspends it, one renames it, while the row is held; return the answers."""
    page = reverse("admin:accounts_customer_change", args=[customer.pk])
    fields = fields_of(client.get(page))
    with together() as threads:
        with transaction.atomic():
            Customer.objects.select_for_update().get(pk=customer.pk)
            one = threads.start(lambda: client.post(page, fields | {"is_suspended": "on"}))
            wait_until_waiting(1, locktype="transactionid")
            two = threads.start(lambda: twin(client).post(page, fields | {"name": "Acme & Sons"}))
            wait_until_waiting(1, locktype="tuple")
        answers = [one.result(PATIENCE).status_code, two.result(PATIENCE).status_code]
    customer.refresh_from_db()
    return answers


def test_of_two_who_save_at_once_the_second_is_shown_what_the_first_changed(acme, operator_client):
    load_catalogue()

    answers = save_twice_at_once(operator_client, acme)

    assert sorted(answers) == [200, 302]
    assert (acme.name, acme.is_suspended) in {("Acme Ltd", True), ("Acme & Sons", False)}


def test_without_the_lock_both_would_save_and_one_change_would_be_lost(acme, operator_client, monkeypatch):
    """The control: what the test above would see if nothing held the row."""
    monkeypatch.setattr(VersionedAdmin, "_lock", lambda *_: None)

    assert save_twice_at_once(operator_client, acme) == [302, 302]


def test_a_key_that_is_revoked_while_its_form_is_saved_stays_revoked(now, operator_client):
    key, _ = issue_service_key(name="gateway")
    page = reverse("admin:accounts_servicekey_change", args=[key.pk])
    fields = fields_of(operator_client.get(page)) | {"name": "gateway-2"}
    with together() as threads:
        with transaction.atomic():
            ServiceKey.objects.select_for_update().get(pk=key.pk)
            saving = threads.start(lambda: operator_client.post(page, fields))
            wait_until_waiting(1, locktype="transactionid")
            revoking = threads.start(lambda: revoke_service_key(key=key, now=now))
            wait_until_waiting(1, locktype="tuple")
        saving.result(PATIENCE)
        revoking.result(PATIENCE)

    assert ServiceKey.objects.get().revoked_at == now
