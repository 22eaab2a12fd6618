"""What a customer may ask of a service is kept while nothing is changed, and not a moment longer."""

import datetime as dt

import pytest
from django.db import transaction

from accounts.models import Customer
from pricing.catalogue.initial import load_catalogue
from pricing.models import CallSpecification, Service
from tests.builders import alias_from_before
from tests.concurrency.threads import PATIENCE, together
from usage.limits.entitlements import EntitlementRequest, Entitlements, NotEntitled
from usage.limits.stores.windows import CallLimits

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime.now(dt.UTC)
SECOND = dt.timedelta(seconds=1)
ASKED = EntitlementRequest("acme", "SenseChat-5", None)


@pytest.fixture
def rights(acme):
    """Rights that have been read once."""
    load_catalogue()
    rights = Entitlements()
    ask(rights, 0)
    return rights


def ask(rights, seconds):
    """Acme's right to SenseChat-5 so many seconds from now."""
    (right,) = rights.of([ASKED], now=NOW + seconds * SECOND)
    return right


def suspend():
    Customer.objects.update(is_suspended=True)


def test_a_right_is_not_read_again_while_nothing_changes(rights):
    assert ask(rights, 300) is ask(rights, 0)


def test_after_a_change_it_is_read_anew_within_a_second(rights):
    suspend()

    assert isinstance(ask(rights, 1), NotEntitled)


def test_a_change_that_is_committed_late_is_seen_however_early_it_was_made(rights):
    """Its entry in the audit trail is older than others that were seen meanwhile."""
    with together() as threads, transaction.atomic():
        suspend()
        threads.start(lambda: Customer.objects.create(code="globex", name="Globex")).result(PATIENCE)
        meanwhile = threads.start(lambda: ask(rights, 2)).result(PATIENCE)

    assert not isinstance(meanwhile, NotEntitled)
    assert isinstance(ask(rights, 3), NotEntitled)


def test_what_is_planned_takes_effect_at_its_instant(rights, acme):
    CallSpecification.objects.create(
        service=Service.objects.get(name="SenseChat-5"),
        customer=acme,
        rpm=7,
        begins_at=NOW + 90 * SECOND,
        ends_at=NOW + 95 * SECOND,
    )

    limits = [ask(rights, seconds).limits for seconds in (89, 90, 94, 95)]

    assert limits == [
        CallLimits(60, 128_000),
        CallLimits(7, None),
        CallLimits(7, None),
        CallLimits(60, 128_000),
    ]


def test_what_is_refused_is_forgotten_after_a_second(rights):
    rights.of([EntitlementRequest(f"nobody-{n}", "SenseChat-5", None) for n in range(3)], now=NOW + SECOND)

    ask(rights, 2)

    assert [*rights._cached] == [ASKED]


def test_a_clock_that_is_set_back_makes_nothing_last_longer(rights):
    ask(rights, 100)
    suspend()

    assert isinstance(ask(rights, 50), NotEntitled)


@pytest.mark.parametrize("other", ["SenseChat", "SenseChat-Vision"])
def test_a_service_comes_before_an_alias_of_the_same_name(other, rights):
    with transaction.atomic():
        alias_from_before("SenseChat-5", service=Service.objects.get(name=other))

    asked = [ASKED, EntitlementRequest("acme", other, None)]
    found = Entitlements().of(asked, now=NOW)

    assert [getattr(right, "service", right) for right in found] == ["SenseChat-5", other]
