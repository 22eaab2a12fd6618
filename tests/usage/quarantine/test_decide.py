"""Usage in quarantine is stored as it is or mended, or dismissed; once, and signed."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from accounts.api_keys.keys import issue_service_key
from pricing.models import Service, ServiceAlias
from tests.builders import THE_HOUR, at, close, record, report
from tests.usage.quarantine.builders import in_quarantine
from usage.models import QuarantinedUsage, UsageRecord
from usage.quarantine.decide import NotStored, dismiss_quarantined, store_quarantined

pytestmark = pytest.mark.django_db


def store(held, **mended):
    return store_quarantined(pk=held.pk, by="operator", reason="An alias.", now=at(90), **mended)


def dismiss(held):
    return dismiss_quarantined(pk=held.pk, by="operator", reason="A test run.", now=at(90))


def alias(name="nova-9"):
    ServiceAlias.objects.create(alias=name, service=Service.objects.get(name="SenseChat-5"))


def test_it_is_stored_once_its_service_is_known(acme):
    held = in_quarantine()
    alias()

    stored = store(held)

    found = UsageRecord.objects.get()
    assert (found.event_id, found.service.name, found.input_tokens) == ("call-1", "SenseChat-5", 1000)
    assert (found.occurred_at, found.received_at) == (at(10), at(61))
    assert (stored.state, stored.decided_by, stored.decision) == ("stored", "operator", "An alias.")


def test_it_still_waits_where_it_still_cannot_be_stored(acme):
    held = in_quarantine()

    with pytest.raises(NotStored, match="service: unknown service"):
        store(held)

    assert (QuarantinedUsage.objects.get().state, UsageRecord.objects.count()) == ("waiting", 0)


def test_it_is_stored_mended(acme, globex):
    held = in_quarantine()

    stored = store(held, customer="globex", service="SenseChat", quantities={"input_tokens": 7})

    found = UsageRecord.objects.get()
    before = "customer acme, service nova-9, input_tokens 1000, output_tokens 500"
    assert stored.decision == f"An alias. Before: {before}."
    assert (found.customer, found.service.name) == (globex, "SenseChat")
    assert (found.input_tokens, found.output_tokens) == (7, 0)


def test_age_is_no_obstacle_and_a_closed_hour_makes_it_late(acme):
    held = in_quarantine()
    record(report("other"))
    close()
    alias()

    store_quarantined(pk=held.pk, by="operator", reason="Found.", now=at(0) + dt.timedelta(days=90))

    assert UsageRecord.objects.get(event_id="call-1").billing_hour == THE_HOUR + dt.timedelta(hours=1)


def test_a_limited_key_stores_for_its_customers_only(acme, globex):
    key, _ = issue_service_key(name="limited", customers=[globex])
    held = in_quarantine(key=key)

    with pytest.raises(NotStored, match="may not report for the customer 'acme'"):
        store(held, service="SenseChat")


def test_what_is_stored_under_its_id_already_is_not_stored_again(acme):
    held = in_quarantine()
    record(report("call-1", input_tokens=5))

    with pytest.raises(NotStored, match="dismiss it"):
        store(held, service="SenseChat-5")


def test_an_outcome_and_a_long_id_go_along(acme):
    held = in_quarantine(outcome="failed")
    held.metadata = {"id": "x" * 473}
    held.save()

    store(held, service="SenseChat-5")

    found = UsageRecord.objects.get()
    assert (found.outcome, found.is_charged, found.metadata) == ("failed", False, {"id": "x" * 473})


@pytest.mark.parametrize("decide", [store, dismiss])
def test_it_is_decided_on_once(decide, acme):
    held = in_quarantine()
    dismiss(held)

    with pytest.raises(NotStored, match="It is dismissed already, by operator"):
        decide(held)

    assert not UsageRecord.objects.exists()


def test_the_database_refuses_a_decision_without_a_signature(acme):
    held = in_quarantine()

    with pytest.raises(IntegrityError, match="is_signed"), transaction.atomic():
        QuarantinedUsage.objects.filter(pk=held.pk).update(state="dismissed")
