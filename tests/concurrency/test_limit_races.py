"""Two who change limits at once: the second waits, and reads what the first has made."""

import datetime as dt
import html

import pytest
from django.urls import reverse

from pricing.catalogue.initial import load_catalogue
from pricing.changes.apply import catalogue_locked
from pricing.changes.limit_commands import add_limits
from pricing.models import CallSpecification, Service
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

DAY = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def service():
    load_catalogue()
    return Service.objects.get(name="SenseChat-5")


def lay(service, rpm, *, begins_at=None):
    return add_limits(
        service=service, customer=None, rpm=rpm, tpm=None, begins_at=begins_at, ends_at=None,
        by="first", reason="to test",
    ).specification  # fmt: skip


def post(client, address, **fields):
    """Send a form that begins or ends on DAY."""
    sent = {"rpm": 80, "tpm": "", "begins_at_0": "", "begins_at_1": "", "ends_at_0": "", "ends_at_1": ""}
    return client.post(address, sent | fields | {"reason": "second"}, follow=True)


def course(service):
    rows = CallSpecification.objects.filter(service=service).order_by("begins_at")
    return [(one.rpm, one.begins_at, one.ends_at) for one in rows]


def test_of_two_who_change_limits_at_once_the_second_ends_those_of_the_first(service, operator_client):
    with together() as threads:
        with catalogue_locked():
            first = lay(service, 70)
            page = reverse("admin:pricing_callspecification_add")
            posting = threads.start(lambda: post(operator_client, page, service=service.pk))
            wait_until_waiting(1)
        answer = posting.result(PATIENCE)

    assert "70 RPM, no TPM ends at" in html.unescape(answer.content.decode())
    (_, _, old_end), (_, begins, ends), (rpm, second, last) = course(service)
    assert (old_end, begins, rpm, last) == (first.begins_at, first.begins_at, 80, None)
    assert begins < ends == second


def test_who_moves_scheduled_limits_over_others_just_added_is_told_so(service, operator_client):
    held = lay(service, 60, begins_at=DAY)
    sent = {"service": service.pk, "rpm": 80, "begins_at_0": f"{DAY:%Y-%m-%d}", "begins_at_1": "00:00"}
    page = reverse("admin:pricing_callspecification_change", args=[held.pk])
    with together() as threads:
        with catalogue_locked():
            lay(service, 70, begins_at=DAY + dt.timedelta(days=1))
            posting = threads.start(lambda: post(operator_client, page, **sent))
            wait_until_waiting(1)
        answer = posting.result(PATIENCE)

    assert "Another call specification is in force in that period." in answer.content.decode()
    assert [rpm for rpm, *_ in course(service)] == [60, 60, 70]
