"""A customer with many calls refused by its limits is notified once a day."""

import pytest
from django.utils import timezone

from accounts.models import CustomerNotice
from accounts.notices.words import paragraphs_of
from pricing.models import Service
from tests.builders import raw_record
from usage.billing_hours import hour_of
from usage.limits.notices.often_reached import notify_of_limits
from usage.limits.stores.windows import Refusal
from usage.models import RefusedCalls

pytestmark = pytest.mark.django_db


@pytest.fixture
def now(settings):
    """Of the store, which has its own clock."""
    settings.REDIS_URL = ""
    settings.LIMIT_NOTICE_CALLS, settings.LIMIT_NOTICE_PERCENT = 10, 50
    return timezone.now()


def refuse(customer, calls, *, now, refusal=Refusal.RPM):
    service = Service.objects.get(name="SenseChat-5")
    RefusedCalls.objects.create(
        customer=customer, service=service, hour=hour_of(now), refusal=refusal, calls=calls
    )


def test_many_refusals_are_one_notice_a_day(acme, globex, now):
    refuse(acme, 6, now=now)
    refuse(acme, 4, now=now, refusal=Refusal.TPM)
    refuse(globex, 9, now=now)
    refuse(globex, 90, now=now, refusal=Refusal.NEVER)

    assert [notify_of_limits(now=now) for _ in range(2)] == [1, 0]
    notice = CustomerNotice.objects.get()
    assert notice.customer == acme
    assert {**notice.payload, "hour_at": ""} == {
        **{"service": "SenseChat-5", "hour_at": "", "refused_by_rpm": 6, "refused_by_tpm": 4, "calls": 10}
    }
    assert "of 10 calls to SenseChat-5 so far 6 were refused by the RPM" in paragraphs_of(notice)[0]


def test_a_small_share_is_no_notice(acme, now):
    refuse(acme, 10, now=now)
    for number in range(11):
        raw_record(f"{number}", occurred_at=now, received_at=now, billing_hour=hour_of(now))

    assert notify_of_limits(now=now) == 0
