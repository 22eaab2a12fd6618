"""Usage in quarantine in the admin."""

import pytest
from django.urls import reverse

from invoices.monitoring.alarms import state_of_closing
from pricing.models import Service, ServiceAlias
from tests.builders import at
from tests.invoices.browsing import text
from tests.usage.quarantine.builders import in_quarantine
from usage.models import QuarantinedUsage, UsageRecord

pytestmark = pytest.mark.django_db

LIST = reverse("admin:usage_quarantinedusage_changelist")


def page(held, action):
    return reverse(f"admin:usage_quarantinedusage_{action}", args=[held.pk])


@pytest.fixture
def held(acme):
    return in_quarantine()


def test_the_list_says_what_waits_and_why(held, operator_client):
    shown = text(operator_client.get(LIST))

    assert "call-1" in shown
    assert "service: unknown service" in shown
    assert "waits" in shown


def test_where_nothing_waits_the_list_says_what_will_appear(operator_client):
    assert "No usage is in quarantine. What LiteLLM" in text(operator_client.get(LIST))


def test_it_is_mended_and_stored(held, operator_client):
    url = page(held, "store")
    form = {"customer": "acme", "service": "SenseChat-5", "input_tokens": "1,000", "reason": "Misspelt."}

    assert "unknown service" in text(operator_client.get(url))
    answer = operator_client.post(url, form, follow=True)

    assert "Stored: it is billed with its hour" in text(answer)
    assert "Misspelt." in text(answer)
    assert UsageRecord.objects.get().input_tokens == 1000


def test_what_still_cannot_be_stored_is_told_and_keeps_the_form(held, operator_client):
    form = {"customer": "acme", "service": "nova-8", "input_tokens": "1", "reason": "Misspelt."}

    answer = operator_client.post(page(held, "store"), form)

    assert "service: unknown service" in text(answer)
    assert 'value="nova-8"' in answer.content.decode()
    assert not UsageRecord.objects.exists()


def test_without_a_reason_nothing_is_decided(held, operator_client):
    for action in ("store", "dismiss"):
        answer = operator_client.post(page(held, action), {"customer": "acme", "service": "SenseChat-5"})
        assert "Give a reason" in text(answer)

    assert QuarantinedUsage.objects.get().state == "waiting"


def test_it_is_dismissed(held, operator_client):
    operator_client.post(page(held, "dismiss"), {"reason": "A test run."})

    assert QuarantinedUsage.objects.get().state == "dismissed"
    assert operator_client.get(page(held, "store")).status_code == 403


def test_several_are_sent_again_once_their_alias_is_there(acme, operator_client):
    for event_id in ("a", "b"):
        in_quarantine(event_id)
    in_quarantine("c", service="nova-8")
    ServiceAlias.objects.create(alias="nova-9", service=Service.objects.get(name="SenseChat-5"))
    chosen = [one.pk for one in QuarantinedUsage.objects.all()]

    form = {"action": "send_again", "_selected_action": chosen}
    shown = text(operator_client.post(LIST, form, follow=True))

    assert "Stored: 2." in shown
    assert "c: service: unknown service" in shown
    assert {one.event_id for one in UsageRecord.objects.all()} == {"a", "b"}


def test_a_customer_sees_nothing_of_it(held, bob_client):
    assert bob_client.get(LIST).status_code == 302
    assert bob_client.post(page(held, "dismiss"), {"reason": "Mine."}).status_code == 302
    assert QuarantinedUsage.objects.get().state == "waiting"


def alarm():
    (found,) = [one for one in state_of_closing(now=at(90)).alarms if one.name == "quarantine"]
    return found


def test_what_waits_rings_an_alarm_until_it_is_decided(held, operator_client):
    assert alarm().level == "warning"
    assert alarm().text.startswith("1 usage record waits in quarantine, the oldest since")

    operator_client.post(page(held, "dismiss"), {"reason": "A test run."})

    assert (alarm().level, alarm().text) == ("ok", "No usage waits in quarantine.")
