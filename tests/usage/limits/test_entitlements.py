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
def entitlements(acme):
    """Rights that have been read once."""
    load_catalogue()
    entitlements = Entitlements()
    ask(entitlements, 0)
    return entitlements


def ask(entitlements, seconds):
    """Acme's entitlement to SenseChat-5 so many seconds from now."""
    (entitlement,) = entitlements.of([ASKED], now=NOW + seconds * SECOND)
    return entitlement


def suspend():
    Customer.objects.update(is_suspended=True)


def test_an_entitlement_is_not_read_again_while_nothing_changes(entitlements):
    assert ask(entitlements, 300) is ask(entitlements, 0)


def test_after_a_change_it_is_read_anew_within_a_second(entitlements):
    suspend()

    assert isinstance(ask(entitlements, 1), NotEntitled)


def test_a_change_that_is_committed_late_is_seen_however_early_it_was_made(entitlements):
    """Its entry in the audit trail is older than others that were seen meanwhile."""
    with together() as threads, transaction.atomic():
        suspend()
        threads.start(lambda: Customer.objects.create(code="globex", name="Globex")).result(PATIENCE)
        meanwhile = threads.start(lambda: ask(entitlements, 2)).result(PATIENCE)

    assert not isinstance(meanwhile, NotEntitled)
    assert isinstance(ask(entitlements, 3), NotEntitled)


def test_what_is_planned_takes_effect_at_its_instant(entitlements, acme):
    CallSpecification.objects.create(
        service=Service.objects.get(name="SenseChat-5"),
        customer=acme,
        rpm=7,
        begins_at=NOW + 90 * SECOND,
        ends_at=NOW + 95 * SECOND,
    )

    limits = [ask(entitlements, seconds).limits for seconds in (89, 90, 94, 95)]

    assert limits == [
        CallLimits(60, 128_000),
        CallLimits(7, None),
        CallLimits(7, None),
        CallLimits(60, 128_000),
    ]


def test_what_is_refused_is_forgotten_after_a_second(entitlements):
    entitlements.of(
        [EntitlementRequest(f"nobody-{n}", "SenseChat-5", None) for n in range(3)], now=NOW + SECOND
    )

    ask(entitlements, 2)

    assert [*entitlements._cached] == [ASKED]


def test_a_clock_that_is_set_back_makes_nothing_last_longer(entitlements):
    ask(entitlements, 100)
    suspend()

    assert isinstance(ask(entitlements, 50), NotEntitled)


@pytest.mark.parametrize("other", ["SenseChat", "SenseChat-Vision"])
def test_a_service_comes_before_an_alias_of_the_same_name(other, entitlements):
    with transaction.atomic():
        alias_from_before("SenseChat-5", service=Service.objects.get(name=other))

    asked = [ASKED, EntitlementRequest("acme", other, None)]
    found = Entitlements().of(asked, now=NOW)

    assert [getattr(entitlement, "service", entitlement) for entitlement in found] == ["SenseChat-5", other]
